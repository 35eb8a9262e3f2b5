from random import Random

import pytest

from poller.simulator import frames
from poller.simulator.faults import Fault, FaultKind, Where
from poller.simulator.frames import Frame, FrameReader
from poller.simulator.mischief import misnumbered, play
from poller.simulator.steps import Finish, Reset, Send, Step, Wait

ANSWER = frames.encode(Frame(b"\x03", b"\x03", 0x30, b"\xe6\xe7\x00\xc4\x01\xc1\x00\x11\x05"))


def played(*faults: Fault) -> list[Step]:
    return play([Send(ANSWER)], faults, Random(3))


def line(steps: list[Step]) -> bytes:
    return b"".join(step.octets for step in steps if isinstance(step, Send))


@pytest.mark.parametrize(
    ("kind", "after"), [(FaultKind.HALF, []), (FaultKind.RST, [Reset()]), (FaultKind.FIN, [Finish()])]
)
def test_half_an_answer_and_what_follows(kind: FaultKind, after: list[Step]) -> None:
    assert played(Fault(kind)) == [Send(ANSWER[: len(ANSWER) // 2]), *after]


def test_drop_leaves_nothing() -> None:
    assert played(Fault(FaultKind.STALL), Fault(FaultKind.DROP)) == []


def test_stall_waits_first() -> None:
    assert played(Fault(FaultKind.STALL, seconds=2.5)) == [Wait(2.5), Send(ANSWER)]


def test_slow_sends_octet_by_octet() -> None:
    steps = played(Fault(FaultKind.SLOW, milliseconds=30))
    assert line(steps) == ANSWER
    assert steps[:2] == [Send(ANSWER[:1]), Wait(0.03)]
    assert len(steps) == 2 * len(ANSWER)


@pytest.mark.parametrize("where", list(Where))
def test_garbage_goes_where_it_is_told(where: Where) -> None:
    octets = line(played(Fault(FaultKind.GARBAGE, octets=10, where=where)))
    assert len(octets) == 10 + (0 if where is Where.INSTEAD else len(ANSWER))
    assert octets.startswith(ANSWER) is (where is Where.AFTER)
    assert octets.endswith(ANSWER) is (where is Where.BEFORE)


def test_duplicate_is_the_same_frame_twice() -> None:
    assert line(played(Fault(FaultKind.DUPLICATE))) == ANSWER * 2


@pytest.mark.parametrize(("kind", "counter"), [(FaultKind.BAD_FCS, "bad_fcs"), (FaultKind.BAD_HCS, "bad_hcs")])
def test_a_bad_checksum_is_seen_as_what_it_is(kind: FaultKind, counter: str) -> None:
    reader = FrameReader()
    assert reader.feed(line(played(Fault(kind))), 0.0) == []
    assert getattr(reader.counters, counter) == 1


def test_a_frame_without_hcs_stays_whole() -> None:
    short = frames.encode(Frame(b"\x03", b"\x03", 0x73))
    assert play([Send(short)], [Fault(FaultKind.BAD_HCS)], Random(3)) == [Send(short)]


def test_misnumbering_touches_the_send_number_only() -> None:
    answer = [Frame(b"\x03", b"\x03", 0x11), Frame(b"\x03", b"\x03", 0x5E, b"x")]
    assert [frame.control for frame in misnumbered(answer)] == [0x11, 0x50]
