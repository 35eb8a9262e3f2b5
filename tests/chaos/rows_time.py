"""T: the wall clock steps, for every process of the product and for nobody else (``clock_hook``)."""

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.chaos.plant import Plant
from tests.chaos.row import POLL_S, Listed, Moment, Rounds, Row, Stage, Touched, touched

HOOK: Final = Path(__file__).parent / "clock_hook"
OFFSET: Final = Path(tempfile.gettempdir()) / f"dlms-chaos-clock-{os.getpid()}"


class _Offset:
    """The file with the offset; it is there before anything starts."""

    def __enter__(self) -> None:
        step(0)

    def __exit__(self, *_error: object) -> None:
        OFFSET.unlink(missing_ok=True)


STEPPED: Final = Stage(
    "stepped clock",
    environment={"PYTHONPATH": str(HOOK), "DLMS_CHAOS_CLOCK": str(OFFSET)},
    around=lambda _directory: _Offset(),
)
STEPS_S: Final = (3600, -3600, -10 * 365 * 86_400, 1)
HOLD_S: Final = 20.0
HOLD_SHORT_S: Final = 8.0
INTERVALS: Final = 3


class SteppedClock(Row):
    """T1: nobody is restarted, reading goes on; it goes on as well when the clock comes back."""

    id = "T1"
    fault = "the clock steps by +1 h, -1 h, -10 years, +1 s, and back"
    rounds = Rounds(2, 4)
    stage = STEPPED
    may_raise = frozenset({"clock"})

    def __init__(self) -> None:
        self._round = 0

    def bound_s(self, plant: Plant) -> float:
        return POLL_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        return HOLD_SHORT_S if plant.short else HOLD_S

    def touch(self, plant: Plant) -> Touched:
        return touched(unread=plant.meters, note="by the clock of their time stamps")

    def inject(self, plant: Plant, hit: Touched) -> None:
        step(STEPS_S[self._round % len(STEPS_S)])
        self._round += 1

    def during(self, plant: Plant, hit: Touched) -> None:
        since = time.monotonic() - INTERVALS * plant.interval_s
        plant.record.look()
        silent = [meter for meter in plant.meters if not plant.record.arrivals(meter, since)]
        assert not silent, f"{len(silent)} meters are silent while the clock is wrong: {', '.join(silent[:5])}"

    def clear(self, plant: Plant, hit: Touched) -> None:
        step(0)

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        """Whether each meter's readings arrive; their time stamps say nothing here."""
        plant.record.look()
        return all(plant.record.arrivals(meter, since.mono) for meter in plant.meters)


def step(seconds: int) -> None:
    """Set how far the product's wall clock is from ours."""
    draft = OFFSET.with_suffix(".new")
    draft.write_text(f"{seconds:+d}\n", encoding="ascii")
    draft.replace(OFFSET)


ROWS: Final[tuple[Listed, ...]] = (SteppedClock(),)
