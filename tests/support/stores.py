"""A store with something in every table, for what moves whole stores."""

from dataclasses import replace

from common.diagnostic import Diagnostic, LineFrame
from common.meter_state import MeterState
from common.secret import Secret
from common.store.content import Row, content_of
from common.store.database import Database, Way
from common.store.engine import Store
from common.store.model import LatestRow, MeterStateRow, MeterWish, Role, Severity
from common.store.notices import Notice
from tests.support.installation import NOON_MS, wish

PASSWORD, TOKEN, KEY = Secret("12345678"), Secret("a-token"), Secret("0f" * 16)
Rows = dict[str, list[Row]]


def secured(name: str = "secured", port: int = 4059) -> MeterWish:
    """Return a meter with secrets."""
    return replace(wish(name, port=port), authentication="lls", password=PASSWORD, tb_token=TOKEN, encryption_key=KEY)


def fill(store: Store) -> bytes:
    """Put something into every part of a store; return the uid of a meter."""
    meter = store.meters.add(secured(), "ann")
    gone = store.meters.add(wish("ümlaut 'gone'; --", port=1), "ann")
    store.meters.remove(gone.uid, "ann")
    state = MeterStateRow(meter.uid, MeterState.ACTIVE, updated_ms=2**40)
    facts = {"x": "\0 ü \U0001f600 \\", "ü": ""}
    store.states.write([replace(state, metrics={"a": 1e-300, "b": -(2**53)}, facts=facts)])
    latest = LatestRow(meter.uid, 9, b"\0\xff\n45678", 7, {"v": 1.5, "n": None}, {"v": "V"}, ("q",))
    store.states.write_latest([latest])
    store.states.write_component("publisher", {"a": [1, "\n"]}, 10)
    number = store.commands.insert(meter.uid, "read", arguments={"a": 1}, actor="ann")
    store.commands.finish(number, ok=True, result={"v": 0.1})
    store.alarms.raise_("disk:2", Severity.CRITICAL, "disk", "full", details={"x": "\u2028"})
    store.alarms.clear("disk:2")
    store.starts.record(meter.uid, 77, NOON_MS, "unplanned")
    store.tokens.create(Role.ADMIN, "first")
    store.diagnostics.write([
        (meter.uid, Diagnostic(5, "error", "hdlc", "bad_fcs", "bad", (LineFrame("in", 3, b"\x7e"),), 2))
    ])
    store.periods.add({(300_000, meter.uid): {"measured_ms": 300_000}}, {300_000: {"measured_ms": 300_000}})
    store.notices.add([Notice(1, "raised", "mail")], 5)
    return meter.uid


def rows_of(url: str) -> Rows:
    """Return all rows of all tables."""
    database = Database(url)
    with database.begin(Way.READ) as connection:
        content = content_of(connection)
        found = {table.name: list(content.rows(table)) for table in content.tables}
    database.close()
    return found
