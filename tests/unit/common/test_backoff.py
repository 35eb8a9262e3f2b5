"""Facts about the delay after failures."""

import pytest

from common.backoff import JITTER, Backoff

MIDDLE = 0.5


@pytest.mark.parametrize(("failures", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (1000, 60.0)])
def test_the_delay_doubles_up_to_its_bound(failures: int, seconds: float) -> None:
    assert Backoff(2.0, 60.0).delay(failures, MIDDLE) == pytest.approx(seconds)


def test_no_failure_counts_as_one() -> None:
    assert Backoff(2.0, 60.0).delay(0, MIDDLE) == Backoff(2.0, 60.0).delay(1, MIDDLE)


def test_jitter_spreads_both_ways_and_never_passes_the_bound() -> None:
    backoff = Backoff(2.0, 60.0)
    assert backoff.delay(1, 0.0) == pytest.approx(2.0 * (1 - JITTER))
    assert backoff.delay(1, 0.999999) == pytest.approx(2.0 * (1 + JITTER), rel=1e-4)
    assert backoff.delay(30, 0.999999) == 60.0
    assert backoff.delay(30, 0.0) == pytest.approx(60.0 * (1 - JITTER))
