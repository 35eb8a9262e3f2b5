"""Turns: the first connection is at once, a crowd is spread, what is damaged or held keeps nobody from connecting."""

import fcntl
from pathlib import Path

import pytest

from poller.turnstile import FURTHEST_MS, NAME, SIZE, Turnstile
from tests.support.still_clock import StepClock

RATE = 30


def test_one_alone_never_waits(tmp_path: Path) -> None:
    clock = StepClock()
    turns = Turnstile(tmp_path, clock)
    for _ in range(100):
        assert turns.wait_s(RATE) == 0.0
        clock.sleep(1 / RATE + 0.001)


def test_a_crowd_is_spread_whoever_of_it_asks(tmp_path: Path) -> None:
    clock = StepClock()
    waits = [Turnstile(tmp_path, clock).wait_s(RATE) for _ in range(250)]
    assert waits == sorted(set(waits))
    in_one_second = max(sum(start <= wait < start + 1 for wait in waits) for start in waits)
    assert in_one_second <= RATE
    assert waits[-1] == pytest.approx(249 / RATE, rel=0.05)


def test_turns_of_before_are_over(tmp_path: Path) -> None:
    clock = StepClock()
    for _ in range(100):
        Turnstile(tmp_path, clock).wait_s(RATE)
    clock.sleep(10.0)
    assert Turnstile(tmp_path, clock).wait_s(RATE) == 0.0


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * SIZE, (10**15).to_bytes(SIZE, "big")])
def test_a_time_of_another_boot_or_damage_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    turns = Turnstile(tmp_path, StepClock())
    assert turns.wait_s(RATE) == 0.0
    assert 0 < turns.wait_s(RATE) < FURTHEST_MS


def test_nothing_that_fails_keeps_anybody_from_connecting(tmp_path: Path) -> None:
    assert Turnstile(tmp_path / "nowhere", StepClock()).wait_s(RATE) == 0.0
    clock = StepClock()
    with (tmp_path / NAME).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = clock.monotonic()
        assert Turnstile(tmp_path, clock).wait_s(RATE) == 0.0
        assert clock.monotonic() - before < 0.2
