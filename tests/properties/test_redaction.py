"""Redaction of any octets: lengths and what needs no hiding stay, no password does."""

import json
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from common.redaction import ATTRIBUTES, METHODS
from poller.capture import IN, OUT, Capture, Header, Piece
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame
from poller.redaction import redact

KNOWN: Final = [
    bytes.fromhex(vector.get("hex") or vector["frame"])
    for name in ("dlms_public.json", "microstar_hdlc.json")
    for vector in json.loads((Path(__file__).parents[1] / "vectors" / name).read_text("utf-8"))["vectors"]
]
AARQ: Final = bytes.fromhex(
    "e6e6006036a1090607608574050801018a0207808b0760857405080201ac0a8008"
    "3232323232323232be10040e01000000065f1f0400007e1f04b0"
)
pieces = st.lists(st.tuples(st.sampled_from([OUT, IN]), st.one_of(st.sampled_from(KNOWN), st.binary(max_size=60))))


def captured(transport: str, parts: list[tuple[str, bytes]]) -> Capture:
    return Capture(Header(transport, 1, 1), tuple(Piece(at, *part) for at, part in enumerate(parts)))


@given(st.sampled_from(["hdlc", "wrapper"]), pieces, st.booleans())
def test_pieces_keep_their_places_and_lengths(transport: str, parts: list[tuple[str, bytes]], serials: bool) -> None:
    capture = captured(transport, parts)
    redacted = redact(capture, serials=serials)
    assert [(p.ms, p.way, len(p.octets)) for p in redacted.pieces] == [
        (p.ms, p.way, len(p.octets)) for p in capture.pieces
    ]
    assert redact(redacted, serials=serials) == redacted


@given(st.binary(max_size=40).filter(lambda noise: b"~" not in noise), st.integers(4, 60), st.integers(1, 200))
def test_no_password_is_left_however_the_line_is_cut(noise: bytes, segment: int, chunk: int) -> None:
    infos = [AARQ[at : at + segment] for at in range(0, len(AARQ), segment)]
    frames = [
        Frame(Address(1), Address(1), number % 8 << 1, info, number < len(infos) - 1).to_bytes()
        for number, info in enumerate(infos)
    ]
    line = noise + b"".join(frames)
    cut = [(OUT, line[at : at + chunk]) for at in range(0, len(line), chunk)]
    redacted = redact(captured("hdlc", cut))
    assert b"22" not in b"".join(piece.octets for piece in redacted.pieces)[len(noise) :]


def _wrapped(apdu: bytes) -> bytes:
    return bytes.fromhex("000100010001") + len(apdu).to_bytes(2, "big") + apdu


@given(
    st.sampled_from([
        *(("set", class_id, member) for class_id, members in ATTRIBUTES.items() for member in members),
        *(("action", class_id, member) for class_id, members in METHODS.items() for member in members),
        *(("get", class_id, member) for class_id, members in ATTRIBUTES.items() for member in members),
    ]),
    st.binary(min_size=6, max_size=100),
    st.booleans(),
)
def test_what_the_table_calls_a_secret_of_a_meter_is_in_no_capture(
    asked: tuple[str, int, int], secret: bytes, nested: bool
) -> None:
    service, class_id, member = asked
    target = class_id.to_bytes(2, "big") + bytes.fromhex("0000190400ff") + bytes((member,))
    data = b"\x09" + bytes((len(secret),)) + secret
    value = b"\x02\x02\x16\x01" + data if nested else data
    if service == "set":
        parts = [(OUT, bytes.fromhex("c101c1") + target + b"\x00" + value)]
    elif service == "action":
        parts = [(OUT, bytes.fromhex("c301c1") + target + b"\x01" + value)]
    else:
        parts = [(OUT, bytes.fromhex("c001c1") + target + b"\x00"), (IN, bytes.fromhex("c401c100") + value)]
    redacted = redact(captured("wrapper", [(way, _wrapped(apdu)) for way, apdu in parts]))
    assert b"*" * len(secret) in b"".join(piece.octets for piece in redacted.pieces)
    assert secret == b"*" * len(secret) or secret not in b"".join(piece.octets for piece in redacted.pieces)
