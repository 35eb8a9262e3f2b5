"""Setting a clock right: the decision, and that it is done, verified, bounded."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import pytest

from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import MethodRef, Selection
from poller.dlms.errors import AccessDenied, BadParameter
from poller.dlms.objects.clock import CLOCK_NAME, Clock, Zone
from poller.dlms.objects.clock_setting import (
    Correction,
    CorrectionLimits,
    Step,
    Synchronised,
    as_the_meter,
    plan_correction,
    synchronise,
)
from tests.support.cosem_objects import Objects, octets, run

NOW = datetime(2024, 6, 15, 12, 0, 0, tzinfo=UTC)
SUMMER = timezone(timedelta(hours=2))
DEFAULT = CorrectionLimits()


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("behind", "limits", "step", "shift"),
    [
        (0, DEFAULT, Step.NONE, 0),
        (2, DEFAULT, Step.NONE, 0),
        (-2, DEFAULT, Step.NONE, 0),
        (0.4, CorrectionLimits(tolerance=timedelta()), Step.NONE, 0),
        (3, DEFAULT, Step.SHIFT, 3),
        (-900, DEFAULT, Step.SHIFT, -900),
        (901, DEFAULT, Step.SET, 0),
        (3, CorrectionLimits(shift=False), Step.SET, 0),
        (3, CorrectionLimits(shift=False, preset=True), Step.PRESET, 0),
        (3600, DEFAULT, Step.SET, 0),
        (3601, DEFAULT, Step.REFUSED, 0),
        (-3601, DEFAULT, Step.REFUSED, 0),
        (3601, CorrectionLimits(force=True), Step.SET, 0),
    ],
)
def test_the_decision(behind: float, limits: CorrectionLimits, step: Step, shift: int) -> None:
    meter = (NOW - seconds(behind)).astimezone(SUMMER)
    assert plan_correction(meter, NOW, limits) == Correction(step, seconds(behind), shift)


def test_a_meter_without_time_is_set_by_force_only() -> None:
    assert plan_correction(None, NOW, DEFAULT) == Correction(Step.REFUSED, None)
    assert plan_correction(None, NOW, CorrectionLimits(force=True)) == Correction(Step.SET, None)


def test_times_without_offset_are_not_compared() -> None:
    for pair in [(NOW.replace(tzinfo=None), NOW), (NOW, NOW.replace(tzinfo=None))]:
        with pytest.raises(BadParameter):
            plan_correction(*pair, DEFAULT)


def test_limits_are_limits() -> None:
    with pytest.raises(BadParameter):
        CorrectionLimits(tolerance=timedelta(hours=2))
    with pytest.raises(BadParameter):
        CorrectionLimits(tolerance=timedelta(-1))


@dataclass
class Meter:
    """A clock that runs beside ours: reading, shifting, setting and presetting work, or are refused."""

    behind: timedelta
    zone: timezone = SUMMER
    shifts: bool = True
    obeys: bool = True
    latency: timedelta = timedelta()
    kind: DataType = DataType.OCTET_STRING
    deviation: bool = True
    now: datetime = NOW
    preset: DateTime | None = None
    steps: list[str] = field(default_factory=list)

    def ours(self) -> datetime:
        return self.now

    def read(self, _selection: Selection | None) -> Data:
        self.now += self.latency
        value = DateTime.from_datetime((self.now - self.behind).astimezone(self.zone), 0x80)
        if not self.deviation:
            value = DateTime(value.date, value.time, None, value.status)
        return Data(self.kind, value) if self.kind is DataType.DATE_TIME else octets(value.to_bytes())

    def shift(self, parameters: Data | None) -> None:
        self.steps.append("shift")
        if not self.shifts:
            raise AccessDenied("read-write-denied (3)")
        assert parameters is not None
        assert isinstance(parameters.value, int)
        if self.obeys:
            self.behind -= seconds(parameters.value)

    def take(self, value: DateTime) -> None:
        moment = Zone(-120, 0).to_datetime(value)
        assert moment is not None
        self.now += self.latency
        self.behind = self.now - moment

    def presetting(self, parameters: Data | None) -> None:
        assert parameters is not None
        assert isinstance(parameters.value, tuple)
        preset, start, end = (DateTime.from_bytes(each.value) for each in parameters.value)  # type: ignore[arg-type]
        meter = self.now - self.behind
        assert start.to_datetime() < meter < end.to_datetime()  # type: ignore[operator]
        self.steps.append("preset")
        self.preset = preset

    def adjusting(self, _parameters: Data | None) -> None:
        assert self.preset is not None
        self.take(self.preset)

    def objects(self) -> "Settable":
        methods = {6: self.shift, 5: self.presetting, 4: self.adjusting}
        refs = {MethodRef(8, CLOCK_NAME, number): method for number, method in methods.items()}
        objects = Settable(methods=refs, meter=self)  # type: ignore[arg-type]
        objects.give(8, CLOCK_NAME, {2: self.read, 3: Data(DataType.INT16, -60), 7: Data(DataType.INT8, 60)})
        return objects


@dataclass
class Settable(Objects):
    """Objects whose clock takes what is written."""

    meter: Meter = field(default_factory=lambda: Meter(timedelta()))

    def set(self, ref, data, selection=None):  # type: ignore[no-untyped-def]
        yield from ()
        self.meter.steps.append("set")
        assert data.type is self.meter.kind
        value = data.value if isinstance(data.value, DateTime) else DateTime.from_bytes(data.value)
        assert (value.deviation is not None) is self.meter.deviation
        if self.meter.obeys:
            self.meter.take(value)


def synchronised(meter: Meter, limits: CorrectionLimits = DEFAULT) -> Synchronised:
    return run(synchronise(meter.objects(), meter.ours, limits))


def test_a_clock_that_is_right_is_left_alone() -> None:
    meter = Meter(seconds(1))
    assert synchronised(meter) == Synchronised(seconds(1), Step.NONE, seconds(1), True)
    assert meter.steps == []


def test_small_deviations_are_shifted() -> None:
    meter = Meter(seconds(-42))
    assert synchronised(meter) == Synchronised(seconds(-42), Step.SHIFT, timedelta(), True)
    assert meter.steps == ["shift"]


@pytest.mark.parametrize("kind", [DataType.OCTET_STRING, DataType.DATE_TIME])
@pytest.mark.parametrize("deviation", [True, False])
def test_large_deviations_are_set_in_the_meters_own_way(kind: DataType, deviation: bool) -> None:
    meter = Meter(seconds(1000), kind=kind, deviation=deviation)
    assert synchronised(meter) == Synchronised(seconds(1000), Step.SET, timedelta(), True)
    assert meter.steps == ["set"]


def test_a_meter_without_shift_is_set() -> None:
    meter = Meter(seconds(10), shifts=False)
    assert synchronised(meter) == Synchronised(seconds(10), Step.SET, timedelta(), True)
    assert meter.steps == ["shift", "set"]


def test_a_meter_that_only_acknowledges_is_not_verified() -> None:
    meter = Meter(seconds(10), obeys=False)
    assert synchronised(meter) == Synchronised(seconds(10), Step.SET, seconds(10), False)
    assert meter.steps == ["shift", "set"]


def test_a_time_may_be_preset() -> None:
    meter = Meter(seconds(10))
    limits = CorrectionLimits(shift=False, preset=True)
    assert synchronised(meter, limits) == Synchronised(seconds(10), Step.PRESET, timedelta(), True)
    assert meter.steps == ["preset"]
    assert synchronised(Meter(seconds(10), shifts=False), CorrectionLimits(preset=True)).step is Step.PRESET


def test_beyond_the_bound_nothing_is_done_without_force() -> None:
    meter = Meter(timedelta(hours=2))
    assert synchronised(meter) == Synchronised(timedelta(hours=2), Step.REFUSED, timedelta(hours=2), False)
    assert meter.steps == []
    assert synchronised(meter, CorrectionLimits(force=True)).verified


def test_a_slow_line_is_reckoned_with() -> None:
    meter = Meter(seconds(1000), latency=seconds(2))
    done = synchronised(meter)
    assert (done.step, done.verified) == (Step.SET, True)
    assert abs(meter.behind) <= seconds(1)


def test_our_time_needs_an_offset() -> None:
    meter = Meter(timedelta())
    with pytest.raises(BadParameter):
        run(synchronise(meter.objects(), lambda: NOW.replace(tzinfo=None)))


def clock(octets: str, zone: Zone = Zone(-60, 60)) -> Clock:  # noqa: B008
    return Clock(CLOCK_NAME, DateTime.from_bytes(bytes.fromhex(octets)), zone)


@pytest.mark.parametrize(
    ("octets", "zone", "written"),
    [
        ("07e8060f060e000000ff8880", Zone(-60, 60), "07e8060f060e000100ff8880"),
        ("07e8060f060e0000ffff8883", Zone(-60, 60), "07e8060f060e0001ffff8880"),
        ("07e8060f060e000000800080", Zone(-60, 60), "07e8060f060e000100800080"),
        ("07e8060f060e000000ff88ff", Zone(-60, 60), "07e8060f060e000100ff88ff"),
        ("ffffffffffffffff008000ff", Zone(-60, 60), "07e8060f060d000100ffc4ff"),
        ("ffffffffffffffff008000ff", Zone(), "07e8060f060c0001000000ff"),
    ],
)
def test_the_meter_is_told_the_time_as_it_tells_it(octets: str, zone: Zone, written: str) -> None:
    moment = NOW + seconds(1)
    assert as_the_meter(moment, clock(octets, zone)).to_bytes().hex() == written


def test_without_hundredths_seconds_are_rounded() -> None:
    meter = clock("07e8060f060e0000ffff8880")
    assert as_the_meter(NOW + seconds(0.5), meter).time.second == 1
    assert as_the_meter(NOW + seconds(0.49), meter).time.second == 0
    assert as_the_meter(NOW + seconds(0.49), clock("07e8060f060e000000ff8880")).time.hundredths == 49
