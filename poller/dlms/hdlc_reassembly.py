"""Segments of one direction to payloads, without the LLC header (IEC 62056-46, 5 and 6.4.4.4.3.3).

Goes in: information fields in order. Comes out: the payload that they are. Numbers and recovery belong to the link.
"""

from typing import Final

from poller.dlms.errors import BadFrame

MAX_PAYLOAD: Final = 0x1_0000 + 64
"""The longest payload: an APDU of 65 535 octets, its LLC header, and some tolerance."""
_LLC_RESPONSE: Final = b"\xe6\xe7\x00"


class Reassembly:
    """The segments of a payload that is not complete yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def begun(self) -> bool:
        """Whether segments wait for the others."""
        return bool(self._parts)

    def clear(self) -> None:
        """Forget what has come."""
        self._parts.clear()
        self._size = 0

    def add(self, info: bytes) -> None:
        """Take a segment; raise BadFrame when the payload gets too long."""
        self._parts.append(info)
        self._size += len(info)
        if self._size > MAX_PAYLOAD:
            raise BadFrame(f"a payload of more than {MAX_PAYLOAD} octets")

    def payload(self) -> bytes:
        """Return what the segments are, and begin anew; raise BadFrame when it has no LLC header."""
        payload = b"".join(self._parts)
        self.clear()
        if not begins_payload(payload):
            raise BadFrame(f"an LLC header e6e700 expected, not {payload[:3].hex()}")
        return payload[len(_LLC_RESPONSE) :]


def begins_payload(info: bytes) -> bool:
    """Say whether octets begin with the LLC header of a response."""
    return info.startswith(_LLC_RESPONSE)
