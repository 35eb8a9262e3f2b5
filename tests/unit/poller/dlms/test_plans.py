"""Plans: the octets of requests and usual answers are those of the plain core; anything else is not usual."""

import pytest

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import information_control, pack_frame
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import LinkParameters
from poller.dlms.plans import INVOKE_IDS, HdlcLine, WrapperLine
from poller.dlms.wrapper import Wpdu, WrapperLink

REQUESTS = [b"\xc0\1" + bytes((invoke,)) + b"what" for invoke in range(INVOKE_IDS)]
BEGINNINGS = [b"\xc4\1" + bytes((invoke,)) + b"\0\x12" for invoke in range(INVOKE_IDS)]


def hdlc() -> HdlcLine:
    return HdlcLine(HdlcLink(Address(16), Address(1), LinkParameters(), counters := Counters()), counters)


def answer(ns: int, nr: int, apdu: bytes, *, client: int = 16) -> bytes:
    addresses = Address(client).to_bytes() + Address(1).to_bytes()
    return pack_frame(addresses, information_control(ns, nr, poll=True), b"\xe6\xe7\0" + apdu)


@pytest.mark.parametrize("ours", range(8))
@pytest.mark.parametrize("theirs", range(8))
def test_frames_are_those_of_the_plain_core_in_every_turn(ours: int, theirs: int) -> None:
    line = hdlc()
    line.link.window.oldest, line.link.expected = ours, theirs
    plan = line.plan(REQUESTS, BEGINNINGS, 2)
    assert plan is not None
    control = information_control(ours, theirs, poll=True)
    for invoke in range(INVOKE_IDS):
        whole = pack_frame(b"\3\x21", control, b"\xe6\xe6\0" + REQUESTS[invoke])
        assert line.ask(plan, invoke) == line.carry(plan, REQUESTS[invoke]) == whole
        assert len(whole) == plan.sent
        usual = answer(theirs, (ours + 1) % 8, BEGINNINGS[invoke] + b"\x7e\7")
        assert line.is_usual(plan, invoke, usual)
        assert line.carried(plan, usual) == BEGINNINGS[invoke] + b"\x7e\7"
        assert usual[plan.values : plan.values + 2] == b"\x7e\7"


def test_what_differs_in_any_octet_is_not_usual() -> None:
    line = hdlc()
    plan = line.plan(REQUESTS, BEGINNINGS, 2)
    assert plan is not None
    usual = answer(0, 1, BEGINNINGS[1] + b"\0\7")
    for place in range(len(usual)):
        for bit in range(8):
            other = bytearray(usual)
            other[place] ^= 1 << bit
            assert not line.is_usual(plan, 1, bytes(other))
    others = [usual[:-1], usual + b"~", b"~" + usual, b"", answer(0, 1, BEGINNINGS[2] + b"\0\7")]
    others += [answer(0, 1, BEGINNINGS[1] + b"\0\7", client=17), answer(1, 1, BEGINNINGS[1] + b"\0\7")]
    assert not any(line.is_usual(plan, 1, other) for other in others)


def test_a_turn_counts_and_numbers() -> None:
    line = hdlc()
    plan = line.plan(REQUESTS, BEGINNINGS, 2)
    assert plan is not None
    for _ in range(9):
        line.pass_turn(plan)
    assert (line.link.expected, line.link.window.oldest) == (1, 1)
    counters = line._counters
    assert (counters.frames_sent, counters.frames_received, counters.round_trips) == (9, 9, 9)
    assert (counters.octets_sent, counters.octets_received) == (9 * plan.sent, 9 * plan.octets)


def test_what_does_not_fit_one_frame_has_no_plan() -> None:
    line = hdlc()
    assert line.plan([bytes(125)], [b""], 3)
    assert line.plan([bytes(126)], [b""], 3) is None
    assert line.plan([b""], [b"1"], 125) is None


def test_messages_are_those_of_the_plain_core() -> None:
    line = WrapperLine(WrapperLink(16, 1, counters := Counters()), counters)
    plan = line.plan(REQUESTS, BEGINNINGS, 2)
    for invoke in range(INVOKE_IDS):
        whole = Wpdu(16, 1, REQUESTS[invoke]).to_bytes()
        assert line.ask(plan, invoke) == line.carry(plan, REQUESTS[invoke]) == whole
        usual = Wpdu(1, 16, BEGINNINGS[invoke] + b"\1\7").to_bytes()
        assert line.is_usual(plan, invoke, usual)
        assert line.carried(plan, usual) == BEGINNINGS[invoke] + b"\1\7"
        assert usual[plan.values :] == b"\1\7"
        foreign = Wpdu(2, 16, BEGINNINGS[invoke] + b"\1\7").to_bytes()
        assert not any(line.is_usual(plan, invoke, other) for other in (usual[:-1], usual + b"\0", foreign))
    line.pass_turn(plan)
    assert (counters.frames_sent, counters.frames_received, counters.round_trips) == (1, 1, 1)
    assert (counters.octets_sent, counters.octets_received) == (plan.sent, plan.octets)
