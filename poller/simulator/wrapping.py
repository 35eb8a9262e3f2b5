"""The WRAPPER of DLMS over TCP (IEC 62056-47): eight octets before each APDU.

A stream in, (source port, destination port, APDU) out; an APDU in, octets out. A header that is none raises
BadRequest: the stream cannot be followed any more. No addresses are judged here.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from poller.simulator.acse import BadRequest

_HEADER: Final = struct.Struct(">HHHH")
_VERSION: Final = 1
MAX_APDU: Final = 16_384
"""Longest request taken: far beyond any PDU size a personality grants."""


class Wrapped(NamedTuple):
    """One APDU and between which ports it goes."""

    source: int
    destination: int
    apdu: bytes


@dataclass(slots=True)
class Unwrapper:
    """Cuts a stream into APDUs."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, octets: bytes) -> list[Wrapped]:
        """Return the APDUs that these octets complete; raise BadRequest on a wrong header."""
        self._buffer += octets
        found = []
        while len(self._buffer) >= _HEADER.size:
            version, source, destination, size = _HEADER.unpack_from(self._buffer)
            if version != _VERSION or size > MAX_APDU:
                raise BadRequest(f"WRAPPER header with version {version} and length {size}")
            end = _HEADER.size + size
            if len(self._buffer) < end:
                break
            found.append(Wrapped(source, destination, bytes(self._buffer[_HEADER.size : end])))
            del self._buffer[:end]
        return found


def wrap(source: int, destination: int, apdu: bytes) -> bytes:
    """Return header and APDU."""
    return _HEADER.pack(_VERSION, source, destination, len(apdu)) + apdu
