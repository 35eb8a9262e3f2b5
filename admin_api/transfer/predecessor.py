"""The database of an earlier system (admin.db, SQLite) to rows, as a file of meters gives them. Nothing is written.

In: the path of a database with a table ``meters`` and, mostly, ``meter_configs``. Its columns were called differently
over the years: SYNONYMS knows them, what nobody knows is passed over. Out: rows with the body of POST /meters each, or
with what is wrong with it. A meter with a password and without a word on authentication is one of low-level security.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from admin_api.schemas.shape import BadPayload
from admin_api.transfer.rows import MAX_ROWS, BadImport, Row, refuse_too_many

Columns = Mapping[str, object]
MAGIC: Final = b"SQLite format 3\x00"
MAX_MEASURED: Final = 200  # lines of one meter's configuration; the store takes fewer
PATIENCE_S: Final = 5.0
SYNONYMS: Final[Mapping[str, Sequence[str]]] = {
    "name": ("name", "meter_name"),
    "ip_address": ("ip_address", "ip", "host", "address"),
    "port": ("port", "tcp_port"),
    "transport": ("transport", "protocol"),
    "client_id": ("client_id", "client_sap", "client_address", "client_logical"),
    "server_logical": ("server_logical", "server_id", "server_sap", "logical_address", "server_address"),
    "server_physical": ("server_physical", "physical_address"),
    "authentication": ("authentication", "auth", "auth_level", "security_level"),
    "password": ("password", "secret"),
    "model": ("model",),
    "interval_s": ("interval_s", "interval", "sampling_interval", "poll_interval"),
    "tb_enabled": ("tb_enabled", "thingsboard_enabled"),
    "tb_host": ("tb_host", "thingsboard_host"),
    "tb_port": ("tb_port", "thingsboard_port"),
    "tb_token": ("tb_token", "thingsboard_token", "access_token"),
    "tb_device_name": ("tb_device_name", "device_name"),
}
MEASURED: Final[Mapping[str, Sequence[str]]] = {
    "measurement_name": ("measurement_name", "name", "measurement"),
    "obis_code": ("obis_code", "obis"),
    "class": ("class", "class_id", "ic"),
    "attribute": ("attribute", "attribute_id", "attr"),
    "enabled": ("enabled", "active"),
    "sampling_interval": ("sampling_interval", "interval"),
    "tb_key": ("tb_key", "thingsboard_key"),
}
_FLAGS: Final = frozenset({"enabled", "tb_enabled"})
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "authentication": {"": "none", "0": "none", "lowest": "none", "1": "lls", "low": "lls"},
    "transport": {"tcp": "wrapper", "tcp_hdlc": "hdlc", "hdlc_tcp": "hdlc"},
}
_FERNET: Final = "gAAAA"  # how a text begins that was sealed with a key of that system, which we have not


def is_database(octets: bytes) -> bool:
    """Return whether a file begins as an SQLite database does."""
    return octets.startswith(MAGIC)


def parse_database(path: Path) -> list[Row]:
    """Return the rows of an earlier system's database; raise BadImport where it is none."""
    try:
        name = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(name, timeout=PATIENCE_S, uri=True)) as database:
            database.row_factory = sqlite3.Row
            meters = database.execute("SELECT * FROM meters LIMIT ?", (MAX_ROWS + 1,)).fetchall()
            refuse_too_many(len(meters))
            measured = _measured(database)
    except sqlite3.Error as error:
        raise BadImport("file", f"not the database of an earlier system: {error}") from None
    return [_row(number, _columns(meter), measured) for number, meter in enumerate(meters, 1)]


def _columns(row: sqlite3.Row) -> Columns:
    return {str(name).lower(): value for name, value in dict(row).items()}


def _measured(database: sqlite3.Connection) -> Mapping[object, Sequence[Columns]]:
    """Return what is read of each meter, by the meter's id; nothing where there is no such table."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meter_configs'").fetchone():
        return {}
    found: dict[object, list[Columns]] = {}
    for row in database.execute("SELECT * FROM meter_configs LIMIT ?", (MAX_ROWS * MAX_MEASURED,)):
        columns = _columns(row)
        found.setdefault(columns.get("meter_id"), []).append(columns)
    return found


def _row(number: int, meter: Columns, measured: Mapping[object, Sequence[Columns]]) -> Row:
    fields = _fields(meter, SYNONYMS)
    if fields.get("password"):
        fields.setdefault("authentication", "lls")
    items = [_fields(item, MEASURED) for item in measured.get(meter.get("id"), ())]
    if items:
        fields["measurements"] = items
    sealed = next((name for name in ("password", "tb_token") if str(fields.get(name, "")).startswith(_FERNET)), "")
    if sealed:
        why = "sealed with a key of the earlier system: empty it there, and give it by `meterctl edit` afterwards"
        return Row(number, {"name": fields.get("name", "")}, error=BadPayload(sealed, why))
    return Row(number, fields)


def _fields(columns: Columns, synonyms: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return the fields that columns have under any of their names; what is NULL or empty says nothing."""
    found: dict[str, object] = {}
    for name, others in synonyms.items():
        value = next((columns[other] for other in others if columns.get(other) not in {None, ""}), None)
        if value is not None:
            found[name] = _value(name, value)
    return found


def _value(name: str, value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if name in _FLAGS:
        return str(value).lower() in {"1", "true", "yes", "on"}
    if name in _WORDS:
        return _WORDS[name].get(str(value).lower(), str(value).lower())
    return str(value) if name in {"password", "name", "tb_token"} else value
