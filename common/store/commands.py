"""On-demand verbs as rows: inserted by API and meterctl, dispatched and finished by supervisor_qos.

pending → dispatched → done | failed, and any unfinished one → expired by its deadline. Final states stay.
"""

import uuid
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from sqlalchemy import RowMapping, delete, func, insert, select, update

from common.clock import Clock
from common.store.database import Database, Way
from common.store.errors import NoSuchCommand, TooManyCommands
from common.store.model import CommandRow, CommandState
from common.store.tables import commands

MAX_UNFINISHED: Final = 16  # of one meter; it does one thing at a time
KEPT_MS: Final = 7 * 86_400_000  # finished commands are kept a week
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
        """Ask for a verb and return its id; raise TooManyCommands."""
        number, now = str(uuid.uuid4()), self._clock.wall_ms()
        waiting = (
            select(func.count())
            .select_from(commands)
            .where(
                commands.c.meter_uid == meter_uid,
                commands.c.state.in_(_UNFINISHED),
                commands.c.deadline_ms > now,
            )
        )
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
            if int(connection.execute(waiting).scalar_one()) >= MAX_UNFINISHED:
                raise TooManyCommands(f"{MAX_UNFINISHED} commands of this meter are not finished yet")
            connection.execute(insert(commands).values(**{name: getattr(row, name) for name in _COLUMNS}))
        return number

    def get(self, number: str) -> CommandRow:
        """Return a command; raise NoSuchCommand."""
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(select(commands).where(commands.c.id == number)).mappings().first()
        if row is None:
            raise NoSuchCommand(f"no command has the id {number[:64]!r}")
        return _command(row)

    def pending(self, limit: int = 100) -> list[CommandRow]:
        """Return commands that wait to be dispatched, oldest first."""
        query = select(commands).where(commands.c.state == str(CommandState.PENDING))
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(query.order_by(commands.c.created_ms).limit(limit)).mappings().all()
        return [_command(row) for row in rows]

    def dispatched(self, number: str) -> bool:
        """Mark a pending command as under way; return False when it was not pending any more."""
        where = (commands.c.id == number, commands.c.state == str(CommandState.PENDING))
        with self._database.begin(Way.STATE) as connection:
            done = connection.execute(update(commands).where(*where).values(state=str(CommandState.DISPATCHED)))
            return bool(done.rowcount)

    def advance(self, number: str, progress: str) -> None:
        """Say how far an unfinished command is."""
        where = (commands.c.id == number, commands.c.state.in_(_UNFINISHED))
        with self._database.begin(Way.STATE) as connection:
            connection.execute(update(commands).where(*where).values(progress=progress[:300]))

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
        values = {
            "state": str(CommandState.DONE if ok else CommandState.FAILED),
            "result": dict(result or {}),
            "error_kind": error_kind[:64],
            "error_detail": error_detail[:1024],
            "finished_ms": self._clock.wall_ms(),
        }
        where = (commands.c.id == number, commands.c.state.in_(_UNFINISHED))
        with self._database.begin(Way.STATE) as connection:
            return bool(connection.execute(update(commands).where(*where).values(**values)).rowcount)

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
        return ids

    def trim(self, now_ms: int) -> None:
        """Forget what finished a week ago."""
        with self._database.begin(Way.STATE) as connection:
            connection.execute(delete(commands).where(commands.c.finished_ms < now_ms - KEPT_MS))


def _command(row: RowMapping) -> CommandRow:
    values = {name: row[name] for name in _COLUMNS}
    return CommandRow(**values | {"state": CommandState(values["state"])})
