"""The database of an earlier system: whatever its columns are called, a row is a meter's body."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from admin_api.transfer.planning import Mode, Outcome, plan_import
from admin_api.transfer.predecessor import is_database, parse_database
from admin_api.transfer.rows import BadImport


def _database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    return path


METERS = (
    "CREATE TABLE meters (id INTEGER PRIMARY KEY, name TEXT, ip_address TEXT, port INTEGER, client_id INTEGER,"
    " server_id INTEGER, password TEXT, tb_token TEXT, tb_device_name TEXT, tb_enabled BOOLEAN, status TEXT)"
)
CONFIGS = (
    "CREATE TABLE meter_configs (id INTEGER PRIMARY KEY, meter_id INTEGER, measurement_name TEXT, obis_code TEXT,"
    " class_id INTEGER, attribute_id INTEGER, enabled BOOLEAN, sampling_interval REAL, tb_key TEXT)"
)
HALL = "INSERT INTO meters VALUES (7, 'hall', '192.0.2.1', 3333, 1, 1, '22222222', 'token', NULL, 1, 'active')"
YARD = "INSERT INTO meters VALUES (9, 'yard', '192.0.2.2', 3333, 16, 1, '', '', '', 0, 'paused')"
VOLTAGE = "INSERT INTO meter_configs VALUES (1, 7, 'voltage_l1', '1-1:32.7.0', 3, 2, 1, 5.0, 'voltage')"
OFF = "INSERT INTO meter_configs VALUES (2, 7, 'current_l1', '1-1:31.7.0', 3, 2, 0, NULL, NULL)"
WHOLE: Sequence[str] = (METERS, CONFIGS, HALL, YARD, VOLTAGE, OFF)


def test_a_row_is_the_body_of_a_meter(tmp_path: Path) -> None:
    hall, yard = parse_database(_database(tmp_path / "admin.db", *WHOLE))
    assert hall.fields == {
        "name": "hall",
        "ip_address": "192.0.2.1",
        "port": 3333,
        "client_id": 1,
        "server_logical": 1,
        "authentication": "lls",
        "password": "22222222",
        "tb_enabled": True,
        "tb_token": "token",
        "measurements": [
            {
                "measurement_name": "voltage_l1",
                "obis_code": "1-1:32.7.0",
                "class": 3,
                "attribute": 2,
                "enabled": True,
                "sampling_interval": 5.0,
                "tb_key": "voltage",
            },
            {"measurement_name": "current_l1", "obis_code": "1-1:31.7.0", "class": 3, "attribute": 2, "enabled": False},
        ],
    }
    assert (yard.number, yard.name) == (2, "yard")
    assert "password" not in yard.fields
    assert "authentication" not in yard.fields


def test_its_rows_are_meters_that_break_no_rule(tmp_path: Path) -> None:
    plan = plan_import(parse_database(_database(tmp_path / "admin.db", *WHOLE)), [], Mode.CREATE, {})
    assert [(step.outcome, step.detail) for step in plan.steps] == [(Outcome.CREATED, "")] * 2
    wish = plan.steps[0].wish
    assert wish is not None
    assert (wish.password.reveal(), wish.tb_token.reveal(), len(wish.measurements)) == ("22222222", "token", 2)


def test_columns_under_other_names_are_known_and_strange_ones_passed_over(tmp_path: Path) -> None:
    path = _database(
        tmp_path / "admin.db",
        "CREATE TABLE meters (Meter_Name TEXT, IP TEXT, TCP_Port INTEGER, client_sap INTEGER, colour TEXT)",
        "INSERT INTO meters VALUES ('hall', '192.0.2.1', 4059, 16, 'blue')",
    )
    (row,) = parse_database(path)
    assert row.fields == {"name": "hall", "ip_address": "192.0.2.1", "port": 4059, "client_id": 16}


def test_what_was_sealed_by_the_earlier_system_is_refused_by_name(tmp_path: Path) -> None:
    sealed = HALL.replace("22222222", "gAAAAABmZm9vYmFy")
    (row,) = parse_database(_database(tmp_path / "admin.db", METERS, sealed))
    assert row.error is not None
    assert row.error.field == "password"


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00 and no more", b"name,ip_address\n"])
def test_what_is_no_such_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "admin.db"
    path.write_bytes(content)
    with pytest.raises(BadImport, match="not the database"):
        parse_database(path)
    assert is_database(content) is content.startswith(b"SQLite")


def test_a_database_without_meters_is_refused_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadImport):
        parse_database(_database(tmp_path / "other.db", "CREATE TABLE things (a)"))
    with pytest.raises(BadImport):
        parse_database(tmp_path / "nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
