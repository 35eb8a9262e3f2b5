"""Who asks too often and who guesses, over all processes that share the memory."""

import os
import signal

import pytest

from admin_api.throttle import (
    BURST_S,
    FAILURES,
    FIRST_BLOCK_S,
    LONGEST_BLOCK_S,
    SLOTS,
    WINDOW_S,
    Throttle,
)
from common.clock import SystemClock
from tests.support.installation import StillClock


def test_a_rate_is_held_and_a_burst_of_ten_seconds_of_it_allowed() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    taken = sum(not throttle.take("rate", "ann", 6000) for _ in range(3000))
    assert taken == 6000 / 60 * BURST_S
    assert throttle.take("rate", "ann", 6000) == pytest.approx(0.01)
    assert throttle.take("rate", "bob", 6000) == 0
    for _ in range(1000):
        clock.sleep(0.02)  # 50 requests a second, for as long as they like
        assert throttle.take("rate", "ann", 6000) == 0


def test_what_was_refused_was_not_counted() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    assert [throttle.take("told", "x", 1) for _ in range(3)] == [0, 60, 60]
    clock.sleep(60)
    assert throttle.take("told", "x", 1) == 0


def test_ten_failures_block_for_longer_and_longer() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    assert [throttle.fail("login", "ann") for _ in range(FAILURES)] == [0] * (FAILURES - 1) + [FIRST_BLOCK_S]
    assert throttle.blocked("login", "ann") == FIRST_BLOCK_S
    assert throttle.blocked("login", "bob") == throttle.blocked("other", "ann") == 0
    clock.sleep(FIRST_BLOCK_S)
    assert throttle.blocked("login", "ann") == 0
    waits = [throttle.fail("login", "ann") for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[:2] == [2 * FIRST_BLOCK_S, 4 * FIRST_BLOCK_S]
    assert waits[-1] == LONGEST_BLOCK_S


def test_failures_far_apart_are_no_guessing_and_success_forgives() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    for _ in range(3 * FAILURES):
        assert throttle.fail("login", "ann") == 0
        clock.sleep(WINDOW_S + 1)
    for _ in range(3):
        assert [throttle.fail("login", "bob") for _ in range(FAILURES - 1)] == [0] * (FAILURES - 1)
        throttle.forgive("login", "bob")


def test_memory_is_bounded_and_who_is_blocked_is_the_last_to_be_forgotten() -> None:
    clock = StillClock()
    throttle = Throttle(clock)
    for _ in range(FAILURES + 5):
        throttle.fail("login", "guesser")
    before = throttle.blocked("login", "guesser")
    for number in range(2 * SLOTS):
        throttle.fail("login", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert throttle.blocked("login", "guesser") == before


def test_processes_count_together_and_the_lock_dies_with_its_holder() -> None:
    throttle = Throttle(SystemClock())
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(25):
                throttle.fail("login", "ann")
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert throttle.blocked("login", "ann") > LONGEST_BLOCK_S - 60
    holder = os.fork()
    if not holder:
        with throttle._entry("login", "bob", 0.0):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(holder, 0)
    assert throttle._lock()


def test_names_that_fall_together_do_not_push_each_other_out_while_there_is_room() -> None:
    throttle = Throttle(StillClock())
    names = [f"n{number}" for number in range(200)]
    assert [throttle.take("told", name, 1) for name in names] == [0] * 200
    assert [throttle.take("told", name, 1) for name in names] == [60] * 200
