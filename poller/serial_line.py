"""Serial lines to a meter: RS-485 and RS-232 that speak HDLC at once, optical heads that sign on first (mode E).

In: settings of a line, octets to send, absolute deadlines on the monotonic clock. Out: octets received, or a typed
error. As in ``transport``, no wait is longer than a slice without passing the pulse. pyserial is an extra: it is
imported when a line is opened, and nothing else here may need it.

    tcp                                       the meter's own HDLC or WRAPPER over TCP
    optical-tcp?address=123&parity=yes        sign-on over a converter that keeps its speed
    serial:/dev/ttyUSB0?baud=9600&gap=30      HDLC directly, 8N1
    optical:/dev/ttyUSB0?baud=19200&wake=yes  sign-on at 300 baud 7E1, then the meter's speed, at most this
"""

import math
import select
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, cast

from common.clock import Clock
from common.errors import BridgeError
from poller.dlms.errors import BadParameter, PeerClosed, ReplyTimeout, SignOnFailed
from poller.dlms.mode_e import INITIAL_BAUD, Pause, SignOn, Speed, request_for, sign_on
from poller.echo import Echo
from poller.errors import ConnectFailed, PeerReset, SerialMissing
from poller.transport import MAX_RECEIVE, SLICE_S, TcpWire, Wire

SIGN_ON_S: Final = 20.0
"""All tries of a sign-on together: three of 2 s, each after 3.8 s of waking, and what they take on the line."""
SILENCE_S: Final = 2.0
"""Without an octet so long, a request of the sign-on is over: a meter reacts within 1.5 s (IEC 62056-21, 6.3.14)."""
MAX_TEXT: Final = 512
BAUDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
MAX_GAP_MS: Final = 1000
_BITS: Final = 10
"""Of one octet on the line, with start and stop."""
_DRAIN_STEP_S: Final = 0.005
_BROKEN: Final = (OSError, ValueError, termios.error)
"""What a port raises that is unplugged, or not a port."""


