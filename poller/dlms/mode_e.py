"""The sign-on of protocol mode E: from 300 baud and text to HDLC (IEC 62056-21, 6.3.1 to 6.3.3, 6.4.5 and annex E).

Goes in: a device address, received octets, ReplyTimeout. Comes out: octets to send, changes of the line's speed,
pauses, and at the end what the meter said of itself. Then the line speaks HDLC (IEC 62056-46). No serial port, no
clock: the driver owns both, and may leave out the speeds where a converter keeps its own.

    we      /?address!                  initial speed, 7 data bits, even parity
    meter   /XXXZ\\2identification      Z: the speed it offers; \\2: it can do HDLC
    we      ACK 2 Z 2                   then both change to speed Z
    meter   ACK 2 Z 2                   at the new speed, still 7 bits; then both change to 8 bits without parity
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from poller.dlms.errors import BadParameter, ReplyTimeout, SignOnFailed

INITIAL_BAUD: Final = 300
FASTEST_BAUD: Final = 19_200
TRIES: Final = 3
"""Requests before a meter counts as absent: optical heads slip, and the first request may only wake."""
MAX_ADDRESS: Final = 32
"""Characters of a device address (6.3.14, 22)."""
MAX_LINE: Final = 64
"""Octets of an identification: 5 and 16 by the standard, and some meters say more."""
MAX_NOISE: Final = 1024
"""Octets that one wait may bring without the line that is waited for; half a minute at 300 baud."""
WAKE_UP: Final = bytes(66)
"""2.2 s of NUL at 300 baud, for battery-operated meters (annex B)."""
WAKE_PAUSE_S: Final = 1.6
"""1.5 to 1.7 s between the last NUL and the request (annex B)."""
_BAUDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
_STAY: Final = "0"
_MIN_IDENTIFICATION: Final = 5
_ACK, _STX = 0x06, 0x02
_PARITY: Final = bytes(octet | (octet.bit_count() & 1) << 7 for octet in range(128))
_STRIP: Final = bytes(octet & 0x7F for octet in range(256))


@dataclass(frozen=True, slots=True)
class Speed:
    """Change the line, when everything sent has left it."""

    baud: int
    seven_bits: bool
    """7 data bits and even parity, else 8 and none; one stop bit."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Send octets to which nothing answers, and wait when they have left."""

    octets: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Identification:
    """What a meter says of itself (6.3.2)."""

    maker: str
    mark: str
    """The speed it offers, as its character Z."""
    binary: bool
    """Whether it offers HDLC (enhanced identification character 2)."""
    text: str

    @property
    def baud(self) -> int:
        """The speed it offers; the initial one where Z does not belong to modes C and E."""
        return _BAUDS.get(self.mark, INITIAL_BAUD)


SignOn = Generator[bytes | Speed | Pause, bytes, Identification]
"""As an Exchange; after a Speed or a Pause it is sent ``b""``."""


def identification_from(line: bytes) -> Identification:
    """Return what an identification without its end of line says (6.3.2); raise SignOnFailed."""
    text = line.decode("ascii", "replace")
    if not _MIN_IDENTIFICATION <= len(line) <= MAX_LINE or line[:1] != b"/" or not text[1:4].isalpha():
        raise SignOnFailed(f"no identification of a meter: {text[:MAX_LINE]!r}")
    rest, binary = text[5:], False
    while rest[:1] == "\\" and len(rest) > 1:
        binary = binary or rest[1] == "2"
        rest = rest[2:]
    return Identification(text[1:4], text[4], binary, rest)


def request_for(address: str) -> bytes:
    """Return the request message to a device address, "" for whoever is there (6.3.1); raise BadParameter."""
    if len(address) > MAX_ADDRESS or not (address.isascii() and (address + "0").replace(" ", "0").isalnum()):
        raise BadParameter(f"a device address has at most {MAX_ADDRESS} letters and digits, not {address!r}")
    return f"/?{address}!\r\n".encode()


