"""Wishes: which meters there are and what people want of them.

In: checked MeterWish values and who wants them. Out: Meter values. Each change is one durable transaction that raises
the meter's revision and the version of all wishes, and leaves a line in the audit; secrets go in sealed.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, cast

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, func, insert, select, update

from common.clock import Clock
from common.meter_state import DesiredState
from common.secret import Secret
from common.store.audit import note, notes
from common.store.database import Database, Way
from common.store.errors import (
    LineTaken,
    NameTaken,
    NoSuchMeter,
    RevisionConflict,
    TooManyMeters,
    WishesChanged,
)
from common.store.lines import Resolve, may_share, same_line
from common.store.model import SECRETS, Draft, MeasurementWish, Meter, MeterWish
from common.store.rules import check
from common.store.tables import WISHES, latest_values, meter_configs, meter_states, meters, versions
from common.vault import Vault

MAX_METERS: Final = 10_000  # of one installation; docs say what to use beyond
MAX_NAMED: Final = 1000  # ids that a query names one by one; for more of them all are read
UID_SIZE: Final = 16
_PLAIN: Final = tuple(item.name for item in fields(MeterWish) if item.name not in {*SECRETS, "measurements"})
_MEASURED: Final = tuple(item.name for item in fields(MeasurementWish))
Change = Callable[[MeterWish], MeterWish]


class Meters:
    """The meters of this installation, tombstones included where asked for."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, resolve: Resolve) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._resolve = resolve

    def version(self) -> int:
        """Return a number that changes with every wish."""
        with self._database.begin(Way.READ) as connection:
            return int(connection.execute(select(versions.c.value).where(versions.c.name == WISHES)).scalar_one())

    def list(self, *, include_deleted: bool = False) -> Sequence[Meter]:
        """Return all living meters by id; with ``include_deleted`` the tombstones that are not purged yet, too."""
        query = select(meters).order_by(meters.c.id)
        with self._database.begin(Way.READ) as connection:
            return self._read(connection, query if include_deleted else query.where(meters.c.deleted_at.is_(None)))

    def some(self, numbers: Collection[int]) -> Sequence[Meter]:
        """Return the living meters of these ids, by id."""
        query = select(meters).where(meters.c.id.in_(numbers), _alive()).order_by(meters.c.id)
        with self._database.begin(Way.READ) as connection:
            return self._read(connection, query)

    def get(self, key: int | bytes) -> Meter:
        """Return the living meter with this id or uid; raise NoSuchMeter."""
        with self._database.begin(Way.READ) as connection:
            return self._living(connection, key)

    def by_name(self, name: str) -> Meter:
        """Return the living meter of that name; raise NoSuchMeter."""
        query = select(meters).where(meters.c.name == name, meters.c.deleted_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            for meter in self._read(connection, query):
                return meter
        raise NoSuchMeter(f"no meter is named {name[:64]!r}")

    def find(self, text: str) -> Meter:
        """Return the living meter that a person means: by id, uid in hexadecimal, or name; raise NoSuchMeter."""
        if text.isascii() and text.isdigit() and len(text) < 8:
            return self.get(int(text))
        if len(text) == 2 * UID_SIZE:
            try:
                return self.get(bytes.fromhex(text))
            except (ValueError, NoSuchMeter):
                pass  # a name may be that long
        return self.by_name(text)

    def add(self, wish: MeterWish, actor: str) -> Meter:
        """Add a meter; raise BadWish, NameTaken, LineTaken or TooManyMeters."""
        check(wish)
        addresses = self._addresses(wish)
        with self._database.begin(Way.WISH) as connection:
            _raise_version(connection)
            _refuse_taken_name(connection, wish, None)
            _refuse_taken_line(connection, wish, None, addresses)
            count = select(func.count()).select_from(meters).where(_alive())
            _refuse_too_many(int(connection.execute(count).scalar_one()) + 1)
            return self._write(connection, os.urandom(UID_SIZE), None, wish, actor)

    def edit(self, key: int | bytes, change: Change, actor: str, *, expected_revision: int | None = None) -> Meter:
        """Replace a meter's wish by ``change`` of it, in one transaction; a wish that stays equal raises nothing.

        Raise NoSuchMeter, RevisionConflict (``expected_revision`` given and not the meter's), and what ``add`` raises.
        ``change`` may be called twice.
        """
        before = self.get(key).wish
        draft = change(before)
        check(draft)
        addresses = {} if _line(draft) == _line(before) else self._addresses(draft)
        with self._database.begin(Way.WISH) as connection:
            old = self._living(connection, key)
            wish = change(old.wish)
            _refuse_other(old, expected_revision)
            if wish == old.wish:
                return old
            if wish != draft:
                check(wish)
            return self._replace(connection, old, wish, addresses, actor)

    def set_desired(self, key: int | bytes, desired: DesiredState, actor: str) -> Meter:
        """Wish a meter running, paused or stopped; raise NoSuchMeter."""
        return self.edit(key, lambda wish: replace(wish, desired_state=desired), actor)

    def remove(
        self, key: int | bytes, actor: str, *, purge: bool = False, expected_revision: int | None = None
    ) -> Meter:
        """Leave a tombstone; with ``purge`` what still waits of it is to be dropped (a tombstone's, too).

        Raise NoSuchMeter or RevisionConflict.
        """
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            old = self._living(connection, key, and_dead=purge)
            _refuse_other(old, expected_revision)
            _raise_version(connection)
            gone = {"deleted_at": old.deleted_at or now, "purge": purge, "revision": old.revision + 1}
            connection.execute(update(meters).where(meters.c.id == old.id).values(updated_at=now, **gone))
            note(connection, now, actor, "meter.remove", _subject(old.uid, old.wish.name), {"purge": purge})
        return replace(old, deleted_at=old.deleted_at or now, purge=purge, revision=old.revision + 1, updated_at=now)

    def bring(self, drafts: Sequence[Draft], actor: str, version: int) -> Sequence[Meter]:
        """Write many wishes in one transaction, all or none; return the meters in the same order.

        ``version``: that of the wishes which the drafts were made from. Raise WishesChanged when there is another by
        now, BadWish, NoSuchMeter, NameTaken or TooManyMeters. Lines are the caller's to compare, before.
        """
        for draft in drafts:
            check(draft.wish)
        made = [_Made(draft.uid or os.urandom(UID_SIZE), draft.wish, draft.uid is None) for draft in drafts]
        sealed = [self._columns(item.uid, item.wish) for item in made]  # before everybody else has to wait
        with self._database.begin(Way.WISH) as connection:
            _refuse_changed(connection, version)
            _raise_version(connection)
            old = self._meant(connection, [item.uid for item in made if not item.is_new])
            _refuse_collisions(connection, made, set(old))
            for item in made:  # two meters may exchange their names
                if not item.is_new:
                    moving = update(meters).where(meters.c.uid == item.uid)
                    connection.execute(moving.values(name=item.uid.hex()))
            now = self._clock.wall_ms()
            written = [
                _put(connection, item, columns, old.get(item.uid), now)
                for item, columns in zip(made, sealed, strict=True)
            ]
            _measure_anew(connection, written, old)
            notes(connection, now, actor, [_noted(meter, old.get(meter.uid)) for meter in written])
        return written

    def _meant(self, connection: Connection, uids: Sequence[bytes]) -> dict[bytes, Meter]:
        found = self._read(connection, select(meters).where(meters.c.uid.in_(uids), _alive()))
        if len(found) < len(set(uids)):
            raise NoSuchMeter("a meter of the drafts is gone")
        return {meter.uid: meter for meter in found}

    def purged(self, uid: bytes) -> None:
        """End a tombstone: its row, secrets and states go. What is not a tombstone stays."""
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            done = connection.execute(delete(meters).where(meters.c.uid == uid, meters.c.deleted_at.is_not(None)))
            if not done.rowcount:
                return
            _raise_version(connection)
            for table in (meter_states, latest_values):
                connection.execute(delete(table).where(table.c.uid == uid))
            note(connection, now, "supervisor", "meter.purged", uid.hex(), {})

    def _replace(
        self, connection: Connection, old: Meter, wish: MeterWish, addresses: Mapping[str, frozenset[str]], actor: str
    ) -> Meter:
        _raise_version(connection)
        _refuse_taken_name(connection, wish, old.id)
        if _line(wish) != _line(old.wish):
            _refuse_taken_line(connection, wish, old.id, addresses)
        return self._write(connection, old.uid, old, wish, actor)

    def _write(self, connection: Connection, uid: bytes, old: Meter | None, wish: MeterWish, actor: str) -> Meter:
        now = self._clock.wall_ms()
        meter = _put(connection, _Made(uid, wish, old is None), self._columns(uid, wish), old, now)
        _measure_anew(connection, [meter], {} if old is None else {uid: old})
        note(connection, now, actor, *_noted(meter, old))
        return meter

    def _living(self, connection: Connection, key: int | bytes, *, and_dead: bool = False) -> Meter:
        column = meters.c.uid if isinstance(key, bytes) else meters.c.id
        query = select(meters).where(column == key)
        for meter in self._read(connection, query if and_dead else query.where(meters.c.deleted_at.is_(None))):
            return meter
        raise NoSuchMeter(f"no meter has the {'uid' if isinstance(key, bytes) else 'id'} {_shown(key)}")

    def _read(self, connection: Connection, query: Select[*tuple[object, ...]]) -> Sequence[Meter]:
        rows = connection.execute(query).mappings().all()
        ids = [row["id"] for row in rows]
        wanted = select(meter_configs).order_by(meter_configs.c.id)
        measured: dict[int, list[MeasurementWish]] = {}
        for row in connection.execute(
            wanted.where(meter_configs.c.meter_id.in_(ids)) if len(ids) <= MAX_NAMED else wanted
        ):
            item = MeasurementWish(**{name: getattr(row, name) for name in _MEASURED})
            measured.setdefault(row.meter_id, []).append(item)
        return [self._meter(row, tuple(measured.get(row["id"], ()))) for row in rows]

    def _meter(self, columns: RowMapping, measured: tuple[MeasurementWish, ...]) -> Meter:
        values = {name: columns[name] for name in _PLAIN}
        values["desired_state"] = DesiredState(columns["desired_state"])
        values |= {name: self._vault.open(columns["uid"], name, columns[name]) for name in SECRETS}
        return Meter(
            id=columns["id"],
            uid=columns["uid"],
            revision=columns["revision"],
            created_at=columns["created_at"],
            updated_at=columns["updated_at"],
            deleted_at=columns["deleted_at"],
            purge=columns["purge"],
            wish=MeterWish(measurements=measured, **values),
        )

    def _columns(self, uid: bytes, wish: MeterWish) -> dict[str, object]:
        columns: dict[str, object] = {name: getattr(wish, name) for name in _PLAIN}
        columns |= {"desired_state": str(wish.desired_state), "limits": dict(wish.limits)}
        for name in SECRETS:
            columns[name] = self._vault.seal(uid, name, cast("Secret", getattr(wish, name)))
        return columns

    def addresses(self, hosts: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Return what hosts stand for, as far as they can be looked up in a moment."""
        return self._resolve(hosts)

    def _addresses(self, wish: MeterWish) -> Mapping[str, frozenset[str]]:
        query = select(meters.c.ip_address).where(meters.c.port == wish.port, meters.c.deleted_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            hosts = {str(host) for host in connection.execute(query).scalars()}
        return self._resolve({wish.ip_address, *hosts})


def _alive() -> ColumnElement[bool]:
    return meters.c.deleted_at.is_(None)


@dataclass(frozen=True, slots=True)
class _Made:
    """A draft with the uid that its meter has or gets."""

    uid: bytes
    wish: MeterWish
    is_new: bool


def _refuse_collisions(connection: Connection, made: Sequence[_Made], old: Collection[bytes]) -> None:
    living = connection.execute(select(meters.c.uid, meters.c.name).where(_alive())).all()
    names = {name for uid, name in living if uid not in old}
    _refuse_too_many(len(living) + sum(item.is_new for item in made))
    for item in made:
        if item.wish.name in names:
            raise NameTaken(f"another meter is named {item.wish.name!r}")
        names.add(item.wish.name)


def _refuse_too_many(number: int) -> None:
    if number > MAX_METERS:
        raise TooManyMeters(f"{MAX_METERS} meters are as many as one installation may have")


def _put(connection: Connection, item: _Made, columns: Mapping[str, object], before: Meter | None, now: int) -> Meter:
    if before is not None:
        revision = before.revision + 1
        values = {**columns, "revision": revision, "updated_at": now}
        connection.execute(update(meters).where(meters.c.id == before.id).values(**values))
        return replace(before, revision=revision, updated_at=now, wish=item.wish)
    times = {"revision": 1, "created_at": now, "updated_at": now, "purge": False}
    done = connection.execute(insert(meters).values(uid=item.uid, **columns, **times))
    number = cast("tuple[int]", done.inserted_primary_key)[0]
    return Meter(number, item.uid, 1, now, now, None, False, item.wish)


def _measure_anew(connection: Connection, written: Sequence[Meter], old: Mapping[bytes, Meter]) -> None:
    others = [
        each for each in written if each.uid not in old or old[each.uid].wish.measurements != each.wish.measurements
    ]
    gone = [meter.id for meter in others if meter.uid in old]
    if gone:
        connection.execute(delete(meter_configs).where(meter_configs.c.meter_id.in_(gone)))
    rows = [_measurement_row(meter.id, item) for meter in others for item in meter.wish.measurements]
    if rows:
        connection.execute(insert(meter_configs), rows)


def _noted(meter: Meter, before: Meter | None) -> tuple[str, str, Mapping[str, object]]:
    """Return what the audit says of a meter that was written: action, subject, details."""
    subject = _subject(meter.uid, meter.wish.name)
    if before is None:
        return "meter.add", subject, {"id": meter.id}
    return "meter.edit", subject, {"changed": _changed(before.wish, meter.wish)}


def _changed(before: MeterWish, wish: MeterWish) -> list[str]:
    return [item.name for item in fields(wish) if getattr(wish, item.name) != getattr(before, item.name)]


def _measurement_row(number: int, item: MeasurementWish) -> dict[str, object]:
    return {"meter_id": number} | {name: getattr(item, name) for name in _MEASURED}


def _refuse_changed(connection: Connection, version: int) -> None:
    current = int(connection.execute(select(versions.c.value).where(versions.c.name == WISHES)).scalar_one())
    if current != version:
        raise WishesChanged("the wishes changed meanwhile")


def _line(wish: MeterWish) -> tuple[str, int, str]:
    return wish.ip_address, wish.port, wish.line_mode


def _rivals(own: int | None) -> tuple[ColumnElement[bool], ...]:
    return meters.c.deleted_at.is_(None), meters.c.id != (own or 0)


def _refuse_taken_name(connection: Connection, wish: MeterWish, own: int | None) -> None:
    if connection.execute(select(meters.c.id).where(*_rivals(own), meters.c.name == wish.name)).first():
        raise NameTaken(f"another meter is named {wish.name!r}")


def _refuse_taken_line(
    connection: Connection, wish: MeterWish, own: int | None, addresses: Mapping[str, frozenset[str]]
) -> None:
    on_port = select(meters.c.name, meters.c.ip_address, meters.c.line_mode).where(*_rivals(own))
    for name, host, mode in connection.execute(on_port.where(meters.c.port == wish.port)):
        if same_line(wish.ip_address, host, addresses) and not may_share(wish.line_mode, mode):
            line = f"{wish.ip_address}:{wish.port}"
            raise LineTaken(f"meter {name!r} is on {line}; both need line_mode shared or concurrent")


def _raise_version(connection: Connection) -> None:
    connection.execute(update(versions).where(versions.c.name == WISHES).values(value=versions.c.value + 1))


def _refuse_other(meter: Meter, expected: int | None) -> None:
    if expected not in {None, meter.revision}:
        raise RevisionConflict(f"the meter has revision {meter.revision}, not {expected}", meter.revision)


def _subject(uid: bytes, name: str) -> str:
    return f"{uid.hex()} {name}"


def _shown(key: int | bytes) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)