class LineKind(StrEnum):
    """What lies between us and the meter."""

    TCP = "tcp"
    OPTICAL_TCP = "optical-tcp"
    SERIAL = "serial"
    OPTICAL = "optical"


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How to reach a meter beside host and port; raises BadParameter when it cannot be."""

    kind: LineKind = LineKind.TCP
    device: str = ""
    """Path of the serial port; empty with TCP."""
    baud: int = 9600
    """Of HDLC; after a sign-on the fastest that we take."""
    initial: int = INITIAL_BAUD
    """Of the sign-on."""
    address: str = ""
    """Device address of the sign-on; empty: whoever is there."""
    wake: bool = False
    """Whether a battery-operated meter has to be woken (IEC 62056-21, annex B)."""
    parity: bool = False
    """Even parity in the eighth bit during the sign-on, where a converter or port cannot do 7E1."""
    gap_ms: int = 30
    """Between what was received and what is sent, so that a two-wire line can turn round."""

    def __post_init__(self) -> None:
        if self.is_serial != bool(self.device):
            raise BadParameter(f"a {self.kind} line needs {'a' if self.is_serial else 'no'} device")
        if self.baud not in BAUDS or self.initial not in BAUDS:
            raise BadParameter(f"a line has one of {', '.join(map(str, BAUDS))} baud, not {self.baud}/{self.initial}")
        if not 0 <= self.gap_ms <= MAX_GAP_MS:
            raise BadParameter(f"the gap of a line is 0 to {MAX_GAP_MS} ms, not {self.gap_ms}")
        request_for(self.address)

    @property
    def is_serial(self) -> bool:
        return self.kind in {LineKind.SERIAL, LineKind.OPTICAL}

    @property
    def signs_on(self) -> bool:
        return self.kind in {LineKind.OPTICAL, LineKind.OPTICAL_TCP}


def parse_line(text: str) -> LineSettings:
    """Return the settings that a text such as ``optical:/dev/ttyUSB0?baud=4800`` means; raise BadParameter."""
    if len(text) > MAX_TEXT or not text.isprintable():
        raise BadParameter(f"a line is described in at most {MAX_TEXT} printable characters")
    where, _, options = text.partition("?")
    word, _, device = where.partition(":")
    try:
        kind = LineKind(word)
    except ValueError:
        raise BadParameter(f"{word!r} is no line: there are {', '.join(LineKind)}") from None
    words = dict(_option(option) for option in options.split("&") if option)
    if unknown := words.keys() - _OPTIONS.keys():
        raise BadParameter(f"a line has no option {', '.join(sorted(unknown))}: there are {', '.join(_OPTIONS)}")
    said = {**_OPTIONS, **words}
    return LineSettings(
        kind,
        device,
        baud=_number(said["baud"]),
        initial=_number(said["initial"]),
        address=said["address"],
        wake=_flag(said["wake"]),
        parity=_flag(said["parity"]),
        gap_ms=_number(said["gap"]),
    )


_OPTIONS: Final[Mapping[str, str]] = {
    "baud": "9600",
    "initial": str(INITIAL_BAUD),
    "address": "",
    "wake": "no",
    "parity": "no",
    "gap": "30",
}
_SAID: Final[Mapping[str, bool]] = {"yes": True, "no": False}


def _option(text: str) -> tuple[str, str]:
    word, _, value = text.partition("=")
    return word, value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise BadParameter(f"an option of a line is a number, not {text!r}")
    return int(text)


def _flag(text: str) -> bool:
    if text not in _SAID:
        raise BadParameter(f"an option of a line is yes or no, not {text!r}")
    return _SAID[text]


def make_wire(settings: LineSettings, clock: Clock, pulse: Callable[[], None]) -> Wire:
    """Return the wire of a line, closed."""
    if settings.is_serial:
        line = SerialWire(settings, clock, pulse)
        return SignOnWire(line, settings, clock, pulse) if settings.signs_on else line
    tcp = TcpWire(clock, pulse)
    return SignOnWire(tcp, settings, clock, pulse) if settings.signs_on else tcp


class _Port(Protocol):
    """What is used of serial.Serial, which has no types."""

    @property
    def out_waiting(self) -> int: ...
    def fileno(self) -> int: ...
    def read(self, size: int) -> bytes: ...
    def write(self, octets: bytes) -> int: ...
    def flush(self) -> None: ...
    def apply_settings(self, settings: dict[str, object]) -> None: ...
    def close(self) -> None: ...


class SerialWire:
    """One serial port; host and port of ``connect`` mean nothing, the settings name the device."""

    def __init__(self, settings: LineSettings, clock: Clock, pulse: Callable[[], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._pulse = pulse
        self._next_pulse = clock.monotonic() + SLICE_S
        self._port: _Port | None = None
        self._poll = select.poll()
        self._baud = settings.baud
        self._left_by = self._heard_at = 0.0
        self._echo = Echo()

    def connect(self, address: str, port: int, deadline: float) -> None:  # noqa: ARG002  a wire's signature
        """Open the device; raise ConnectFailed, also when another process holds it, or SerialMissing."""
        self.close()
        self._port = _open(self._settings)
        self._baud = self._settings.baud
        self._left_by = self._heard_at = 0.0
        self._echo = Echo()
        self._poll = select.poll()

    def send(self, octets: bytes, deadline: float) -> None:
        """Hand all octets to the driver, not before the gap behind what was received."""
        self.wait_until(min(self._heard_at + self._settings.gap_ms / 1000, deadline))
        while octets:
            if not self._ready(select.POLLOUT, deadline):
                raise ReplyTimeout(f"{len(octets)} octets could not be sent in time")
            try:
                sent = self._open_port().write(octets)
            except _BROKEN as error:
                raise self._broken(error) from None
            self._echo.sent(octets[:sent])
            octets = octets[sent:]
            self._left_by = max(self._left_by, self._clock.monotonic()) + sent * _BITS / self._baud

    def receive(self, deadline: float) -> bytes:
        """Return what has come and is no echo of ours, at most MAX_RECEIVE octets."""
        while True:
            if not self._ready(select.POLLIN, deadline):
                raise ReplyTimeout("no octet came in time")
            if said := self._echo.received(self._read()):
                return said

    def _read(self) -> bytes:
        try:
            octets = self._open_port().read(MAX_RECEIVE)
        except _BROKEN as error:
            raise self._broken(error) from None
        self._heard_at = self._clock.monotonic()
        if not octets:
            self.close()
            raise PeerClosed("the serial line hung up")
        return octets

    def close(self) -> None:
        """Close the device, if open."""
        if self._port is not None:
            with suppress(*_BROKEN):
                self._port.close()
            self._port = None

    def change(self, speed: Speed, deadline: float) -> None:
        """Change speed and character format when everything sent has left; raise ReplyTimeout, ConnectFailed.

        With ``parity`` the format stays 8N1: the sign-on has put the parity into the eighth bit itself.
        """
        self.drain(deadline)
        seven = speed.seven_bits and not self._settings.parity
        form = {"bytesize": 7, "parity": "E"} if seven else {"bytesize": 8, "parity": "N"}
        try:
            self._open_port().apply_settings({"baudrate": speed.baud, **form})
        except _BROKEN as error:
            hint = "7E1: parity=yes may help" if seven else "8N1"
            self.close()
            raise ConnectFailed(f"{self._settings.device} cannot do {speed.baud} baud {hint} ({error})") from None
        self._baud = speed.baud

    def drain(self, deadline: float) -> None:
        """Wait until everything sent has left the line, by the driver's word and by the speed's; raise ReplyTimeout."""
        self.wait_until(min(self._left_by, deadline))
        try:
            while self._open_port().out_waiting:
                if self._clock.monotonic() >= deadline:
                    raise ReplyTimeout("octets do not leave the serial line")
                self.wait_until(self._clock.monotonic() + _DRAIN_STEP_S)
            self._open_port().flush()
        except _BROKEN as error:
            raise self._broken(error) from None

    def wait_until(self, moment: float) -> None:
        """Wait without listening; passes the pulse."""
        while (wait := moment - self._clock.monotonic()) > 0:
            self._beat()
            self._clock.sleep(min(wait, SLICE_S))

    def _open_port(self) -> _Port:
        if self._port is None:
            raise PeerClosed("the serial line is not open")
        return self._port

    def _broken(self, error: Exception) -> BridgeError:
        self.close()
        return PeerReset(f"the serial line {self._settings.device} broke: {error}")

    def _beat(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_pulse:
            self._next_pulse = now + SLICE_S
            self._pulse()

    def _ready(self, event: int, deadline: float) -> bool:
        """Wait for an event of the port until ``deadline``; return whether it came."""
        self._poll.register(self._open_port().fileno(), event)
        while True:
            self._beat()
            wait = min(deadline - self._clock.monotonic(), SLICE_S)
            if self._poll.poll(max(0, math.ceil(wait * 1000))):
                return True
            if wait <= 0:
                return False


def _open(settings: LineSettings) -> _Port:
    try:
        import serial  # here: an extra, and memory that a worker on TCP does not need
    except ImportError:
        raise SerialMissing("serial lines need pyserial: pip install 'dlms-bridge[serial]'") from None
    try:
        port = serial.Serial(settings.device, settings.baud, timeout=0, write_timeout=0, exclusive=True)
    except _BROKEN as error:
        raise ConnectFailed(f"{settings.device}: {error}") from None
    return cast("_Port", port)


class SignOnWire:
    """A wire that signs on by mode E whenever it is connected; over TCP the converter's speed stays as it is."""

    def __init__(
        self,
        wire: SerialWire | TcpWire,
        settings: LineSettings,
        clock: Clock,
        pulse: Callable[[], None],
        silence_s: float = SILENCE_S,
    ) -> None:
        self._wire = wire
        self._line = wire if isinstance(wire, SerialWire) else None
        self._settings = settings
        self._clock = clock
        self._pulse = pulse
        self._silence_s = silence_s
        self.send = wire.send
        self.receive = wire.receive
        self.close = wire.close

    def connect(self, address: str, port: int, deadline: float) -> None:
        """Connect, then sign on within SIGN_ON_S; raise what the wire raises, and SignOnFailed."""
        self._wire.connect(address, port, deadline)
        settings = self._settings
        exchange = sign_on(
            settings.address,
            fastest=settings.baud,
            initial=settings.initial,
            wake=settings.wake,
            parity=settings.parity,
        )
        try:
            self._drive(exchange, self._clock.monotonic() + SIGN_ON_S)
        except BridgeError:
            self.close()
            raise
        finally:
            exchange.close()

    def _drive(self, exchange: SignOn, limit: float) -> None:
        try:
            step = next(exchange)
            while True:
                step = self._turn(exchange, step, limit)
        except StopIteration:
            return

    def _turn(self, exchange: SignOn, step: bytes | Speed | Pause, limit: float) -> bytes | Speed | Pause:
        """Do what the sign-on asks for, and hand it what came."""
        if isinstance(step, Speed):
            if self._line is not None:
                self._line.change(step, limit)
            return exchange.send(b"")
        self._send(step if isinstance(step, bytes) else step.octets, limit)
        if isinstance(step, Pause):
            self._rest(self._clock.monotonic() + step.seconds)
            return exchange.send(b"")
        if self._clock.monotonic() >= limit:
            raise SignOnFailed(f"the sign-on did not end within {SIGN_ON_S:g} s")
        try:
            octets = self._wire.receive(min(limit, self._clock.monotonic() + self._silence_s))
        except ReplyTimeout as silence:
            return exchange.throw(silence)
        return exchange.send(octets)

    def _send(self, octets: bytes, limit: float) -> None:
        if octets:
            self._wire.send(octets, limit)
            if self._line is not None:
                self._line.drain(limit)

    def _rest(self, moment: float) -> None:
        while (wait := moment - self._clock.monotonic()) > 0:
            self._clock.sleep(min(wait, SLICE_S))
            self._pulse()
