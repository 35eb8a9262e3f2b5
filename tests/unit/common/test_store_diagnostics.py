"""Diagnostics of the line in the store: order, bounds, what is forgotten."""

from common.diagnostic import Diagnostic, LineFrame
from common.store.diagnostics import MAX_PER_METER
from common.store.engine import Store
from common.store.model import FrameRow, Severity
from tests.support.installation import NOON_MS

UID, OTHER = bytes(range(16)), bytes(16)


def _event(at_ms: int = NOON_MS, kind: str = "link_lost") -> Diagnostic:
    frames = (LineFrame("sent", 900, b"\x7e\xa0"), LineFrame("received", 20, b""))
    return Diagnostic(at_ms, "warning", "connection", kind, "nothing came", frames, suppressed=3)


def test_what_was_written_comes_back_newest_first(store: Store) -> None:
    store.diagnostics.write([(UID, _event()), (UID, _event(NOON_MS + 5, "bad_frame")), (OTHER, _event())])
    newest, oldest = store.diagnostics.list(UID)
    assert (newest.kind, oldest.kind, oldest.severity, oldest.suppressed) == (
        "bad_frame",
        "link_lost",
        Severity.WARNING,
        3,
    )
    assert oldest.frames == (FrameRow("sent", 900, "7ea0"), FrameRow("received", 20, ""))
    assert [row.kind for row in store.diagnostics.list(UID, since_ms=NOON_MS + 1)] == ["bad_frame"]
    assert len(store.diagnostics.list(UID, limit=1)) == 1


def test_a_meter_keeps_its_newest_two_hundred_and_costs_no_other(store: Store) -> None:
    store.diagnostics.write([(OTHER, _event())])
    for first in range(0, MAX_PER_METER + 50, 50):
        store.diagnostics.write([(UID, _event(NOON_MS + first + number)) for number in range(50)])
    rows = store.diagnostics.list(UID, limit=1000)
    assert len(rows) == MAX_PER_METER
    assert rows[-1].at_ms == NOON_MS + 50
    assert len(store.diagnostics.list(OTHER)) == 1
