import pytest

from poller.simulator.meter_clock import MeterClock, decode_moment, encode_moment
from poller.simulator.personality import ClockSetting
from tests.support.simulated import StillClock


def test_a_date_time_is_local_time_with_its_weekday() -> None:
    assert encode_moment(1_039_006_531_120).hex() == "07d20c04030c371f" + "0c" + "0000" + "00"
    assert encode_moment(1_039_006_531_120, -60, 0x80).hex() == "07d20c04030d371f" + "0c" + "ffc4" + "80"


@pytest.mark.parametrize("deviation", [-720, -60, 0, 300])
def test_a_moment_is_read_as_it_was_written(deviation: int) -> None:
    assert decode_moment(encode_moment(1_700_000_000_120, deviation)) == 1_700_000_000_120


def test_a_moment_without_deviation_is_local() -> None:
    octets = bytearray(encode_moment(1_700_000_000_000, -60))
    octets[9:11] = b"\x80\x00"
    assert decode_moment(bytes(octets), -60) == 1_700_000_000_000


def test_a_moment_that_is_none_is_refused() -> None:
    assert decode_moment(bytes.fromhex("ffff03fe0702000000800000")) is None


def test_a_clock_deviates_drifts_and_is_set() -> None:
    ours = StillClock()
    clock = MeterClock(ours, ClockSetting(offset=5.0, drift_ppm=100.0, zone=-60, summer=True))
    assert clock.now_ms() == ours.wall + 5_000
    ours.wall += 1_000_000
    assert clock.now_ms() == ours.wall + 5_100
    assert (clock.deviation, clock.status) == (-120, 0x80)
    clock.put(ours.wall)
    assert clock.now_ms() == ours.wall
