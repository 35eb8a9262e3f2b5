"""What programs get of a meter: the wish and the state in one JSON object, the names those of the store's columns.

In: a Meter and its state. Out: plain data. Secrets stay behind: ``password_set`` and ``tb_token_set`` tell of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Final

from common.meter_state import MeterState
from common.secret import Secret

if TYPE_CHECKING:
    from common.store.model import LatestRow, Meter, MeterStateRow

_STATE: Final = (
    *("status", "cause", "detail", "last_seen_ms", "last_error", "error_count", "process_id", "serial_number"),
    *("firmware_version", "last_read_ms", "last_taken_ms", "last_acknowledged_ms", "metrics", "network", "facts"),
)


def meter_document(meter: "Meter", state: "MeterStateRow | None") -> dict[str, object]:
    """Return a meter for programs; times are UTC milliseconds, null is never or unknown."""
    return {
        "id": meter.id,
        "uid": meter.uid.hex(),
        "revision": meter.revision,
        "created_at": meter.created_at,
        "updated_at": meter.updated_at,
        **_wish(meter),
        "state": _state(state),
    }


def reading_document(row: "LatestRow", name: str) -> dict[str, object]:
    """Return a reading for programs."""
    return {
        "meter": name,
        "uid": row.uid.hex(),
        "epoch": row.epoch.hex(),
        "seq": row.seq,
        "ts": row.ts_ms,
        "values": row.values,
        "units": row.units,
        "quality": row.quality,
        "failed": row.failed,
    }


def _wish(meter: "Meter") -> dict[str, object]:
    wish = meter.wish
    document: dict[str, object] = {}
    for item in fields(wish):
        value = getattr(wish, item.name)
        if isinstance(value, Secret):
            document[f"{item.name}_set"] = bool(value)
        else:
            document[item.name] = dict(value) if isinstance(value, Mapping) else value
    document["measurements"] = [asdict(item) for item in wish.measurements]
    return document


def _state(state: "MeterStateRow | None") -> dict[str, object]:
    if state is None:
        return {"status": MeterState.INACTIVE}
    return {name: getattr(state, name) for name in _STATE} | {"obeyed_revision": state.revision}
