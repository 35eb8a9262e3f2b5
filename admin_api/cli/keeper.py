"""supervisord kept alive: what watches everything else is watched too, and systemd hears how it goes.

In: a product that was started, a look every half second or so, monotonic time. Out: a supervisord that ended or does
not answer is ended for good, what it left behind is swept up, and it is started anew, within a budget; beyond it
``Spent``, and whoever started us takes over. Ages count from failed questions, so that time in which we did not run
ourselves counts against nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from admin_api.cli.notify import ALIVE, READY, Notifier
from common.clock import Clock
from common.errors import BridgeError, Hopeless
from common.process_state import ProcessState

ASK_S: Final = 2.0
STATUS_S: Final = 10.0  # the whole table costs supervisord 30 ms with 200 meters
HUNG_S: Final = 15.0
BUSY_S: Final = 60.0  # one that works on (a hundred workers start at once) may be silent for longer: 12 s were measured
HUNG_QUESTIONS: Final = 4  # unanswered at least: one alone may have waited while we were suspended
RESTARTS: Final = 5
WINDOW_S: Final = 600.0
DELAYS_S: Final = (0.0, 2.0, 4.0, 8.0, 16.0)  # before each of the starts in a window
UNREADY_S: Final = 45.0  # a program that cannot run must not keep systemd from calling the others ready


class Spent(Hopeless):
    """supervisord ended more often than the budget allows."""


class Kept(Protocol):
    """The part of the product that is used here."""

    def ended(self) -> int | None:
        """Return supervisord's exit code if it has ended."""

    def is_heard(self) -> bool:
        """Return whether supervisord answers."""

    def worked_s(self) -> float:
        """Return the CPU time that supervisord has used."""

    def states(self) -> Mapping[str, ProcessState]:
        """Return the states of all programs."""

    def kill(self) -> None:
        """End supervisord."""

    def sweep(self) -> int:
        """End what it left behind; return how many processes."""

    def start(self, lock: int) -> None:
        """Start anew; raise a BridgeError or OSError."""


@dataclass(slots=True)
class Keeper:
    """See the module's text. ``lock``: what supervisord inherits; ``say``: a line for people."""

    product: Kept
    clock: Clock
    lock: int
    notifier: Notifier
    say: Callable[[str], None]
    started_s: float = 0.0
    ready: bool = False
    deaths: list[float] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)
    worked_s: float = 0.0
    idle_since: float = 0.0
    resume_s: float | None = None
    ask_s: float = 0.0
    status_s: float = 0.0

    def look(self) -> None:
        """Do what is due; raise Spent."""
        now = self.clock.monotonic()
        self.started_s = self.started_s or now
        if self.resume_s is not None:
            if now >= self.resume_s:
                self._resume()
            return
        code = self.product.ended()
        if code is not None:
            self._bury(f"supervisord ended with code {code}")
        elif now >= self.ask_s:
            self._ask(now)

    def _ask(self, now: float) -> None:
        self.ask_s = now + ASK_S
        if self.product.is_heard():
            self.unanswered.clear()
            self.notifier.tell(ALIVE)
            self._tell(now)
            return
        self.unanswered.append(now)
        if self._hangs(now):
            self.product.kill()
            self._bury(f"supervisord has not answered for {now - self.unanswered[0]:.0f} s")

    def _hangs(self, now: float) -> bool:
        """Return whether it has been silent for too long; one that is only busy or short of CPU has more time."""
        worked_s, before = self.product.worked_s(), self.worked_s
        if worked_s != before or len(self.unanswered) == 1:
            self.worked_s, self.idle_since = worked_s, now
        if len(self.unanswered) < HUNG_QUESTIONS:
            return False
        return now - self.idle_since >= HUNG_S or now - self.unanswered[0] >= BUSY_S

    def _tell(self, now: float) -> None:
        """Tell systemd that we are ready, once, and each STATUS_S how it goes."""
        if self.ready and now < self.status_s:
            return
        self.status_s = now + STATUS_S
        states = self.product.states()
        down = sorted(name for name, state in states.items() if state is not ProcessState.RUNNING)
        if not self.ready and (not down or now - self.started_s >= UNREADY_S):
            self.ready = True
            self.notifier.tell(READY)
        self.notifier.status(_status(len(states), down, len(self.deaths)))

    def _bury(self, reason: str) -> None:
        """Sweep up after a supervisord that is no more, and set the time of the next; raise Spent."""
        now = self.clock.monotonic()
        self.deaths = [at for at in self.deaths if now - at < WINDOW_S]
        if len(self.deaths) >= RESTARTS:
            raise Spent(f"{reason}, for the {RESTARTS + 1}th time in {WINDOW_S / 60:.0f} minutes")
        wait = DELAYS_S[len(self.deaths)]
        self.deaths.append(now)
        self.unanswered.clear()
        swept = self.product.sweep()
        self.say(f"{reason}; {swept} processes had to be ended; it is started again in {wait:.0f} s")
        self.notifier.status(f"{reason}; it is started again")
        self.resume_s = self.clock.monotonic() + wait

    def _resume(self) -> None:
        self.resume_s = None
        try:
            self.product.start(self.lock)
        except (BridgeError, OSError) as error:  # a disk that is full has no room for the run files
            self.product.kill()
            self._bury(f"supervisord could not be started again: {error}")


def _status(programs: int, down: list[str], deaths: int) -> str:
    """Return the line for `systemctl status`."""
    line = f"{programs - len(down)} of {programs} programs run"
    if down:
        line += f"; not: {', '.join(down[:5])}{' …' if len(down) > 5 else ''}"
    return f"{line}; supervisord started anew {deaths} times lately" if deaths else line
