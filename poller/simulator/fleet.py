"""Many simulated meters in one process and one thread, with a way to make them misbehave.

    with Fleet([MeterSpec("sim-1"), MeterSpec("sim-2", "wrapper")]) as fleet:
        port = fleet.meters["sim-1"].port
        fleet.do(meter="sim-1", do="stall", seconds=5, count=1)

Specifications in; listening meters out. In tests the loop runs in a thread of its own; the command line runs it in the
main thread. Commands are those of ``control``, whoever gives them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Final, Self

from common.clock import Clock, SystemClock
from poller.simulator.answer_log import DEFAULT_LIMIT, AnswerLog
from poller.simulator.control import Outcome, execute
from poller.simulator.device import Device, MeterSpec
from poller.simulator.loop import Loop
from poller.simulator.meter import Meter
from poller.simulator.personality import BadSpecification

MAX_METERS: Final = 2_000
"""Meters of one process: beyond it descriptors and one core end first."""
_PATIENCE: Final = 10.0
"""Seconds that the loop may take to carry out a command or to end."""


class Fleet:
    """Meters that listen from construction on; raises BadSpecification or PortTaken when they cannot."""

    def __init__(
        self,
        specs: Sequence[MeterSpec],
        *,
        log: Path | None = None,
        log_limit: int = DEFAULT_LIMIT,
        clock: Clock | None = None,
    ) -> None:
        if not 0 < len({spec.name for spec in specs}) == len(specs) <= MAX_METERS:
            raise BadSpecification(f"{len(specs)} meters: need 1 to {MAX_METERS}, each with a name of its own")
        self.clock = clock or SystemClock()
        self._log = AnswerLog(log, self.clock, log_limit) if log is not None else None
        self.loop = Loop(self.clock)
        self.meters: dict[str, Meter] = {}
        self._orders: SimpleQueue[tuple[Mapping[str, object], Future[Outcome]]] = SimpleQueue()
        self._thread: Thread | None = None
        self.loop.on_wake = self._carry_out
        try:
            for index, spec in enumerate(specs):
                self.meters[spec.name] = Meter(Device(spec, index, self.clock), self.loop, self._log)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        self._thread = Thread(target=self.loop.run, name="simulator", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.loop.stop()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self.close()

    def do(self, *, do: str, meter: str = "*", **details: object) -> Outcome:
        """Carry out a command in the loop's thread and return its outcome; raises BadCommand, as ``execute`` does."""
        done: Future[Outcome] = Future()
        self._orders.put(({"do": do, "meter": meter, **details}, done))
        self.loop.wake()
        return done.result(_PATIENCE)

    def status(self, meter: str) -> Mapping[str, object]:
        """Return one meter's counters; raises BadCommand when there is no such meter."""
        meters = self.do(do="status", meter=meter)["meters"]
        return meters[meter] if isinstance(meters, dict) else {}

    def execute(self, command: Mapping[str, object]) -> Outcome:
        """Carry out a command; in the loop's thread only."""
        outcome = execute(self.meters, command)
        if command["do"] == "status":
            outcome["log_rotations"] = self._log.rotations if self._log else 0
        return outcome

    def _carry_out(self) -> None:
        while True:
            try:
                command, done = self._orders.get_nowait()
            except Empty:
                return
            try:
                done.set_result(self.execute(command))
            except BadSpecification as error:
                done.set_exception(error)

    def close(self) -> None:
        """Let go of all sockets and of the log; the loop must not be running."""
        for meter in self.meters.values():
            meter.close()
        self.loop.close()
        if self._log is not None:
            self._log.close()
