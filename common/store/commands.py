"""On-demand verbs as rows: inserted by API and meterctl, dispatched and finished by supervisor_qos.

pending → dispatched → done | failed, and any unfinished one → expired by its deadline, or cancelled where somebody
wished it: at once while it is pending, else when whoever works on it has ended it. Final states stay.
A job is a command whose verb takes long: backfill, discover, scan.
"""

import uuid
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from common.clock import Clock
from common.command import CANCELLED, LONG_S, ONCE, OUTBOX_DROP, OUTBOX_RETRY, RECONNECT, SCAN
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchCommand, TooManyCommands, TooManyJobs
from common.store.model import CommandRow, CommandState
from common.store.tables import commands, meters

MAX_UNFINISHED: Final = 16  # of one meter; it does one thing at a time
MAX_JOBS: Final = 1000  # unfinished ones of the whole installation: a backfill for each meter
MAX_SCANS: Final = 4  # they are carried out one after the other
MAX_PAGE: Final = 1000
NOTED: Final = frozenset({"restart", RECONNECT, OUTBOX_RETRY, OUTBOX_DROP, *LONG_S, *ONCE})
"""Verbs of which the audit tells who asked; those that only read would drown the others."""
_UNFINISHED: Final = (str(CommandState.PENDING), str(CommandState.DISPATCHED))
_COLUMNS: Final = tuple(item.name for item in fields(CommandRow))


