"""A row of the fault matrix: what is broken, whom it may touch, when it must be over.

A row says what it does and to whom; the runner (``runner.py``) plays it for so many rounds and measures. Two kinds:

* ``Row``: a fault inside a running product. Per round the runner calls ``touch`` (who is hit this time), ``inject``,
  waits ``holds_s`` seconds if the fault is to last, calls ``clear``, waits until all that was touched is back, and then
  ``check``. Recovery counts from the end of ``clear`` when ``holds_s`` is a number, else from the end of ``inject``:
  then it is the product that has to end the fault, and ``clear`` only tidies up.
* ``OwnRow``: a fault that needs no running fleet, or another kind of system (power loss, files offline): it plays
  itself and returns an ``Outcome``.

Rows are registered in ``registry.py``. They keep no state but that of the round that is on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from tests.chaos.outcome import Outcome
from tests.support.system import Sections, System

if TYPE_CHECKING:
    from tests.chaos.plant import Plant

ANY: Final = 1 << 30
"""Cycles that a line has cut in two: as many as it likes; nobody promised them."""
POLL_S: Final = 2.0
"""What an association and the exchanges of one cycle may take on a busy machine, beside the interval."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant on both clocks."""

    mono: float
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Touched:
    """Whom a round's fault may touch; everybody else must not notice.

    ``unread``: meters whose reading may pause. ``undelivered``: meters whose readings may come late; those of
    ``unread`` need not be named again. ``programs``: names of supervisord's programs that may have another process
    afterwards. ``kills``: how many cycles may have been cut between a meter's answer and the worker's journal.
    """

    unread: frozenset[str] = frozenset()
    undelivered: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    kills: int = 0
    note: str = ""

    @property
    def late(self) -> frozenset[str]:
        """Return all meters whose readings may come late."""
        return self.unread | self.undelivered


def touched(
    unread: Iterable[str] = (),
    undelivered: Iterable[str] = (),
    programs: Iterable[str] = (),
    kills: int = 0,
    note: str = "",
) -> Touched:
    """Return a ``Touched`` made of any iterables."""
    return Touched(frozenset(unread), frozenset(undelivered), frozenset(programs), kills, note)


@dataclass(frozen=True)
class Stage:
    """What a row is played on; rows of one stage share one system, one after the other.

    ``options``: of `meterctl simulate`; ``words``: of `meterctl add`; ``settings``: sections of bridge.toml;
    ``environment``: of the product, beside ours.
    ``proxied``: meters and broker are behind the chaos proxy (``Plant.meter_link``, ``Plant.broker_link``).
    ``rules``: the broker has rules on topics (``Plant.broker_rules``); it may not be stopped then: it would forget what
    waits for a subscriber that is not connected.
    ``around``: entered with the system's directory before anything starts there, left when all has ended: a mount.
    A stage that needs more than this overrides ``system``.
    """

    name: str
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    proxied: bool = False
    rules: bool = False
    around: Callable[[Path], AbstractContextManager[object]] = nullcontext

    def system(self, directory: Path, meters: int, interval_s: float, settings: Sections) -> System:
        """Return the system, not yet started; ``settings`` are the stage's and what the proxy demands."""
        return System(
            directory,
            meters=meters,
            interval_s=interval_s,
            options=self.options,
            words=self.words,
            settings=settings,
            environment=self.environment,
        )


LOG: Final = ("--log-limit", str(8 << 30))
"""Octets: the auditor needs all of the simulator's log; 200 000 cycles are 200 MB."""
PLAIN: Final = Stage("plain", LOG)
HOOK: Final = Path(__file__).parent / "hook"
FORGETFUL: Final = Stage("lost store", LOG)
"""Apart from all others, whose alarms would be lost with the store before anybody saw that they clear."""
PROXIED: Final = Stage("proxied", LOG, proxied=True, environment={"PYTHONPATH": str(HOOK)})
"""Its workers turn on one spot when they get SIGUSR2 (``hook``)."""
RULED: Final = Stage("ruled", LOG, proxied=True, rules=True)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often a row is played in either form; ``short`` 0: not in the short form."""

    short: int
    long: int


class Listed(ABC):
    """What every row says of itself."""

    id: ClassVar[str]
    fault: ClassVar[str]
    rounds: ClassVar[Rounds] = Rounds(1, 3)
    needs_root: ClassVar[bool] = False
    by_name_only: ClassVar[bool] = False
    """Played only when ``--rows`` names it."""

    def why_not(self) -> str:
        """Return why it cannot be played on this machine; nothing when it can."""
        return ""


class Row(Listed):
    """A fault inside a running product."""

    stage: ClassVar[Stage] = PLAIN
    may_raise: ClassVar[frozenset[str]] = frozenset()
    """Categories of alarms that belong to this fault; any other alarm is wrong."""
    must_raise: ClassVar[frozenset[str]] = frozenset()
    """Categories that have to be raised in every round, before recovery is over."""

    @abstractmethod
    def bound_s(self, plant: "Plant") -> float:
        """Return within how many seconds everything touched must be back."""

    def holds_s(self, plant: "Plant") -> float | None:
        """Return how long the fault lasts before ``clear``; None: the product has to end it."""
        return None

    @abstractmethod
    def touch(self, plant: "Plant") -> Touched:
        """Return whom the next round hits; ``plant.chance`` is the run's seeded choice."""

    @abstractmethod
    def inject(self, plant: "Plant", hit: Touched) -> None:
        """Break it."""

    def during(self, plant: "Plant", hit: Touched) -> None:
        """Look while the fault lasts, after ``holds_s`` and before ``clear``; raise AssertionError when it is wrong."""

    def clear(self, plant: "Plant", hit: Touched) -> None:
        """End the fault; called in any case, also after a failure, and may be called twice."""

    def is_back(self, plant: "Plant", hit: Touched, since: Moment) -> bool:
        """Return whether the touched are back; as a rule: a reading of each, taken after the fault, at the broker."""
        return plant.record.all_fresh(hit.late, since)

    def check(self, plant: "Plant", hit: Touched, since: Moment) -> Sequence[str]:
        """Return what is wrong after recovery, beside what the runner looks at anyway."""
        return ()

    def figures(self, plant: "Plant") -> Mapping[str, float | str]:
        """Return numbers of its own, for the result and the table's remark; asked once, after the last round."""
        return {}


class OwnRow(Listed):
    """A fault that plays itself."""

    @abstractmethod
    def play(self, directory: Path, *, short: bool) -> Outcome:
        """Play all rounds in ``directory``, an empty one; leave nothing running and nothing mounted."""
