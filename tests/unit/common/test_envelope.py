"""The envelope: what comes out is what went in, and what is not an envelope is refused by name."""

import msgpack
import pytest

from common.envelope import (
    MAX_ENVELOPE,
    VERSION,
    BadEnvelope,
    Envelope,
    Kind,
    UnknownKind,
    UnknownVersion,
    decode,
    encode,
)

UID, EPOCH, BOOT = bytes(range(16)), b"epoch-08", b"boot-008"
GOOD = [VERSION, 1, UID, EPOCH, 7, 1_700_000_000_000, 123, BOOT, [1, "a"]]


def packed(**changes: object) -> bytes:
    """Return a good envelope but for some fields, given by ``f<place>``."""
    fields: list[object] = list(GOOD)
    for place, value in changes.items():
        fields[int(place[1:])] = value
    octets: bytes = msgpack.packb(fields)
    return octets


def test_an_envelope_comes_out_as_it_went_in() -> None:
    envelope = Envelope(Kind.READING, UID, EPOCH, 7, 1_700_000_000_000, 123, BOOT, [1, "a"])
    assert encode(envelope) == packed()
    assert decode(packed()) == envelope


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_known(kind: Kind) -> None:
    assert decode(encode(Envelope(kind))).kind is kind


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (b"\x93\x01", "not msgpack"),
        (b"\x90", "begins with its version"),
        (b"\x05", "begins with its version"),
        (b"\x80", "begins with its version"),
        (msgpack.packb([1, 2]), "9 fields, not 2"),
        (msgpack.packb([*GOOD, 1]), "9 fields, not 10"),
        (packed(f2=b"short"), "uid: 16 octets"),
        (packed(f2="x" * 16), "uid: 16 octets"),
        (packed(f3=None), "epoch: 8 octets"),
        (packed(f4=-1), "seq: a whole number"),
        (packed(f4=True), "seq: a whole number"),
        (packed(f4=2**63), "seq: a whole number"),
        (packed(f4=1.5), "seq: a whole number"),
        (packed(f5="now"), "ts_ms: a whole number"),
        (packed(f6=None), "boot_ms: a whole number"),
        (packed(f7=b""), "boot: 8 octets"),
        (bytes(MAX_ENVELOPE + 1), "more than an envelope may have"),
        (b"\xdd\xff\xff\xff\xff", "not msgpack"),
        (b"\x91" * 5000, "not msgpack"),
        (b"\x99\x01" + b"\x81\x80\x01" * 8, "not msgpack"),
    ],
)
def test_what_is_no_envelope_is_refused_by_name(octets: bytes, words: str) -> None:
    with pytest.raises(BadEnvelope, match=words):
        decode(octets)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_an_unknown_version_is_told_apart(version: object) -> None:
    with pytest.raises(UnknownVersion, match="is not known"):
        decode(packed(f0=version))


@pytest.mark.parametrize("kind", [0, 99, "1", None, [1]])
def test_an_unknown_kind_is_told_apart(kind: object) -> None:
    with pytest.raises(UnknownKind, match="is not known"):
        decode(packed(f1=kind))