class Commands:
    """All commands of the last week."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def insert(
        self,
        meter_uid: bytes,
        verb: str,
        *,
        arguments: Mapping[str, object] | None = None,
        actor: str,
        timeout_s: float = 30.0,
    ) -> str:
        """Ask for a verb and return its id; raise TooManyCommands, of a job also TooManyJobs."""
        number, now = str(uuid.uuid4()), self._clock.wall_ms()
        row = CommandRow(
            id=number,
            meter_uid=meter_uid,
            verb=verb,
            arguments=dict(arguments or {}),
            actor=actor[:64],
            created_ms=now,
            deadline_ms=now + round(timeout_s * 1000),
            state=CommandState.PENDING,
            progress="",
            result={},
            error_kind="",
            error_detail="",
            finished_ms=None,
        )
        with self._database.begin(Way.WISH) as connection:
            if _unfinished(connection, now, commands.c.meter_uid == meter_uid) >= MAX_UNFINISHED:
                raise TooManyCommands(f"{MAX_UNFINISHED} commands of this meter are not finished yet")
            _room_for(connection, now, verb)
            connection.execute(insert(commands).values(**{name: getattr(row, name) for name in _COLUMNS}))
            if verb in NOTED:
                told = row.arguments if verb in ONCE else {}
                about = _subject(connection, meter_uid)
                note(connection, now, actor, f"command.{verb}", about, {"command": number, **told})
        return number

    def get(self, number: str) -> CommandRow:
        """Return a command; raise NoSuchCommand."""
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(select(commands).where(commands.c.id == number)).mappings().first()
        if row is None:
            raise NoSuchCommand(f"no command has the id {number[:64]!r}")
        return _command(row)

    def job(self, number: str) -> CommandRow:
        """Return a job; raise NoSuchCommand, also for a command that is none."""
        row = self.get(number)
        if row.verb not in LONG_S:
            raise NoSuchCommand(f"no job has the id {number[:64]!r}")
        return row

    def jobs(
        self,
        *,
        limit: int = 100,
        offset: int = 0,
        unfinished: bool | None = None,
        verb: str | None = None,
        meter_uid: bytes | None = None,
    ) -> tuple[list[CommandRow], int]:
        """Return jobs, newest first, and how many there are; None leaves a question open."""
        where: list[ColumnElement[bool]] = [commands.c.verb.in_(LONG_S if verb is None else {verb} & LONG_S.keys())]
        if unfinished is not None:
            holds = commands.c.state.in_(_UNFINISHED)
            where.append(holds if unfinished else ~holds)
        if meter_uid is not None:
            where.append(commands.c.meter_uid == meter_uid)
        query = select(commands).where(*where).order_by(commands.c.created_ms.desc(), commands.c.id)
        count = select(func.count()).select_from(commands).where(*where)
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(query.limit(min(limit, MAX_PAGE)).offset(offset)).mappings().all()
            return [_command(row) for row in rows], int(connection.execute(count).scalar_one())

    def cancel(self, number: str, actor: str) -> CommandRow:
        """Wish that a job end, and return it: a pending one has ended then; raise NoSuchCommand.

        One that is cancelled or finished already stays as it is.
        """
        now = self._clock.wall_ms()
        of_it = (commands.c.id == number, commands.c.verb.in_(LONG_S), commands.c.cancelled_ms.is_(None))
        ended = {"state": str(CommandState.CANCELLED), "error_kind": CANCELLED, "finished_ms": now}
        ended |= {"error_detail": f"cancelled by {actor[:64]} before it began", "cancelled_ms": now}
        with self._database.begin(Way.WISH) as connection:
            waits = (*of_it, commands.c.state == str(CommandState.PENDING))
            goes_on = (*of_it, commands.c.state == str(CommandState.DISPATCHED))
            changed = connection.execute(update(commands).where(*waits).values(**ended)).rowcount
            changed += connection.execute(update(commands).where(*goes_on).values(cancelled_ms=now)).rowcount
            if changed:
                note(connection, now, actor, "job.cancel", number, {})
        return self.job(number)

    def pending(self, limit: int = 100) -> list[CommandRow]:
        """Return what somebody has to see to: pending, cancelled, scans under way.

        Scans first, jobs last, else the oldest first: a job may wait for a day for its worker, and no person for it.
        """
        waits = commands.c.state == str(CommandState.PENDING)
        told = commands.c.cancelled_ms.is_not(None) | (commands.c.verb == SCAN)
        goes_on = (commands.c.state == str(CommandState.DISPATCHED)) & told
        query = select(commands).where(commands.c.state.in_(_UNFINISHED), waits | goes_on)
        turns = (commands.c.verb != SCAN, commands.c.verb.in_(LONG_S), commands.c.created_ms)
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(query.order_by(*turns).limit(limit)).mappings().all()
        return [_command(row) for row in rows]

    def dispatched(self, number: str) -> bool:
        """Mark a pending command as under way; return False when it was not pending any more."""
        where = (commands.c.id == number, commands.c.state == str(CommandState.PENDING))
        with self._database.begin(Way.STATE) as connection:
            done = connection.execute(update(commands).where(*where).values(state=str(CommandState.DISPATCHED)))
            return bool(done.rowcount)

    def advance(self, number: str, progress: str) -> bool:
        """Say how far an unfinished command is; return False when it had ended (or never was)."""
        where = (commands.c.id == number, commands.c.state.in_(_UNFINISHED))
        with self._database.begin(Way.STATE) as connection:
            done = connection.execute(update(commands).where(*where).values(progress=progress[:300]))
            return bool(done.rowcount)

    def finish(
        self,
        number: str,
        *,
        ok: bool,
        result: Mapping[str, object] | None = None,
        error_kind: str = "",
        error_detail: str = "",
    ) -> bool:
        """End an unfinished command; return False when it had ended (or never was)."""
        failed = CommandState.CANCELLED if error_kind == CANCELLED else CommandState.FAILED
        values = {
            "state": str(CommandState.DONE if ok else failed),
            "result": dict(result or {}),
            "error_kind": error_kind[:64],
            "error_detail": error_detail[:1024],
            "finished_ms": self._clock.wall_ms(),
        }
        where = (commands.c.id == number, commands.c.state.in_(_UNFINISHED))
        with self._database.begin(Way.STATE) as connection:
            ended = bool(connection.execute(update(commands).where(*where).values(**values)).rowcount)
            if ended:
                _note_ends(connection, commands.c.id == number)
            else:
                expired = commands.c.state == str(CommandState.EXPIRED)
                _note_ends(connection, commands.c.id == number, expired, late=values)
            return ended

    def expire(self, now_ms: int) -> list[str]:
        """End what is past its deadline; return the ids."""
        overdue = (commands.c.state.in_(_UNFINISHED), commands.c.deadline_ms <= now_ms)
        with self._database.begin(Way.READ) as connection:
            ids = [str(number) for number in connection.execute(select(commands.c.id).where(*overdue)).scalars()]
        if not ids:
            return []
        values = {
            "state": str(CommandState.EXPIRED),
            "error_kind": "command_expired",
            "error_detail": "no answer before the deadline",
            "finished_ms": now_ms,
        }
        with self._database.begin(Way.STATE) as connection:
            connection.execute(update(commands).where(commands.c.id.in_(ids), *overdue).values(**values))
            _note_ends(connection, commands.c.id.in_(ids), commands.c.state == str(CommandState.EXPIRED))
        return ids


def _note_ends(connection: Connection, *ended: ColumnElement[bool], late: Mapping[str, object] | None = None) -> None:
    """Write into the audit what became of commands that change something at a meter, as far as we know.

    ``late``: what came of those that had expired, of which nobody knew till then.
    """
    for row in connection.execute(select(commands).where(commands.c.verb.in_(ONCE), *ended)).mappings():
        came = dict(row) | dict(late or {})
        outcome = {"command": row["id"], "state": row["state"]} | ({"late": late["state"]} if late else {})
        action = f"command.{row['verb']}.{'done' if came['state'] == CommandState.DONE else 'failed'}"
        about = _subject(connection, row["meter_uid"])
        note(connection, came["finished_ms"], row["actor"], action, about, outcome | {"error": came["error_kind"]})


def _subject(connection: Connection, meter_uid: bytes) -> str:
    """Return whom a line of the audit is about, as other changes of a meter name it; of a scan there is no meter."""
    name = connection.execute(select(meters.c.name).where(meters.c.uid == meter_uid)).scalar()
    return meter_uid.hex() if name is None else f"{meter_uid.hex()} {name}"


def _unfinished(connection: Connection, now: int, *where: ColumnElement[bool]) -> int:
    """Return how many commands of a kind are not finished, and not overdue."""
    query = select(func.count()).select_from(commands)
    living = query.where(commands.c.state.in_(_UNFINISHED), commands.c.deadline_ms > now, *where)
    return int(connection.execute(living).scalar_one())


def _room_for(connection: Connection, now: int, verb: str) -> None:
    """Raise TooManyJobs where a verb is a job for which there is no room."""
    if verb not in LONG_S:
        return
    if _unfinished(connection, now, commands.c.verb.in_(LONG_S)) >= MAX_JOBS:
        raise TooManyJobs(f"{MAX_JOBS} jobs are not finished yet")
    if verb == SCAN and _unfinished(connection, now, commands.c.verb == SCAN) >= MAX_SCANS:
        raise TooManyJobs(f"{MAX_SCANS} scans are not finished yet")


def _command(row: RowMapping) -> CommandRow:
    values = {name: row[name] for name in _COLUMNS}
    return CommandRow(**values | {"state": CommandState(values["state"])})
