"""Whatever passes, in whatever parts, and wherever the ring begins: no part of a secret is shown."""

from collections import deque
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from common.diagnostic import MAX_FRAMES, MAX_OCTETS
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame
from poller.dlms.wrapper import Wpdu
from poller.passed import OUT, UNKNOWN, Passed, Secrecy, tag_of
from poller.withholding import presentable

PASSWORD: Final = b"tr0ub4dour"
AARQ: Final = (
    bytes.fromhex("6038a1090607608574050801018a0207808b0760857405080201ac0c800a")
    + PASSWORD
    + bytes.fromhex("be10040e01000000065f1f0400007e1f04b0")
)
GET: Final = bytes.fromhex("c001c100010000600100ff0200")
SET: Final = bytes.fromhex("c101c1000f0000280000ff0700090a") + PASSWORD
CHANGE: Final = bytes.fromhex("c301c1000f0000280000ff020100090a") + PASSWORD
BLOCK: Final = b"\xe0\x80\x00\x01\x00\x00\x19" + SET
ANSWER: Final = bytes.fromhex("c401c1000906313233343536")
PART: Final = 4  # octets of the password that may not be shown in a row

APDUS: Final = st.sampled_from([AARQ, GET, SET, CHANGE, BLOCK])
STEPS: Final = st.lists(
    st.tuples(APDUS, st.integers(8, 80), st.binary(max_size=30), st.integers(0, 40), st.booleans()), max_size=12
)


def pieces_of(apdu: bytes, segment: int, *, hdlc: bool) -> list[bytes]:
    """Return what is sent of a request: a message, or frames that each wait for their RR."""
    if not hdlc:
        return [Wpdu(1, 1, apdu).to_bytes()]
    line = b"\xe6\xe6\x00" + apdu
    parts = [line[at : at + segment] for at in range(0, len(line), segment)]
    return [
        Frame(Address(1), Address(16), 0x10, part, number < len(parts) - 1).to_bytes()
        for number, part in enumerate(parts)
    ]


@given(STEPS, st.booleans(), st.integers(20, MAX_OCTETS))
def test_no_part_of_a_password_is_shown(
    steps: list[tuple[bytes, int, bytes, int, bool]], hdlc: bool, longest: int
) -> None:
    ring: deque[Passed] = deque(maxlen=MAX_FRAMES)
    request = UNKNOWN
    for apdu, segment, noise, echoed, damaged in steps:
        associated = apdu != AARQ
        sent = pieces_of(apdu, segment, hdlc=hdlc)
        for octets in sent:
            tag = tag_of(octets, hdlc=hdlc)
            request = tag if tag != UNKNOWN else request
            ring.append(Passed(0.0, OUT, octets[:longest], associated, request, len(octets) > longest))
        # A line that echoes gives back what was sent, damaged or in part; then comes an answer, or noise.
        echo = sent[-1][echoed // 2 :] if echoed else b""
        answer = b"" if damaged else pieces_of(ANSWER, 80, hdlc=hdlc)[0]
        for octets in (echo, noise + answer):
            if octets:
                ring.append(Passed(0.0, "in", octets[:longest], associated, request, len(octets) > longest))
    shown = presentable(list(ring), Secrecy(hdlc=hdlc, secrets=(PASSWORD,)))
    assert [len(octets) in {0, len(piece.octets)} for octets, piece in zip(shown, ring, strict=True)] == [True] * len(
        ring
    )
    for octets in shown:
        assert not any(PASSWORD[at : at + PART] in octets for at in range(len(PASSWORD) - PART + 1))
