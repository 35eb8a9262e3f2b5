"""One file of a journal: a header, then records; how they are written, and found again in a file that was damaged.

    header: magic[8] uid[16] epoch[8] boot[8] first seq[8] CRC-32C[4]
    record: mark[2] length[4] seq[8] CRC-32C[4] body[length]

Numbers are big-endian. A record's checksum covers uid, epoch, length, seq and body: a record proves by itself where it
belongs. In: octets of a file, whatever they are. Out: the sound records, and whether anything else was there. No I/O.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from common.checksum import crc32c
from common.envelope import BOOT_SIZE, MAX_ENVELOPE, BadEnvelope, Envelope, UnknownKind, UnknownVersion, decode

MAGIC: Final = b"DLMSJRN\x01"
MARK: Final = b"\xd1\x5a"
UNKNOWN_BOOT: Final = bytes(BOOT_SIZE)
_HEADER: Final = struct.Struct(">8s16s8s8sQ")
_CHECK: Final = struct.Struct(">I")
_RECORD: Final = struct.Struct(">2sIQI")
_NUMBERS: Final = struct.Struct(">IQ")
HEADER_SIZE: Final = _HEADER.size + _CHECK.size
RECORD_OVERHEAD: Final = _RECORD.size


@dataclass(frozen=True, slots=True)
class Header:
    """Whose records follow. ``boot`` is UNKNOWN_BOOT where the header was lost."""

    uid: bytes
    epoch: bytes
    boot: bytes
    first: int


@dataclass(frozen=True, slots=True)
class Found:
    """A sound record: its number, and where its body lies in the file."""

    seq: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: None for the header when it is not a segment of ours at all.

    ``lost_tail``: how many records, as far as can be told, were behind the last sound one.
    """

    header: Header | None
    records: tuple[Found, ...] = ()
    damaged: bool = False
    lost_tail: int = 0


def encode_header(header: Header) -> bytes:
    """Return the octets a segment begins with."""
    octets = _HEADER.pack(MAGIC, header.uid, header.epoch, header.boot, header.first)
    return octets + _CHECK.pack(crc32c(octets))


def encode_record(header: Header, seq: int, body: bytes) -> bytes:
    """Return the octets of one record."""
    check = _checksum(crc32c(header.uid + header.epoch), seq, body)
    return _RECORD.pack(MARK, len(body), seq, check) + body


def read_segment(octets: bytes, uid: bytes) -> Contents:
    """Return what a file holds for ``uid``; records whose numbers do not rise are damage."""
    header, position = _header(octets, uid), HEADER_SIZE
    if header is None:
        header, position = _header_from_record(octets, uid), 0
    if header is None:
        return Contents(None, damaged=True)
    seed, expected, records, sound_end = crc32c(uid + header.epoch), header.first, [], position
    for found in _records(octets, position, seed):
        if found.seq >= expected:
            records.append(found)
            expected, sound_end = found.seq + 1, found.end
    payload = sum(found.end - found.begin + RECORD_OVERHEAD for found in records)
    whole = position == HEADER_SIZE and HEADER_SIZE + payload == len(octets)
    damaged = not whole or (bool(records) and (expected - header.first) != len(records))
    return Contents(header, tuple(records), damaged, _lost_tail(octets, sound_end, expected - 1))


def _lost_tail(octets: bytes, position: int, last: int) -> int:
    """Return the number of records that the damage at the end has taken: by the numbers it still shows, else one."""
    remaining = len(octets) - position
    if not remaining:
        return 0
    highest, most = last + 1, last + 1 + remaining // RECORD_OVERHEAD
    position = octets.find(MARK, position)
    while 0 <= position <= len(octets) - RECORD_OVERHEAD:
        seq = _RECORD.unpack_from(octets, position)[2]
        highest = seq if highest < seq <= most else highest
        position = octets.find(MARK, position + 1)
    return highest - last


def _checksum(seed: int, seq: int, body: bytes) -> int:
    return crc32c(body, crc32c(_NUMBERS.pack(len(body), seq), seed))


def _header(octets: bytes, uid: bytes) -> Header | None:
    if len(octets) < HEADER_SIZE or crc32c(octets[: _HEADER.size]) != _CHECK.unpack_from(octets, _HEADER.size)[0]:
        return None
    magic, owner, epoch, boot, first = _HEADER.unpack_from(octets)
    return Header(owner, epoch, boot, first) if magic == MAGIC and owner == uid else None


def _header_from_record(octets: bytes, uid: bytes) -> Header | None:
    """Return a header made from the first record whose envelope names this meter and whose checksum agrees."""
    position = octets.find(MARK)
    while position >= 0:
        envelope = _envelope_at(octets, position)
        if envelope is not None and envelope.uid == uid and _at(octets, position, crc32c(uid + envelope.epoch)):
            return Header(uid, envelope.epoch, UNKNOWN_BOOT, envelope.seq)
        position = octets.find(MARK, position + 1)
    return None


def _envelope_at(octets: bytes, position: int) -> Envelope | None:
    if position + RECORD_OVERHEAD > len(octets):
        return None
    begin = position + RECORD_OVERHEAD
    length: int = _RECORD.unpack_from(octets, position)[1]
    try:
        return decode(octets[begin : begin + length]) if length <= MAX_ENVELOPE else None
    except (BadEnvelope, UnknownKind, UnknownVersion):
        return None


def _records(octets: bytes, position: int, seed: int) -> Iterator[Found]:
    """Yield every sound record; after damage go on at the next mark that begins one."""
    while position >= 0:
        found = _at(octets, position, seed)
        if found is None:
            position = octets.find(MARK, position + 1)
        else:
            yield found
            position = found.end


def _at(octets: bytes, position: int, seed: int) -> Found | None:
    """Return the sound record that begins at ``position``, if there is one."""
    begin = position + RECORD_OVERHEAD
    if begin > len(octets):
        return None
    mark, length, seq, check = _RECORD.unpack_from(octets, position)
    if mark != MARK or begin + length > len(octets):
        return None
    if _checksum(seed, seq, octets[begin : begin + length]) != check:
        return None
    return Found(seq, begin, begin + length)
