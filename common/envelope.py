"""What travels on the bus and lies in the journal: a versioned msgpack array, and back.

    [version, kind, uid, epoch, seq, ts_ms, boot_ms, boot, body]

uid: 16 octets that name a meter for ever. epoch: 8 octets, one life of a journal. seq: 1 upwards without holes, 0 where
it means nothing. ts_ms: UTC, milliseconds. boot_ms and boot: CLOCK_BOOTTIME and the first 8 octets of the kernel's boot
id, so that an age can be told without wall time. body: plain msgpack data whose form belongs to the kind.
Unknown versions and kinds are errors of their own: a receiver counts them and goes on.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, cast

import msgpack

from common.errors import Skip

VERSION: Final = 1
MAX_ENVELOPE: Final = 1 << 20  # octets; a reading of 256 quantities has some 20 kB
UID_SIZE: Final = 16
EPOCH_SIZE: Final = 8
BOOT_SIZE: Final = 8
NO_UID: Final = bytes(UID_SIZE)
NO_EPOCH: Final = bytes(EPOCH_SIZE)
_FIELDS: Final = 9


class BadEnvelope(Skip):
    """Octets from the bus or the journal that are not an envelope; names the field at fault."""


class UnknownVersion(Skip):
    """An envelope of a version that this program does not know."""


class UnknownKind(Skip):
    """An envelope of a kind that this program does not know."""


class Kind(IntEnum):
    """Kinds of envelope; who sends it to whom."""

    READING = 1  # worker → publisher
    HEARTBEAT = 2  # worker → publisher, supervisor
    ACK = 3  # publisher → worker: everything of epoch up to seq is in the outbox
    REPLAY = 4  # publisher → worker: send epoch again from seq
    GONE = 5  # worker → publisher: [from, to, reason] of epoch no longer exist
    HELLO = 6  # publisher → worker: a new publisher speaks, body is its instance
    COMMAND = 7  # supervisor → worker, publisher
    RESULT = 8  # worker, publisher → supervisor
    PUBLISHER_HEARTBEAT = 9  # publisher → supervisor
    DIAGNOSTIC = 10  # worker → supervisor: what went wrong on the line, with its frames
    NOTE = 11  # supervisor → publisher: [topic, payload, retained], to be said at the broker as soon as it can be


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message; see the module's text for the fields."""

    kind: Kind
    uid: bytes = NO_UID
    epoch: bytes = NO_EPOCH
    seq: int = 0
    ts_ms: int = 0
    boot_ms: int = 0
    boot: bytes = bytes(BOOT_SIZE)
    body: object = None


def encode(envelope: Envelope) -> bytes:
    """Return the octets of an envelope."""
    fields = (
        VERSION,
        int(envelope.kind),
        envelope.uid,
        envelope.epoch,
        envelope.seq,
        envelope.ts_ms,
        envelope.boot_ms,
        envelope.boot,
        envelope.body,
    )
    return cast("bytes", msgpack.packb(fields))


def decode(octets: bytes) -> Envelope:
    """Return the envelope that octets hold; raise BadEnvelope, UnknownVersion or UnknownKind."""
    fields = _unpack(octets)
    if not isinstance(fields, list) or not fields:
        raise BadEnvelope("an envelope is a msgpack array that begins with its version")
    if fields[0] != VERSION:
        raise UnknownVersion(f"version {str(fields[0])[:20]} of the envelope is not known, {VERSION} is")
    if len(fields) != _FIELDS:
        raise BadEnvelope(f"an envelope has {_FIELDS} fields, not {len(fields)}")
    _, kind, uid, epoch, seq, ts_ms, boot_ms, boot, body = fields
    if kind not in Kind.__members__.values():
        raise UnknownKind(f"kind {str(kind)[:20]} of the envelope is not known")
    return Envelope(
        Kind(kind),
        _octets(uid, UID_SIZE, "uid"),
        _octets(epoch, EPOCH_SIZE, "epoch"),
        _count(seq, "seq"),
        _count(ts_ms, "ts_ms"),
        _count(boot_ms, "boot_ms"),
        _octets(boot, BOOT_SIZE, "boot"),
        body,
    )


def _unpack(octets: bytes) -> object:
    if len(octets) > MAX_ENVELOPE:
        raise BadEnvelope(f"{len(octets)} octets are more than an envelope may have ({MAX_ENVELOPE})")
    try:
        return cast("object", msgpack.unpackb(octets, strict_map_key=False))
    except (ValueError, msgpack.exceptions.UnpackException, TypeError) as error:
        raise BadEnvelope(f"not msgpack: {error or type(error).__name__}") from None


def _octets(value: object, size: int, name: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise BadEnvelope(f"{name}: {size} octets were expected")
    return value


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise BadEnvelope(f"{name}: a whole number from 0 to 2^63 - 1 was expected")
    return value
