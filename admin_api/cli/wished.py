"""Whether a meter is as it is wished, and whether what is known of it is of now. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from common.meter_state import DesiredState, MeterState

if TYPE_CHECKING:
    from common.store.model import ComponentRow, Meter, MeterStateRow

SILENT_MS: Final = 15_000  # each part speaks once a second; supervisord has replaced a dead one well within this
_WISHED: Final[Mapping[DesiredState, frozenset[MeterState]]] = {
    DesiredState.RUNNING: frozenset({MeterState.ACTIVE}),
    DesiredState.PAUSED: frozenset({MeterState.PAUSED}),
    DesiredState.STOPPED: frozenset({MeterState.INACTIVE}),
}


def is_as_wished(meter: "Meter", state: "MeterStateRow | None") -> bool:
    """Return whether what is known of a meter is what is wished; nothing known: it has no worker."""
    word = MeterState.INACTIVE if state is None else state.status
    return word in _WISHED[meter.wish.desired_state]


def last_word_ms(components: "Mapping[str, ComponentRow]", now_ms: int) -> int | None:
    """Return when the supervisor spoke last where it is silent; None where it speaks, or never has."""
    row = components.get("supervisor")
    return None if row is None or now_ms - row.updated_ms <= SILENT_MS else row.updated_ms
