"""Looking without SQLAlchemy gives what the store itself gives, from the same file."""

import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import common.store.migrations
from common.meter_state import DesiredState, MeterState
from common.secret import Secret
from common.store.engine import Store
from common.store.errors import NoSuchMeter, StoreDamaged, StoreTooNew, StoreUnavailable
from common.store.looking import SEALED, Looking, refuse_newer, sqlite_file
from common.store.model import (
    SECRETS,
    ComponentRow,
    LatestRow,
    MeasurementWish,
    Meter,
    MeterStateRow,
    MeterWish,
    Severity,
)
from common.store.schema import REVISION
from tests.support.installation import wish

ODD = MeterWish(
    "odd",
    "10.0.0.2",
    4059,
    "wrapper",
    server_physical=None,
    address_size=None,
    authentication="lls",
    password=Secret("12345678"),
    dedicated_key=False,
    interval_s=7.0,
    desired_state=DesiredState.PAUSED,
    tb_enabled=True,
    tb_token=Secret("t"),
    limits={"reply_timeout_s": 2.5},
    backfill=False,
    measurements=(
        MeasurementWish("voltage_l1", "1-1:32.7.0"),
        MeasurementWish("clock", "0-0:1.0.0", 8, 2, enabled=False, sampling_interval=60.0, tb_key="time"),
    ),
)


@pytest.fixture
def looking(store: Store, store_file: Path) -> Looking:
    store.check()
    return Looking(store_file)


def _closed(meter: Meter) -> Meter:
    closed: dict[str, Any] = {name: SEALED for name in SECRETS if getattr(meter.wish, name)}
    return replace(meter, wish=replace(meter.wish, **closed))


def _types(value: object) -> list[type]:
    return [type(getattr(value, item.name)) for item in fields(value)]  # type: ignore[arg-type]


def test_meters_are_equal_and_their_secrets_closed(store: Store, looking: Looking) -> None:
    added = [store.meters.add(item, "test") for item in (wish(), ODD, wish("gone", "10.0.0.9"))]
    store.meters.remove(added[2].id, "test")
    assert looking.meters.list() == [_closed(meter) for meter in store.meters.list()]
    for meter in store.meters.list():
        assert looking.meters.find(meter.wish.name) == _closed(meter)
        assert looking.meters.find(str(meter.id)) == _closed(meter)
        assert looking.meters.find(meter.uid.hex()) == _closed(meter)
        assert _types(looking.meters.find(meter.wish.name).wish) == _types(meter.wish)
    assert looking.meters.names() == ["odd", "sim-1"]


@pytest.mark.parametrize("text", ["7", "nobody", "ab" * 16, "'; --"])
def test_an_unknown_meter_is_told_in_the_same_words(store: Store, looking: Looking, text: str) -> None:
    with pytest.raises(NoSuchMeter) as ours:
        looking.meters.find(text)
    with pytest.raises(NoSuchMeter) as theirs:
        store.meters.find(text)
    assert ours.value.detail == theirs.value.detail


def test_states_latest_values_components_and_alarms_are_equal(store: Store, looking: Looking) -> None:
    meter = store.meters.add(wish(), "test")
    state = MeterStateRow(meter.uid, MeterState.STALE, "x", metrics={"a": 1.5}, facts={"f": "g"}, process_id=7)
    store.states.write([state, MeterStateRow(bytes(16))])
    values = {"v": 1.5, "n": float("inf"), "t": "x", "b": True}
    store.states.write_latest([LatestRow(meter.uid, 9, b"12345678", 7, values, {"v": "V"}, ("a", "b"), {"i": "x"})])
    store.states.write_component("publisher", {"deep": {"a": [1, None]}}, 5)
    store.alarms.raise_("a", Severity.ERROR, "connection", "no route", meter_uid=meter.uid, details={"n": 1})
    store.alarms.raise_("b", Severity.INFO, "clock", "unsynchronised")
    store.alarms.raise_("c", Severity.INFO, "clock", "over")
    store.alarms.clear("c")
    assert looking.states.list() == store.states.list()
    assert looking.states.get(meter.uid) == store.states.get(meter.uid) == state
    assert looking.states.get(b"\x09" * 16) == store.states.get(b"\x09" * 16)
    assert looking.states.latest(meter.uid) == store.states.latest(meter.uid)
    assert looking.states.latest(bytes(16)) is None
    assert looking.states.list_latest() == store.states.list_latest()
    assert (
        looking.states.components()
        == store.states.components()
        == {"publisher": ComponentRow("publisher", {"deep": {"a": [1, None]}}, 5)}
    )
    assert looking.alarms.active() == store.alarms.active()
    assert [_types(row) for row in looking.alarms.active()] == [_types(row) for row in store.alarms.active()]


def test_the_revision_is_that_of_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(str(common.store.migrations.__file__)).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def _set_revision(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_a_store_of_another_version_is_refused_by_name(looking: Looking, tmp_path: Path) -> None:
    refuse_newer(tmp_path / "store.db")
    _set_revision(tmp_path / "store.db", "0001")
    with pytest.raises(StoreDamaged, match="older version"):
        looking.meters.list()
    refuse_newer(tmp_path / "store.db")
    _set_revision(tmp_path / "store.db", "9999")
    with pytest.raises(StoreTooNew, match="9999"):
        looking.meters.list()
    with pytest.raises(StoreTooNew):
        refuse_newer(tmp_path / "store.db")


def test_a_file_that_is_gone_empty_or_no_database_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreUnavailable):
        Looking(path).meters.list()
    assert not path.exists(), "looking makes nothing"
    path.touch()
    with pytest.raises(StoreDamaged, match="no schema"):
        Looking(path).meters.list()
    path.write_bytes(b"not a database" * 99)
    with pytest.raises(StoreDamaged):
        Looking(path).meters.list()
    refuse_newer(path)


def test_nothing_is_written_by_looking(looking: Looking, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"), looking.meters._file.opened() as database:
        database.execute("DELETE FROM meters")


def test_looking_goes_on_while_somebody_writes(store: Store, looking: Looking, tmp_path: Path) -> None:
    store.meters.add(wish(), "test")
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM meters")
        assert [meter.wish.name for meter in looking.meters.list()] == ["sim-1"]


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////var/lib/x/store.db", Path("/var/lib/x/store.db")),
        ("sqlite:///here.db", Path("here.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("sqlite:///x.db?timeout=3", None),
        ("postgresql+psycopg://u@h/d", None),
    ],
)
def test_only_a_plain_sqlite_url_is_looked_at(url: str, file: Path | None) -> None:
    assert sqlite_file(url) == file
