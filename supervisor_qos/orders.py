"""Commands of people: from the store to the worker that owns the meter, and their results back.

In: pending rows, results from the bus, supervisord's table. Out: COMMAND envelopes, finished rows, and the programs a
person wants restarted. What nobody can answer is refused at once; what nobody answers expires by its deadline.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from common.clock import Clock
from common.command import ONCE, OUTBOX_DROP, OUTBOX_RETRY, SCAN, Command, CommandResult
from common.envelope import Envelope, Kind, encode
from common.process_state import Process
from common.store.commands import MAX_JOBS
from common.store.engine import Store
from common.store.model import CommandRow, CommandState
from supervisor_qos.health import ALIVE
from supervisor_qos.jobs import Jobs
from supervisor_qos.wishes import program_name

RESTART: Final = "restart"
FOR_PUBLISHER: Final = frozenset({OUTBOX_RETRY, OUTBOX_DROP})  # of any meter, also of one that is no more
BATCH: Final = 2 * MAX_JOBS  # taken from the store at a time: jobs whose workers are away keep no other waiting
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart under way: the command, the process it is to end, and until when anybody waits for it (UTC)."""

    command: str
    pid: int
    deadline_ms: int


@dataclass(slots=True)
class Orders:
    """See the module's text. ``send``: to the worker of a uid, False when it is not connected; or to the publisher."""

    store: Store
    clock: Clock
    send: Callable[[bytes, bytes], bool]
    send_to_publisher: Callable[[bytes], bool]
    jobs: Jobs
    restarts: dict[str, Restart] = field(default_factory=dict)
    _sent: set[str] = field(default_factory=set)

    def dispatch(self, wanted: set[bytes], table: Mapping[str, Process]) -> list[str]:
        """Hand out what is pending; return the programs whose restart was asked for. Raise what the store raises."""
        rows = self.store.commands.pending(BATCH)
        self.jobs.scans([row for row in rows if row.verb == SCAN])
        self.jobs.cancelled([row for row in rows if row.cancelled_ms is not None], wanted)
        pending = [row for row in rows if row.state is CommandState.PENDING and row.verb != SCAN]
        self._sent &= {row.id for row in pending}
        asked = []
        for row in pending:
            if row.verb in FOR_PUBLISHER:
                self._hand_over(row, lambda _, octets: self.send_to_publisher(octets))
            elif row.meter_uid not in wanted:
                self._refuse(row, "no_worker", "the meter is stopped, deleted or unknown: it has no worker")
            elif row.verb in ONCE:
                self._hand_over_once(row)
            elif row.verb == RESTART:
                asked.append(self._restart(row, table))
            else:
                self._hand_over(row, self.send)
        return asked

    def _restart(self, row: CommandRow, table: Mapping[str, Process]) -> str:
        name = program_name(row.meter_uid)
        self.restarts[name] = Restart(row.id, table.get(name, Process(name)).pid, row.deadline_ms)
        self.store.commands.dispatched(row.id)
        _log.info("restart asked for program=%s actor=%s", name, row.actor)
        return name

    def _hand_over(self, row: CommandRow, send: Callable[[bytes, bytes], bool]) -> None:
        if row.id not in self._sent:
            if not send(row.meter_uid, self._octets(row)):
                return  # who is to do it may be starting: tried again until the deadline
            self._sent.add(row.id)
        self.store.commands.dispatched(row.id)

    def _hand_over_once(self, row: CommandRow) -> None:
        """Send what changes something at a meter: marked first, so that no crash between the two sends it again."""
        if not self.store.commands.dispatched(row.id):
            return
        if not self.send(row.meter_uid, self._octets(row)):
            self._refuse(row, "no_worker", "the meter's worker is not connected just now; nothing was sent")

    def _octets(self, row: CommandRow) -> bytes:
        left_ms = row.deadline_ms - self.clock.wall_ms()
        command = Command(row.id, row.verb, row.arguments, self.clock.boottime_ms() + max(0, left_ms))
        return encode(Envelope(Kind.COMMAND, row.meter_uid, body=command.to_body()))

    def _refuse(self, row: CommandRow, kind: str, detail: str) -> None:
        self.store.commands.finish(row.id, ok=False, error_kind=kind, error_detail=detail)

    def finish(self, results: list[tuple[str, CommandResult]]) -> None:
        """Write down what was answered: the end of a command, or how far it is. Raise what the store raises.

        What is written leaves the list: the rest is tried again, so that a store that is away costs no answer.
        """
        written = 0
        try:
            for command, result in results:
                self._write_down(command, result)
                written += 1
        finally:
            del results[:written]

    def _write_down(self, command: str, result: CommandResult) -> None:
        if result.progress:
            self.jobs.heard(command)
            if not self.store.commands.advance(command, result.progress):
                self.jobs.unwanted(command)
            return
        self.store.commands.finish(
            command,
            ok=result.ok,
            result=result.result,
            error_kind=result.error_kind,
            error_detail=result.error_detail,
        )

    def look(self, table: Mapping[str, Process]) -> None:
        """End restarts that are done, expire what is overdue."""
        now = self.clock.wall_ms()
        for name, restart in list(self.restarts.items()):
            process = table.get(name, Process(name))
            if process.state in ALIVE and process.pid not in {0, restart.pid}:
                result = {"old_pid": restart.pid, "pid": process.pid}
                self.store.commands.finish(restart.command, ok=True, result=result)
                del self.restarts[name]
            elif now > restart.deadline_ms:
                del self.restarts[name]
        self.store.commands.expire(now)
