"""What is kept, and for how long: every rule by age and by number, a batch at a time; what is not over stays."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select

from common.diagnostic import Diagnostic
from common.settings import StoreSettings
from common.store import forgetting
from common.store.database import Database, Way
from common.store.engine import Store
from common.store.model import CommandState, Role, Severity
from common.store.notices import Notice
from common.store.retention import DAY_MS, Retention, rules
from common.store.tables import metadata, starts
from tests.support.installation import NOON_MS, StillClock

UID = b"\x07" * 16
RULES = {rule.table.name: rule for rule in rules(StoreSettings())}
DAY_S = 86_400


def _command(store: Store) -> None:
    store.commands.finish(store.commands.insert(UID, "read", actor="test"), ok=True)


def _alarm(store: Store) -> None:
    store.alarms.raise_("disk", Severity.ERROR, "disk", "full")
    store.alarms.clear("disk")


def _token(store: Store) -> None:
    number, _ = store.tokens.create(Role.VIEWER, "short")
    store.tokens.revoke(number)


OVER: Mapping[str, Callable[[Store], object]] = {
    "commands": _command,
    "dlms_diagnostics": lambda store: store.diagnostics.write([(UID, Diagnostic(NOON_MS, "error", "hdlc", "a", "b"))]),
    "alarms": _alarm,
    "notices": lambda store: store.notices.add([Notice(1, "raised", "mail")], NOON_MS),
    "starts": lambda store: store.starts.record(UID, 7, NOON_MS, "exit"),
    "audit": lambda store: store.audit.record("test", "test.done", "it"),
    "tokens": _token,
}
"""How each table gets a row that is over at noon."""


@pytest.fixture
def database(store: Store, store_url: str) -> Iterator[Database]:
    """The same store, below its door."""
    found = Database(store_url)
    yield found
    found.close()


def _rows(database: Database, name: str) -> int:
    with database.begin(Way.READ) as connection:
        return int(connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one())


def test_there_is_a_row_of_each_rule_to_try_it_on() -> None:
    assert OVER.keys() == RULES.keys()


def test_what_is_over_goes_after_its_days_and_not_before(store: Store, database: Database, clock: StillClock) -> None:
    for make in OVER.values():
        make(store)
    for days in sorted({rule.days for rule in RULES.values()}):
        clock.passed_s = float(days * DAY_S)
        store.trim()
        kept = {name for name, rule in RULES.items() if rule.days >= days}
        assert {name for name in RULES if _rows(database, name)} >= kept, f"at {days} days"
        clock.passed_s += 0.001
        store.trim()
        kept = {name for name, rule in RULES.items() if rule.days > days}
        assert {name for name in RULES if _rows(database, name)} - {"audit"} == kept - {"audit"}, f"after {days} days"


def test_what_is_not_over_stays(store: Store, clock: StillClock) -> None:
    waiting = store.commands.insert(UID, "read", actor="test")
    store.alarms.raise_("disk", Severity.ERROR, "disk", "full")
    _, text = store.tokens.create(Role.ADMIN, "mine", life_ms=None)
    clock.passed_s = 5000.0 * DAY_S
    store.trim()
    assert store.commands.get(waiting).state is CommandState.PENDING
    assert [alarm.dedup_key for alarm in store.alarms.active()] == ["disk"]
    assert store.tokens.verify(text.reveal()) is not None


@pytest.mark.parametrize("name", ["alarms", "commands"])
def test_the_oldest_beyond_the_number_go(store: Store, database: Database, clock: StillClock, name: str) -> None:
    store.alarms.raise_("lasting", Severity.ERROR, "disk", "full")
    for _ in range(5):
        OVER[name](store)
        clock.sleep(1.0)
    retention = Retention(database, StoreSettings())
    retention.rules = (replace(RULES[name], rows=2),)
    retention.trim(clock.wall_ms())
    assert _rows(database, name) == (3 if name == "alarms" else 2), "and the alarm that lasts"
    assert [alarm.dedup_key for alarm in store.alarms.active()] == ["lasting"]


def test_one_turn_forgets_one_batch_and_says_that_there_may_be_more(database: Database) -> None:
    count = forgetting.BATCH + 5
    with database.begin(Way.STATE) as connection:
        connection.execute(insert(starts), [{"uid": UID, "pid": 1, "at_ms": 0, "reason": "exit"}] * count)
    retention = Retention(database, StoreSettings())
    assert retention.trim(NOON_MS)
    assert _rows(database, "starts") == 5
    assert not retention.trim(NOON_MS)
    assert _rows(database, "starts") == 0


def test_days_come_from_the_settings() -> None:
    found = {rule.table.name: rule for rule in rules(StoreSettings(alarms_kept_days=3, audit_kept_days=5))}
    assert (found["alarms"].days, found["audit"].days) == (3, 5)
    assert found["notices"].days > found["alarms"].days, "what is forgotten of an alarm would be told again"
    assert DAY_MS == 1000 * DAY_S