def sign_on(
    address: str = "",
    *,
    fastest: int = FASTEST_BAUD,
    initial: int = INITIAL_BAUD,
    wake: bool = False,
    parity: bool = False,
) -> SignOn:
    """Sign on to a meter and leave the line in HDLC; return what it said.

    A meter that offers more than ``fastest`` is asked to stay at the ``initial`` speed. ``wake`` begins as annex B has
    it. ``parity`` puts even parity into the eighth bit, where a converter cannot do 7 data bits; what comes is read
    without its eighth bit in any case. Our own octets read back, as optical heads do, are no answer.

    Raises SignOnFailed, BadParameter.
    """
    request = request_for(address)
    line = _Line(parity=parity)
    yield Speed(initial, seven_bits=True)
    found = yield from _identify(line, request, wake=wake)
    if not found.binary:
        raise SignOnFailed(f"meter {found.maker} {found.text!r} offers no HDLC (identification without \\2)")
    mark = found.mark if found.mark in _BAUDS and found.baud <= fastest else _STAY
    baud = initial if mark == _STAY else found.baud
    yield from _confirmed(line, f"\x062{mark}2\r\n".encode(), Speed(baud, seven_bits=True))
    yield Speed(baud, seven_bits=False)
    return found


def _identify(line: "_Line", request: bytes, *, wake: bool) -> SignOn:
    """Ask until an identification comes, TRIES times at most (6.3.1, 6.3.2)."""
    failed = SignOnFailed("no answer to the sign-on")
    for _ in range(TRIES):
        if wake:
            yield Pause(WAKE_UP, WAKE_PAUSE_S)
        line.clear()
        try:
            return identification_from((yield from line.ask(request)))
        except ReplyTimeout:
            failed = SignOnFailed(f"no answer to the sign-on {request.decode().strip()!r}")
        except SignOnFailed as wrong:
            failed = wrong
    raise failed


def _confirmed(line: "_Line", choice: bytes, speed: Speed) -> Generator[bytes | Speed | Pause, bytes, None]:
    """Select HDLC and wait for the confirmation (6.3.3, annex E); some meters give none, and the SNRM will tell."""
    line.clear()
    yield Pause(line.coded(choice), 0.0)  # nothing is read at the old speed
    yield speed
    try:
        answer = yield from line.read(choice, echoes=line.echoes)
    except ReplyTimeout:
        return
    if answer[:1] != bytes((_ACK,)):
        raise SignOnFailed(f"the meter does not change to HDLC, it says {answer[:MAX_LINE]!r}")


class _Line:
    """Lines of text each way; what does not belong to one is dropped, within MAX_NOISE."""

    def __init__(self, *, parity: bool) -> None:
        self._parity = parity
        self._buffer = bytearray()
        self.echoes = False
        """Whether our own octets were read back."""

    def clear(self) -> None:
        """Forget what has come."""
        self._buffer.clear()

    def coded(self, octets: bytes) -> bytes:
        """Return octets as they go out."""
        return octets.translate(_PARITY + bytes(range(128, 256))) if self._parity else octets

    def ask(self, octets: bytes) -> Generator[bytes, bytes, bytes]:
        """Send a line, return the next one that is not its echo."""
        received = yield self.coded(octets)
        return (yield from self.read(octets, first=received))

    def read(self, sent: bytes, *, echoes: bool = True, first: bytes = b"") -> Generator[bytes, bytes, bytes]:
        """Return the next line without its end; one that is ``sent`` is passed over once, if the line echoes."""
        received, noise = first, 0
        while True:
            noise += len(received)
            self._buffer += received.translate(_STRIP)
            if noise > MAX_NOISE:
                raise SignOnFailed(f"{MAX_NOISE} octets came, and no answer to the sign-on")
            if self._buffer[:1] == bytes((_STX,)):
                raise SignOnFailed("the meter sends its readout instead of changing to HDLC")
            while (line := self._taken()) is not None:
                if not echoes or line != sent.rstrip(b"\r\n"):
                    return line
                self.echoes, echoes = True, False
            received = yield b""

    def _taken(self) -> bytes | None:
        """Take a line off the buffer, from where the last in it begins; None when there is no whole one."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            start = max(line.rfind(b"/"), line.rfind(bytes((_ACK,))))
            if start >= 0:
                return line[start:]
        return None
