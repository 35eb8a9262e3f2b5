"""Whose turn it is: the lanes of all meters, queued by the connection that they lead to.

In: wakes (rows may wait), ends of flights, rests. Out: the next line that may send to a target, live before backlog,
meters in turn. A line is one lane of one meter and has at most one packet on its way. Knows neither rows nor sockets.
"""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from publisher.outbox import Lane
from publisher.telemetry import MAX_BATCH

NEVER_S: Final = 60.0  # no line rests longer than this


class Phase(Enum):
    """What a line is doing."""

    IDLE = "no rows are known to wait"
    QUEUED = "waits for room on its target"
    FLYING = "a packet is on its way"
    RESTING = "waits for a time"


@dataclass(slots=True, eq=False)
class Line:
    """One lane of one meter. ``batch``: readings per packet, halved when a packet is rejected."""

    uid: bytes
    lane: Lane
    phase: Phase = Phase.IDLE
    target: str = ""
    rest_until: float = 0.0
    batch: int = MAX_BATCH
    rejections: int = 0
    refusal: str = ""
    ids: tuple[int, ...] = ()


@dataclass(slots=True)
class _Queues:
    first: deque[Line] = field(default_factory=deque)
    second: deque[Line] = field(default_factory=deque)


class Lines:
    """See the module's text."""

    def __init__(self) -> None:
        self._lines: dict[tuple[bytes, Lane], Line] = {}
        self._queues: dict[str, _Queues] = {}
        self._resting: set[Line] = set()

    def wake(self, uid: bytes, lanes: Iterable[Lane], target: str) -> None:
        """Queue the idle lines of a meter for a target: rows may wait in them."""
        for lane in lanes:
            line = self._lines.get((uid, lane))
            if line is None:
                line = self._lines[uid, lane] = Line(uid, lane)
            if line.phase is Phase.IDLE:
                self.queue(line, target)

    def queue(self, line: Line, target: str, *, front: bool = False) -> None:
        """Let a line wait for room on its target."""
        self._resting.discard(line)
        line.phase, line.target, line.ids = Phase.QUEUED, target, ()
        queues = self._queues.setdefault(target, _Queues())
        queue = queues.second if line.lane is Lane.BACKLOG else queues.first
        if front:
            queue.appendleft(line)
        else:
            queue.append(line)

    def next(self, target: str) -> Line | None:
        """Return the line whose turn it is, no longer queued; None: nobody waits for this target."""
        queues = self._queues.get(target)
        if queues is None:
            return None
        queue = queues.first or queues.second
        return queue.popleft() if queue else None

    def waits(self, target: str) -> bool:
        """Return whether somebody waits for this target."""
        queues = self._queues.get(target)
        return queues is not None and bool(queues.first or queues.second)

    def idle(self, line: Line) -> None:
        """No rows wait in this line."""
        line.phase, line.ids = Phase.IDLE, ()

    def fly(self, line: Line, ids: tuple[int, ...]) -> None:
        """A packet of this line is on its way; ``ids`` are the rows in it."""
        line.phase, line.ids = Phase.FLYING, ids

    def rest(self, line: Line, until: float) -> None:
        """Let a line wait for a time, then queue it again."""
        line.phase, line.rest_until, line.ids = Phase.RESTING, until, ()
        self._resting.add(line)

    def rested(self, now: float) -> float:
        """Queue the lines that have rested; return when the next one will have."""
        for line in [line for line in self._resting if line.rest_until <= now]:
            self.queue(line, line.target)
        return min((line.rest_until for line in self._resting), default=now + NEVER_S)

    def flying(self, uid: bytes) -> set[int]:
        """Return the rows of a meter that are on their way, in any lane."""
        lines = (self._lines.get((uid, lane)) for lane in Lane)
        return {row_id for line in lines if line for row_id in line.ids}

    def keep(self, targets: Container[str]) -> None:
        """Let go of what is queued for targets that are no more; its lines are idle until they are woken again."""
        for target in [target for target in self._queues if target not in targets]:
            queues = self._queues.pop(target)
            for line in (*queues.first, *queues.second):
                self.idle(line)

    def rejecting(self) -> list[Line]:
        """Return the lines whose last packet was rejected."""
        return [line for line in self._resting if line.rejections]
