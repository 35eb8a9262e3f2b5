"""What happened to every process: the history that decisions are made from. Pure bookkeeping.

In: supervisord's table of processes once a second, what we did, and the time in seconds. Out: a ``History`` for each
program, and the starts that nobody planned. A start is known by its time and process id in supervisord's table, so that
one which ended between two looks is counted too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from common.process_state import Process, ProcessState
from supervisor_qos.health import ALIVE
from supervisor_qos.policy import Act, Budget, Decision, History

SETTLE_S: Final = 5.0  # supervisord's own tries come 1, 2, 3 s after one another
MAX_STARTS: Final = 200  # remembered of one program; a budget holds at most 100


@dataclass(frozen=True, slots=True)
class Start:
    """A start that nobody planned."""

    name: str
    pid: int


@dataclass(slots=True)
class Ledger:
    """See the module's text. ``expected``: programs whose next start is planned, by a wish or a person, and the time
    until which further ones belong to it; 0 before the first of them.
    """

    budget: Budget
    processes: dict[str, Process] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    replacements: list[float] = field(default_factory=list)

    def seed(self, name: str, starts: Iterable[float], pid: int = 0) -> None:
        """Take over what an earlier supervisor counted; ``starts`` ascending, in our clock.

        ``pid``: the process it last knew, 0 if none: when there is another now, that is a start it did not live to see.
        """
        self.histories[name] = replace(self.history(name), starts=tuple(starts)[-MAX_STARTS:])
        self.processes[name] = Process(name, ProcessState.UNKNOWN, pid)

    def expect(self, name: str) -> None:
        """The next start of this program is planned, and so are those that follow it within SETTLE_S.

        supervisord may just be trying again what ended before the wish: that try is not the one that was wished for.
        """
        self.expected[name] = 0.0

    def history(self, name: str) -> History:
        """Return what is known of a program; nothing of one never seen."""
        return self.histories.get(name, History())

    def look(self, table: Mapping[str, Process], now: float) -> list[Start]:
        """Take in supervisord's table; return the starts that nobody planned since the last look."""
        found = [start for process in table.values() if (start := self._see(process, now)) is not None]
        for name in self.processes.keys() - table.keys():
            self._forget(name)
        self.processes = dict(table)
        self.replacements = [at for at in self.replacements if now - at < 60.0]
        return found

    def _see(self, process: Process, now: float) -> Start | None:
        old, history = self.processes.get(process.name), self.history(process.name)
        window = tuple(at for at in history.starts if now - at < self.budget.window_s)
        ended = None if process.state in ALIVE | {ProcessState.STOPPING} else history.ended or now
        history = replace(history, starts=window, ended=ended)
        first = old is None or (old.state is ProcessState.UNKNOWN and old.pid in {0, process.pid})
        if not first and not _started_anew(old or process, process):
            self.histories[process.name] = history
            return None
        replaced = history.replaced + (history.killed is not None)
        self.histories[process.name] = replace(history, started=now, dumped=None, killed=None)
        planned = self._is_planned(process.name, now) or first
        if planned:
            return None
        self.histories[process.name] = replace(self.histories[process.name], replaced=replaced)
        return self.count(process.name, process.pid, now)

    def _is_planned(self, name: str, now: float) -> bool:
        if name not in self.expected:
            return False
        until = self.expected[name] or now + SETTLE_S
        if now >= until:
            del self.expected[name]
            return False
        self.expected[name] = until
        return True

    def count(self, name: str, pid: int, now: float) -> Start:
        """Count a start that nobody planned, or a try that failed."""
        history = self.history(name)
        starts = (*history.starts, now)[-MAX_STARTS:]
        self.histories[name] = replace(history, starts=starts, counted=history.counted + 1)
        return Start(name, pid)

    def failed(self, name: str, now: float) -> None:
        """supervisord refused a start: it counts, and the delay begins anew."""
        self.count(name, 0, now)
        history = self.history(name)
        self.histories[name] = replace(history, ended=now, refused=history.refused + 1)

    def note(self, decision: Decision, now: float) -> None:
        """Write down what was done."""
        history = self.history(decision.name)
        match decision.act:
            case Act.DUMP:
                self.replacements.append(now)
                history = replace(history, dumped=now)
            case Act.KILL:
                history = replace(history, killed=now)
            case Act.BLOCK:
                history = replace(history, blocked=now, tried=None)
            case Act.TRUST:
                history = replace(history, blocked=None, tried=None, starts=())
            case Act.START if history.blocked is not None:
                history = replace(history, tried=now)
            case _:
                pass
        self.histories[decision.name] = history

    def trust(self, name: str) -> None:
        """A person changed or restarted it: what was before does not count any more."""
        self.histories[name] = replace(self.history(name), blocked=None, tried=None, starts=())

    def _forget(self, name: str) -> None:
        self.histories.pop(name, None)
        self.expected.pop(name, None)


def _started_anew(old: Process, process: Process) -> bool:
    """Return whether it started since the last look; with a process by its id: when the wall clock is set back,
    supervisord moves the times of starts with it."""
    if process.pid:
        return process.pid != old.pid
    return process.started_s not in {0, old.started_s}
