"""Whether a meter is as it is wished. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from common.meter_state import DesiredState, MeterState

if TYPE_CHECKING:
    from common.store.model import Meter, MeterStateRow

_WISHED: Final[Mapping[DesiredState, frozenset[MeterState]]] = {
    DesiredState.RUNNING: frozenset({MeterState.ACTIVE}),
    DesiredState.PAUSED: frozenset({MeterState.PAUSED}),
    DesiredState.STOPPED: frozenset({MeterState.INACTIVE}),
}


def is_as_wished(meter: "Meter", state: "MeterStateRow | None") -> bool:
    """Return whether what is known of a meter is what is wished; nothing known: it has no worker."""
    word = MeterState.INACTIVE if state is None else state.status
    return word in _WISHED[meter.wish.desired_state]
