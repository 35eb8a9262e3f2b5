"""The body of a diagnostic: there and back, bounded, refused by field."""

from dataclasses import replace

import pytest

from common.diagnostic import MAX_FRAMES, MAX_MESSAGE, MAX_OCTETS, BadDiagnostic, Diagnostic, LineFrame
from common.envelope import Envelope, Kind, decode, encode

EVENT = Diagnostic(5, "warning", "hdlc", "bad_frame", "wrong check sequence", (LineFrame("sent", 3, b"\x7e"),), 2)


def test_it_survives_the_bus() -> None:
    octets = encode(Envelope(Kind.DIAGNOSTIC, body=EVENT.to_body()))
    assert Diagnostic.from_body(decode(octets).body) == EVENT


def test_what_is_too_long_is_cut_before_it_leaves() -> None:
    frames = tuple(LineFrame("received", number, bytes(MAX_OCTETS + 1)) for number in range(MAX_FRAMES + 1))
    long = replace(EVENT, message="m" * (MAX_MESSAGE + 1), frames=frames)
    found = Diagnostic.from_body(long.to_body())
    assert (len(found.message), len(found.frames), found.frames[0].before_ms) == (MAX_MESSAGE, MAX_FRAMES, 1)
    assert all(len(item.octets) == MAX_OCTETS for item in found.frames)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("severity", "loud"),
        ("message", "m" * (MAX_MESSAGE + 1)),
        ("kind", 7),
        ("at_ms", -1),
        ("suppressed", True),
        ("frames", [["sideways", 1, b""]]),
        ("frames", [["sent", 1, bytes(MAX_OCTETS + 1)]]),
        ("frames", [["sent", 1, b""]] * (MAX_FRAMES + 1)),
        ("frames", None),
    ],
)
def test_a_field_out_of_bounds_is_named(name: str, value: object) -> None:
    with pytest.raises(BadDiagnostic, match=name):
        Diagnostic.from_body({**EVENT.to_body(), name: value})


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(BadDiagnostic):
        Diagnostic.from_body([1])
