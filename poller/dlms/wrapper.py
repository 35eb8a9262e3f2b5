"""The WRAPPER transport over TCP (IEC 62056-47): APDUs behind a header of version, source, destination and length.

Goes in: APDUs to send, octets of a stream. Comes out: octets to send, APDUs for our wPort. A stream that loses step
cannot find it again (there is no flag and no checksum): LinkDamaged.
"""

from dataclasses import dataclass
from typing import Final

from poller.dlms.errors import BadParameter, LinkDamaged
from poller.dlms.exchange import Counters, Exchange, swap

VERSION: Final = 1
HEADER: Final = 8
MAX_PORT: Final = 0xFFFF
MAX_APDU: Final = 0xFFFF
"""What the length field can name."""
MAX_FOREIGN: Final = 32
"""Messages for other wPorts that one exchange may bring."""


@dataclass(frozen=True, slots=True)
class Wpdu:
    """One message: header fields and the APDU."""

    source: int
    destination: int
    apdu: bytes

    def to_bytes(self) -> bytes:
        """Return header and APDU; raise BadParameter when the APDU is too long."""
        if len(self.apdu) > MAX_APDU:
            raise BadParameter(f"an APDU of {len(self.apdu)} octets does not fit a WRAPPER message")
        numbers = (VERSION, self.source, self.destination, len(self.apdu))
        return b"".join(number.to_bytes(2, "big") for number in numbers) + self.apdu


class WrapperDecoder:
    """Finds the messages of one stream; keeps at most one incomplete message."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether the stream ends in the middle of a message."""
        return bool(self._buffer)

    def feed(self, octets: bytes) -> list[Wpdu]:
        """Take what arrived; return the messages that are complete now; raise LinkDamaged on a wrong version."""
        buffer = self._buffer
        buffer += octets
        messages: list[Wpdu] = []
        at = 0
        while len(buffer) - at >= HEADER:
            version, source, destination, length = (int.from_bytes(buffer[i : i + 2]) for i in range(at, at + 8, 2))
            if version != VERSION:
                raise LinkDamaged(f"a WRAPPER message of version {version}: the stream is out of step")
            if len(buffer) - at < HEADER + length:
                break
            messages.append(Wpdu(source, destination, bytes(buffer[at + HEADER : at + HEADER + length])))
            at += HEADER + length
        del buffer[:at]
        return messages


class WrapperLink:
    """Exchanges APDUs between our wPort and the meter's."""

    def __init__(self, client: int, server: int, counters: Counters) -> None:
        self._client, self._server = client, server
        self._counters = counters
        self._decoder = WrapperDecoder()
        self._inbox: list[Wpdu] = []
        self.rested = False
        """Whether ``at_rest`` was found true, and nothing was begun since."""

    @property
    def mid_frame(self) -> bool:
        """Whether octets of an incomplete message have come."""
        return self._decoder.waiting

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits to be looked at, and the next octet begins a message."""
        return not (self._inbox or self._decoder.waiting)

    @property
    def ports(self) -> tuple[int, int]:
        """Our wPort and the meter's."""
        return self._client, self._server

    def connect(self) -> Exchange[None]:
        """Begin on a fresh stream; nothing is exchanged."""
        self.rested = False
        self._decoder = WrapperDecoder()
        self._inbox.clear()
        yield from ()

    def request(self, *apdus: bytes) -> Exchange[bytes]:
        """Send an APDU, or several in a row that are answered together; return the next one that comes."""
        self._counters.frames_sent += len(apdus)
        out = b"".join(Wpdu(self._client, self._server, apdu).to_bytes() for apdu in apdus)
        return (yield from self._next(out))

    def more(self) -> Exchange[bytes]:
        """Return the next APDU without sending anything."""
        return (yield from self._next(b""))

    def at_once(self, _octets: int) -> int:
        """Return how many APDUs of a size can be sent in a row: the stream takes any number."""
        return MAX_APDU

    def disconnect(self) -> Exchange[None]:
        """End the link; nothing is exchanged."""
        yield from ()

    def _next(self, out: bytes) -> Exchange[bytes]:
        foreign = 0
        self.rested = False
        while True:
            while self._inbox and not out:
                message = self._inbox.pop(0)
                if (message.source, message.destination) == (self._server, self._client):
                    return message.apdu
                foreign += 1
                self._counters.foreign_frames += 1
            if foreign > MAX_FOREIGN:
                raise LinkDamaged(f"more than {MAX_FOREIGN} messages for other wPorts")
            received = self._decoder.feed((yield from swap(self._counters, out)))
            self._counters.frames_received += len(received)
            self._inbox += received
            out = b""
