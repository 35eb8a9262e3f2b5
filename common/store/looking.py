"""Looking at an SQLite store without SQLAlchemy: for programs that show something at once and end.

In: the path of a store. Out: the same values of ``common.store.model`` as the store's own parts give, but no secret is
opened: SEALED stands for one that is there. The file is opened read-only for each look, with the patience of
everybody else, so that one that was replaced meanwhile is found by itself. No SQLAlchemy, no cryptography, no writing.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar, cast, get_origin

from common.secret import Secret
from common.store.errors import NoSuchMeter, StoreDamaged, StoreTooNew, StoreUnavailable
from common.store.model import (
    NO_SECRET,
    SECRETS,
    AlarmRow,
    ComponentRow,
    LatestRow,
    MeasurementWish,
    Meter,
    MeterStateRow,
    MeterWish,
)
from common.store.schema import REVISION

BUSY_TIMEOUT_S: Final = 5.0
UID_SIZE: Final = 16
SEALED: Final = Secret("sealed")
_PREFIX: Final = "sqlite:///"
_ALL: Final = "SELECT * FROM meters WHERE deleted_at IS NULL ORDER BY id"
_ONE: Final = {
    "id": "SELECT * FROM meters WHERE id = ? AND deleted_at IS NULL",
    "uid": "SELECT * FROM meters WHERE uid = ? AND deleted_at IS NULL",
    "name": "SELECT * FROM meters WHERE name = ? AND deleted_at IS NULL",
}
_MEASURED: Final = "SELECT * FROM meter_configs ORDER BY id"
_MEASURED_OF: Final = "SELECT * FROM meter_configs WHERE meter_id = ? ORDER BY id"
_ALARMS: Final = (
    "SELECT alarms.*, meters.id AS meter_id FROM alarms LEFT JOIN meters ON alarms.meter_uid = meters.uid"
    " WHERE cleared_at IS NULL ORDER BY alarms.id DESC"
)
Turn = Callable[[str], object]
_Row = TypeVar("_Row")


class Looking:
    """What may be looked at: parts with the names and answers of the store's own."""

    def __init__(self, path: Path) -> None:
        file = _File(path)
        self.meters = Meters(file)
        self.states = States(file)
        self.alarms = Alarms(file)


class Meters:
    """The meters, their secrets closed."""

    def __init__(self, file: "_File") -> None:
        self._file = file

    def list(self) -> Sequence[Meter]:
        """Return all living meters by id."""
        return self._read(_ALL)

    def find(self, text: str) -> Meter:
        """Return the living meter that a person means: by id, uid in hexadecimal, or name; raise NoSuchMeter."""
        if text.isascii() and text.isdigit() and len(text) < 8:
            return self._one("id", int(text), f"no meter has the id {int(text)}")
        if len(text) == 2 * UID_SIZE:
            try:
                return self._one("uid", bytes.fromhex(text), "")
            except (ValueError, NoSuchMeter):
                pass  # a name may be that long
        return self._one("name", text, f"no meter is named {text[:64]!r}")

    def names(self) -> Sequence[str]:
        """Return the names of all living meters, for whoever completes one."""
        query = "SELECT name FROM meters WHERE deleted_at IS NULL ORDER BY name"
        return [str(row["name"]) for row in self._file.rows(query)]

    def _one(self, column: str, value: object, otherwise: str) -> Meter:
        for meter in self._read(_ONE[column], value):
            return meter
        raise NoSuchMeter(otherwise)

    def _read(self, query: str, *values: object) -> Sequence[Meter]:
        with self._file.opened() as database:
            rows = database.execute(query, values).fetchall()
            ids = [row["id"] for row in rows]
            wanted = database.execute(_MEASURED_OF, ids) if len(ids) == 1 else database.execute(_MEASURED)
            measured: dict[int, list[MeasurementWish]] = {}
            for row in wanted:
                measured.setdefault(row["meter_id"], []).append(_measurement(row))
        return [_meter(row, tuple(measured.get(row["id"], ()))) for row in rows]


class States:
    """The last words of everything."""

    def __init__(self, file: "_File") -> None:
        self._file = file

    def list(self) -> Sequence[MeterStateRow]:
        """Return the states of all meters that ever had one and are not purged."""
        return [_state(row) for row in self._file.rows("SELECT * FROM meter_states")]

    def get(self, uid: bytes) -> MeterStateRow:
        """Return a meter's state; that of one of which nothing is known yet is empty."""
        for row in self._file.rows("SELECT * FROM meter_states WHERE uid = ?", uid):
            return _state(row)
        return MeterStateRow(uid)

    def latest(self, uid: bytes) -> LatestRow | None:
        """Return a meter's latest values, None where there are none yet."""
        for row in self._file.rows("SELECT * FROM latest_values WHERE uid = ?", uid):
            return _latest(row)
        return None

    def list_latest(self) -> Sequence[LatestRow]:
        """Return the latest values of all meters."""
        return [_latest(row) for row in self._file.rows("SELECT * FROM latest_values")]

    def components(self) -> dict[str, ComponentRow]:
        """Return what every part last said, by its name."""
        return {row["name"]: _component(row) for row in self._file.rows("SELECT * FROM component_states")}


