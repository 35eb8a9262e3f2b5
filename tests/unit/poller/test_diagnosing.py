"""Diagnostics of a worker: which events make one, with which frames, how seldom; what they never hold."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from common.diagnostic import MAX_FRAMES, MAX_OCTETS, Diagnostic
from common.secret import Secret
from poller.diagnosing import FORGOTTEN_S, MAX_PAUSE_S, MAX_WAITING, PAUSE_S, Diagnosing
from poller.dlms.errors import AuthenticationFailed, BadFrame
from poller.simulator import FaultKind
from tests.support.nights import Night
from tests.support.simulated import StillClock
from tests.support.workers import MEASUREMENTS

PASSWORD = "tr0ub4dour"
GETS = frozenset(["get"])


def told(night: Night, kind: str) -> list[tuple[float, Diagnostic]]:
    return [(at - night.start, item) for at, item in night.feed.diagnostics if item.kind == kind]


def line(diagnostic: Diagnostic, way: str) -> bytes:
    return b"".join(frame.octets for frame in diagnostic.frames if frame.way == way)


def test_a_damaged_answer_is_told_with_its_frames(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.BAD_FCS, count=1, on=GETS))
    night.play(30)
    ((at, diagnostic),) = told(night, "bad_frames")
    assert 10 <= at < 13
    assert (diagnostic.category, diagnostic.severity, diagnostic.suppressed) == ("hdlc", "warning", 0)
    assert 0 < len(diagnostic.frames) <= MAX_FRAMES
    assert b"\xe6\xe6\x00\xc0\x01" in line(diagnostic, "sent")
    assert b"\xe6\xe7\x00\xc4\x01" in line(diagnostic, "received")
    assert [frame.before_ms for frame in diagnostic.frames] == sorted(
        (frame.before_ms for frame in diagnostic.frames), reverse=True
    )


@pytest.mark.parametrize(
    ("fault", "kind", "category"),
    [
        (FaultKind.EXCEPTION, "exception_response", "connection"),
        (FaultKind.FIN, "peer_closed", "connection"),
        (FaultKind.DM, "link_reset", "hdlc"),
        (FaultKind.BUSY, "temporary_failure", "performance"),
    ],
)
def test_what_ends_a_link_or_fails_a_read_is_told(tmp_path: Path, fault: FaultKind, kind: str, category: str) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(fault, count=2, on=GETS))
    night.play(30)
    assert {item.category for _, item in told(night, kind)} == {category}, night.feed.diagnostics


def test_a_silent_meter_is_a_link_lost_and_then_told_ever_more_seldom(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: setattr(night.wire, "reachable", False))
    night.at(10, lambda: night.fault(FaultKind.FIN, count=1))
    night.play(4 * 3600)
    refused = told(night, "connect_refused")
    gaps = [round((b - a) / 60) for (a, _), (b, _) in pairwise(refused)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 1
    assert max(gaps) <= MAX_PAUSE_S / 60 + 1
    assert len(refused) < 12
    assert sum(item.suppressed for _, item in refused) > 100


def test_what_was_not_seen_for_ten_minutes_is_told_anew() -> None:
    clock = StillClock()
    diagnosing, told = Diagnosing(clock), []
    for pause in (0.0, PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S + FORGOTTEN_S + 1.0, PAUSE_S):
        clock.sleep(pause)
        diagnosing.event("hdlc", "bad_frames", "again")
        told.append(len(diagnosing.take()))
    assert told == [1, 1, 1, 1, 1]


def test_a_refused_password_is_told_without_it(tmp_path: Path) -> None:
    night = Night(tmp_path, authentication="lls", client_id=1, password=Secret(PASSWORD))
    night.play(60)
    ((_, diagnostic),) = told(night, "authentication_failed")
    assert (diagnostic.category, diagnostic.severity) == ("auth", "error")
    assert b"*" * len(PASSWORD) in line(diagnostic, "sent")
    assert b"\xe6\xe7\x00\x61" in line(diagnostic, "received")  # what the meter said to it
    assert not holds(night, PASSWORD)


def test_implausible_values_are_told(tmp_path: Path) -> None:
    night = Night(tmp_path, measurements=(*MEASUREMENTS, replace(MEASUREMENTS[1], key="apparent_power")))
    night.play(20)
    assert [item.category for _, item in told(night, "implausible")] == ["plausibility"]


def test_a_meter_that_lacks_a_quantity_is_told_so(tmp_path: Path) -> None:
    night = Night(tmp_path, measurements=(*MEASUREMENTS, replace(MEASUREMENTS[0], key="nonsense", obis="1-1:99.99.9")))
    night.play(20)
    ((_, diagnostic),) = told(night, "object_undefined")
    assert diagnostic.message.startswith("nonsense: ")


def holds(night: Night, secret: str) -> bool:
    return any(
        secret in item.message or secret.encode() in line(item, "sent") + line(item, "received")
        for _, item in night.feed.diagnostics
    )


def test_the_ring_is_bounded_and_what_waits_too() -> None:
    clock = StillClock()
    diagnosing = Diagnosing(clock)
    for _ in range(100):
        diagnosing.tap("in", bytes(5000))
    for number in range(100):
        diagnosing.event("hdlc", f"kind-{number}", "x")
    found = diagnosing.take()
    assert len(found) == MAX_WAITING
    assert [len(frame.octets) for frame in found[0].frames] == [MAX_OCTETS] * MAX_FRAMES
    assert not diagnosing.take()


def test_each_family_has_its_category_and_old_frames_are_left_out() -> None:
    clock = StillClock()
    diagnosing = Diagnosing(clock)
    diagnosing.tap("in", b"old")
    clock.sleep(301)
    diagnosing.error(BadFrame("wrong check sequence"))
    diagnosing.error(AuthenticationFailed("refused"))
    assert [(item.category, item.severity, item.frames) for item in diagnosing.take()] == [
        ("hdlc", "warning", ()),
        ("auth", "error", ()),
    ]
