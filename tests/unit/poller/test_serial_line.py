"""Settings of a line, and what needs no port: the sign-on over a wire, a missing pyserial."""

import sys

import pytest

from poller.dlms.errors import BadParameter, PeerClosed, ReplyTimeout, SignOnFailed
from poller.dlms.mode_e import Speed
from poller.errors import SerialMissing
from poller.serial_line import LineKind, LineSettings, SerialWire, SignOnWire, make_wire, parse_line
from poller.transport import TcpWire
from tests.support.simulated import StillClock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp", LineSettings()),
        ("serial:/dev/ttyUSB0", LineSettings(LineKind.SERIAL, "/dev/ttyUSB0")),
        ("serial:/dev/tty:0?baud=300&gap=0", LineSettings(LineKind.SERIAL, "/dev/tty:0", 300, gap_ms=0)),
        (
            "optical:/dev/ttyUSB1?baud=19200&initial=2400&wake=yes&address=12 34",
            LineSettings(LineKind.OPTICAL, "/dev/ttyUSB1", 19200, 2400, "12 34", wake=True),
        ),
        ("optical-tcp?parity=yes&wake=no", LineSettings(LineKind.OPTICAL_TCP, parity=True)),
    ],
)
def test_a_line_is_said_in_a_word(text: str, expected: LineSettings) -> None:
    assert parse_line(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usb:/dev/ttyUSB0",
        "serial",
        "optical:",
        "tcp:/dev/ttyUSB0",
        "serial:/dev/ttyUSB0?baud=1000",
        "serial:/dev/ttyUSB0?baud=",
        "serial:/dev/ttyUSB0?baud=-300",
        "serial:/dev/ttyUSB0?baud=9999999",
        "serial:/dev/ttyUSB0?gap=1001",
        "serial:/dev/ttyUSB0?speed=9600",
        "optical:/dev/ttyUSB0?wake=1",
        "optical:/dev/ttyUSB0?address=a!b",
        "serial:/dev/\x00",
        "serial:/" + "x" * 512,
    ],
)
def test_what_no_line_can_be_is_our_own_mistake(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_line(text)


def test_each_kind_has_its_wire() -> None:
    kinds = {"tcp": TcpWire, "optical-tcp": SignOnWire, "serial:/dev/x": SerialWire, "optical:/dev/x": SignOnWire}
    for text, kind in kinds.items():
        wire = make_wire(parse_line(text), StillClock(), lambda: None)
        assert type(wire) is kind
        wire.close()


def test_without_pyserial_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    wire = make_wire(parse_line("serial:/dev/null"), StillClock(), lambda: None)
    with pytest.raises(SerialMissing, match=r"pip install 'dlms-bridge\[serial\]'"):
        wire.connect("", 0, 1005.0)


def test_a_line_that_is_not_open_says_so() -> None:
    wire = SerialWire(parse_line("serial:/dev/null"), StillClock(), lambda: None)
    for use in (lambda: wire.send(b"x", 1001.0), lambda: wire.receive(1001.0)):
        with pytest.raises(PeerClosed, match="not open"):
            use()
    wire.send(b"", 1001.0)
    with pytest.raises(PeerClosed):
        wire.drain(1001.0)


class RecordingPort:
    """A port that takes everything, and some of it slowly."""

    def __init__(self) -> None:
        self.settings: list[dict[str, object]] = []
        self.waiting = [3, 0]

    @property
    def out_waiting(self) -> int:
        return self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]

    def fileno(self) -> int:
        return 0

    def read(self, size: int) -> bytes:
        return b""

    def write(self, octets: bytes) -> int:
        return len(octets)

    def flush(self) -> None:
        pass

    def apply_settings(self, settings: dict[str, object]) -> None:
        self.settings.append(settings)

    def close(self) -> None:
        raise OSError


def test_seven_bits_and_even_parity_unless_the_eighth_bit_carries_it() -> None:
    for parity, first in ((False, (7, "E")), (True, (8, "N"))):
        port = RecordingPort()
        wire = SerialWire(LineSettings(LineKind.OPTICAL, "/dev/x", parity=parity), StillClock(), lambda: None)
        wire._port = port
        for seven_bits in (True, False):
            wire.change(Speed(2400, seven_bits=seven_bits), 2000.0)
        assert [(said["baudrate"], said["bytesize"], said["parity"]) for said in port.settings] == [
            (2400, *first),
            (2400, 8, "N"),
        ]
        wire.close()


def test_octets_that_do_not_leave_are_a_timeout() -> None:
    port = RecordingPort()
    port.waiting = [1]
    wire = SerialWire(parse_line("serial:/dev/x"), StillClock(), lambda: None)
    wire._port = port
    with pytest.raises(ReplyTimeout, match="do not leave"):
        wire.drain(1001.0)


class ScriptedTcp(TcpWire):
    """A connection whose other side says prepared things."""

    def __init__(self, clock: StillClock, *answers: bytes | None) -> None:
        super().__init__(clock, lambda: None)
        self.answers = list(answers)
        self.sent: list[bytes] = []
        self.closed = 0
        self.clock = clock

    def connect(self, address: str, port: int, deadline: float) -> None:
        self.sent.append(f"{address}:{port}".encode())

    def send(self, octets: bytes, deadline: float) -> None:
        self.sent.append(octets)

    def receive(self, deadline: float) -> bytes:
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            self.clock.now = deadline
            raise ReplyTimeout("silence")
        return answer

    def close(self) -> None:
        self.closed += 1


def test_over_tcp_the_sign_on_needs_no_speeds() -> None:
    clock = StillClock()
    pulses: list[None] = []
    tcp = ScriptedTcp(clock, b"/ELS5\\2x\r\n", b"\x06252\r\n", b"hdlc")
    settings = parse_line("optical-tcp?address=7&wake=yes&baud=19200")
    wire = SignOnWire(tcp, settings, clock, lambda: pulses.append(None))
    wire.connect("10.0.0.1", 4059, 1005.0)
    assert tcp.sent == [b"10.0.0.1:4059", bytes(66), b"/?7!\r\n", b"\x06252\r\n"]
    assert len(pulses) == 4
    assert wire.receive(2000.0) == b"hdlc"


def test_a_sign_on_that_fails_closes_the_wire_within_its_time() -> None:
    clock = StillClock()
    tcp = ScriptedTcp(clock)
    wire = SignOnWire(tcp, parse_line("optical-tcp"), clock, lambda: None)
    started, closed = clock.now, tcp.closed
    with pytest.raises(SignOnFailed, match="no answer to the sign-on"):
        wire.connect("10.0.0.1", 4059, 1005.0)
    assert clock.now - started == 6.0
    assert tcp.closed == closed + 1


def test_a_sign_on_has_a_limit_whatever_comes() -> None:
    class Endless(ScriptedTcp):
        def receive(self, deadline: float) -> bytes:
            self.clock.now += 1.0
            return b"x"

    clock = StillClock()
    wire = SignOnWire(Endless(clock), parse_line("optical-tcp"), clock, lambda: None)
    with pytest.raises(SignOnFailed, match="within 20 s"):
        wire.connect("10.0.0.1", 4059, 1005.0)