class Alarms:
    """The alarms that last."""

    def __init__(self, file: "_File") -> None:
        self._file = file

    def active(self) -> Sequence[AlarmRow]:
        """Return the episodes that last, newest first."""
        return [_alarm(row) for row in self._file.rows(_ALARMS)]


class _File:
    """A store's file, opened for each look."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, query: str, *values: object) -> Sequence[sqlite3.Row]:
        """Return what a query finds."""
        with self.opened() as database:
            return database.execute(query, values).fetchall()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Give a read-only transaction; raise StoreUnavailable, StoreDamaged or StoreTooNew."""
        database = None
        try:
            database = _connect(self._path)
            database.execute("BEGIN")
            _refuse_other(database, self._path)
            yield database
        except sqlite3.Error as error:
            raise _told(self._path, error) from error
        finally:
            if database is not None:
                database.close()


def sqlite_file(url: str) -> Path | None:
    """Return the file of a URL that is plainly that of an SQLite store; None for every other."""
    name = url.removeprefix(_PREFIX)
    return Path(name) if name not in {url, "", ":memory:"} and "?" not in name else None


def refuse_newer(path: Path) -> None:
    """Raise StoreTooNew when a store was made by a newer version; say nothing of a file that cannot be read."""
    try:
        with _File(path).opened():
            return
    except (StoreDamaged, StoreUnavailable):
        return


def _connect(path: Path) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode=ro"
    database = sqlite3.connect(name, timeout=BUSY_TIMEOUT_S, isolation_level=None, uri=True)
    database.row_factory = sqlite3.Row
    return database


def _refuse_other(database: sqlite3.Connection, path: Path) -> None:
    row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    found = "" if row is None else str(row["version_num"])
    if found > REVISION:
        raise StoreTooNew(f"{path}: made by a newer version (schema {found}, this program knows {REVISION})")
    if found < REVISION:
        why = "of an older version; stop that one, then `meterctl run` or `meterctl init` brings it up to this"
        raise StoreDamaged(f"{path}: {why}")


def _told(path: Path, error: sqlite3.Error) -> StoreUnavailable | StoreDamaged:
    """Return our error for SQLite's, as ``common.store.database`` tells them apart."""
    if "no such table" in str(error):
        return StoreDamaged(f"{path}: no schema yet; `meterctl init` makes it")
    if isinstance(error, sqlite3.OperationalError):
        return StoreUnavailable(f"{path}: {error}")
    return StoreDamaged(f"{path}: {error}")


class _Maker(Generic[_Row]):
    """Makes values of one kind from rows; the kind's own types say what a column is turned into."""

    def __init__(self, kind: Callable[..., _Row]) -> None:
        self._kind = kind
        self._turns = {item.name: _turn(item.type) for item in fields(cast("type[MeterWish]", kind))}
        if kind is MeterWish:
            self._turns |= dict.fromkeys(SECRETS, _closed)
            del self._turns["measurements"]

    def __call__(self, row: sqlite3.Row, **more: object) -> _Row:
        values = {name: row[name] if turn is None else turn(row[name]) for name, turn in self._turns.items()}
        return self._kind(**values, **more)


def _turn(kind: object) -> Turn | None:
    """Return what turns a column into a field of this type; None where it is that already."""
    if kind is bool:
        return bool
    if get_origin(kind) is tuple:
        return lambda text: tuple(json.loads(text))
    if get_origin(kind) is Mapping:
        return json.loads
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def _closed(sealed: object) -> Secret:
    return SEALED if sealed else NO_SECRET


_state: Final = _Maker(MeterStateRow)
_latest: Final = _Maker(LatestRow)
_component: Final = _Maker(ComponentRow)
_alarm: Final = _Maker(AlarmRow)
_measurement: Final = _Maker(MeasurementWish)
_wish: Final = _Maker(MeterWish)


def _meter(row: sqlite3.Row, measured: tuple[MeasurementWish, ...]) -> Meter:
    return Meter(
        id=row["id"],
        uid=row["uid"],
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
        purge=bool(row["purge"]),
        wish=_wish(row, measurements=measured),
    )
