"""A trace shows what is whole, without secrets, in the order it passed."""

import io

import pytest

from poller.capture import IN, OUT
from poller.cli.trace import MAX_HELD, Trace
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame
from poller.dlms.wrapper import Wpdu
from tests.support.still_clock import StepClock

AARQ = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083232323232323232be10040e01000000065f1f0400007e1f04b0"
)
COMMAND = b"\xe6\xe6\x00"
PASSWORD, STARS = b"22222222".hex(), b"********".hex()


def frame(info: bytes, control: int = 0x10, *, segmented: bool = False) -> bytes:
    return Frame(Address(1), Address(1), control, info, segmented).to_bytes()


def traced(transport: str = "hdlc") -> tuple[Trace, io.StringIO, StepClock]:
    stream, clock = io.StringIO(), StepClock()
    return Trace(stream, transport, clock), stream, clock


def test_octets_are_shown_with_their_time_and_direction() -> None:
    trace, stream, clock = traced()
    trace.tap(OUT, frame(b"", 0x93))
    clock.now += 1.5
    trace.tap(IN, frame(b"", 0x73))
    trace.close()
    assert stream.getvalue().splitlines() == [
        f"     0.000 >  {frame(b'', 0x93).hex()}",
        f"     1.500 <  {frame(b'', 0x73).hex()}",
    ]


@pytest.mark.parametrize("transport", ["hdlc", "wrapper"])
def test_a_password_is_not_shown_however_it_is_cut(transport: str) -> None:
    octets = frame(COMMAND + AARQ) if transport == "hdlc" else Wpdu(1, 1, AARQ).to_bytes()
    for cut in range(1, len(octets)):
        trace, stream, _ = traced(transport)
        trace.tap(OUT, octets[:cut])
        trace.tap(OUT, octets[cut:])
        trace.close()
        shown = "".join(line.split()[2] for line in stream.getvalue().splitlines())
        assert len(shown) == 2 * len(octets)
        assert PASSWORD not in shown
        assert STARS in shown


def test_a_closing_flag_that_opens_the_next_frame_hides_nothing_of_it() -> None:
    trace, stream, _ = traced()
    trace.tap(OUT, frame(b"", 0x93))
    trace.tap(OUT, frame(COMMAND + AARQ)[1:])
    assert PASSWORD not in stream.getvalue()
    assert STARS in stream.getvalue()


def test_a_password_in_two_segments_is_not_shown() -> None:
    at = (COMMAND + AARQ).index(b"22222222") + 3
    trace, stream, _ = traced()
    trace.tap(OUT, frame((COMMAND + AARQ)[:at], segmented=True))
    assert stream.getvalue() == ""
    trace.tap(IN, frame(b"", 0x31))
    assert stream.getvalue() == ""
    trace.tap(OUT, frame((COMMAND + AARQ)[at:], 0x12))
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == [">", "<", ">"]
    assert b"222".hex() not in stream.getvalue()


def test_an_answer_to_a_challenge_is_known_from_what_was_asked() -> None:
    proof = b"\x09\x10" + b"d" * 16
    trace, stream, _ = traced()
    trace.tap(OUT, frame(COMMAND + bytes.fromhex("c301c1000f0000280000ff0101") + proof))
    trace.tap(IN, frame(b"\xe6\xe7\x00" + bytes.fromhex("c701c1000100") + proof))
    assert (b"d" * 16).hex() not in stream.getvalue()
    assert stream.getvalue().count((b"*" * 16).hex()) == 2


@pytest.mark.parametrize("transport", ["hdlc", "wrapper"])
def test_what_never_becomes_whole_is_counted(transport: str) -> None:
    octets = frame(COMMAND + AARQ)[:-5] if transport == "hdlc" else Wpdu(1, 1, AARQ).to_bytes()[:-5]
    trace, stream, _ = traced(transport)
    trace.tap(OUT, octets)
    trace.close()
    assert stream.getvalue() == f"{'':10} ?  {len(octets)} octets that belong to no whole APDU are not shown\n"


def test_a_stream_out_of_step_is_not_shown_any_more() -> None:
    trace, stream, _ = traced("wrapper")
    trace.tap(IN, bytes(8))
    trace.tap(OUT, Wpdu(1, 1, AARQ).to_bytes())
    trace.close()
    assert stream.getvalue().endswith(" octets that belong to no whole APDU are not shown\n")
    assert "3" * 2 not in stream.getvalue()


def test_what_is_held_back_is_bounded() -> None:
    trace, stream, _ = traced()
    part = frame(bytes(1000), segmented=True)
    for _ in range(MAX_HELD // len(part) + 2):
        trace.tap(IN, part)
    trace.tap(IN, frame(b"\0", 0x10))
    assert " octets more are not shown" in stream.getvalue()
    assert len(stream.getvalue()) < 3 * MAX_HELD
