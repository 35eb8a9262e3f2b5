"""Serial lines over real pseudo-terminals: a scripted optical head and a simulated meter at the other end."""

import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from common.clock import SystemClock
from common.obis import Obis
from common.worker_file import Limits
from poller.dlms.conversation import AttributeRef, Mechanism, Profile, Transport
from poller.dlms.errors import PeerClosed, ReplyTimeout, SignOnFailed
from poller.errors import ConnectFailed, LinkLost, PeerReset
from poller.resolver import Resolver
from poller.serial_line import LineKind, LineSettings, SerialWire, SignOnWire, make_wire
from poller.session import Session
from poller.simulator import MeterSpec
from poller.simulator.device import Device
from poller.simulator.session import HdlcSession
from poller.simulator.steps import Send
from poller.transport import Wire

LIMITS = Limits(connect_timeout_s=1.0, reply_timeout_s=0.4, inter_octet_timeout_s=0.1)
ENERGY = AttributeRef(3, Obis.parse("1-1:1.8.0"), 2)
PROFILE = Profile(Transport.HDLC, 1, 1, mechanism=Mechanism.LLS, secret=b"22222222")
CLOCK = SystemClock()
Say = Callable[[bytes], bytes]


class OpticalMeter:
    """What a meter behind an optical head says: text first, HDLC after the selection."""

    def __init__(
        self, *, echoes: bool = False, confirms: bool = True, deaf_for: int = 0, signs_on: bool = True
    ) -> None:
        self._session = HdlcSession(Device(MeterSpec("sim-1"), 0, CLOCK))
        self._echoes, self._confirms, self._deaf_for = echoes, confirms, deaf_for
        self.speeds: list[int] = []
        self.hdlc = not signs_on
        self._text = b""

    def __call__(self, octets: bytes) -> bytes:
        back = octets if self._echoes else b""
        if self.hdlc:
            steps = self._session.receive(octets, CLOCK.monotonic())
            return back + b"".join(step.octets for step in steps if isinstance(step, Send))
        assert all(octet.bit_count() % 2 == 0 for octet in octets)
        self._text += bytes(octet & 0x7F for octet in octets)
        if b"\n" not in self._text:
            return back
        line, self._text = self._text.lstrip(b"\0"), b""
        if line == b"/?!\r\n":
            self._deaf_for -= 1
            return back if self._deaf_for >= 0 else back + b"/ELS5\\2A1440\r\n"
        self.hdlc = line == b"\x06252\r\n"
        return back + (line if self._confirms else b"")


@contextmanager
def line(meter: Say, *, one_by_one: bool = False) -> Iterator[tuple[str, list[int]]]:
    """Put a meter behind a pseudo-terminal; yield its path and the speeds that were set as the meter spoke."""
    near, far = os.openpty()
    tty.setraw(far)
    path, speeds = os.ttyname(far), list[int]()
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([near], [], [], 0.05)[0]:
                answer = meter(os.read(near, 4096))
                speeds.append(termios.tcgetattr(far)[5])
                for piece in [answer[i : i + 1] for i in range(len(answer))] if one_by_one else [answer]:
                    os.write(near, piece)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path, speeds
    finally:
        over.set()
        thread.join(5)
        os.close(near)
        os.close(far)


def session(wire: Wire) -> Session:
    return Session(PROFILE, wire, Resolver(CLOCK, lambda: None), CLOCK, LIMITS)


def optical(path: str, silence_s: float = 0.3) -> SignOnWire:
    settings = LineSettings(LineKind.OPTICAL, path, initial=2400, parity=True, gap_ms=0)
    return SignOnWire(SerialWire(settings, CLOCK, lambda: None), settings, CLOCK, lambda: None, silence_s)


def read_once(wire: Wire) -> int:
    meter = session(wire)
    meter.open("", 0)
    try:
        value = meter.get(ENERGY).value
        assert isinstance(value, int)
        return value
    finally:
        meter.close()


@pytest.mark.parametrize("one_by_one", [False, True])
def test_rs485_speaks_hdlc_at_once(one_by_one: bool) -> None:
    with line(OpticalMeter(signs_on=False), one_by_one=one_by_one) as (path, speeds):
        wire = make_wire(LineSettings(LineKind.SERIAL, path, 19200), CLOCK, lambda: None)
        assert read_once(wire) == 56_281_000
        assert read_once(wire) == 56_281_001
        assert set(speeds) == {termios.B19200}


@pytest.mark.parametrize("echoes", [False, True])
@pytest.mark.parametrize("confirms", [False, True])
def test_an_optical_head_signs_on_and_changes_speed(echoes: bool, confirms: bool) -> None:
    meter = OpticalMeter(echoes=echoes, confirms=confirms, deaf_for=1)
    with line(meter) as (path, speeds):
        assert read_once(optical(path)) == 56_281_000
    assert meter.hdlc
    assert (speeds[0], speeds[-1]) == (termios.B2400, termios.B9600)


def test_a_two_wire_line_that_echoes_is_read() -> None:
    with line(OpticalMeter(echoes=True, signs_on=False)) as (path, _):
        assert read_once(make_wire(LineSettings(LineKind.SERIAL, path, gap_ms=5), CLOCK, lambda: None)) == 56_281_000


def test_nobody_behind_the_head_is_a_sign_on_that_failed() -> None:
    with line(lambda _: b"") as (path, _):
        started = time.monotonic()
        with pytest.raises(SignOnFailed, match="no answer"):
            session(optical(path, 0.2)).open("", 0)
        assert time.monotonic() - started < 1.5


def test_nobody_behind_rs485_is_a_link_that_is_lost() -> None:
    pulses: list[None] = []
    with line(lambda _: b"") as (path, _):
        wire = make_wire(LineSettings(LineKind.SERIAL, path), CLOCK, lambda: pulses.append(None))
        started = time.monotonic()
        with pytest.raises(LinkLost):
            session(wire).open("", 0)
        assert time.monotonic() - started < 2.0
        assert pulses


def test_a_line_that_hangs_up_is_broken_and_one_that_is_no_line_cannot_be_opened() -> None:
    near, far = os.openpty()
    path = os.ttyname(far)
    wire = SerialWire(LineSettings(LineKind.SERIAL, path), CLOCK, lambda: None)
    wire.connect("", 0, CLOCK.monotonic() + 1)
    with pytest.raises(ConnectFailed, match="lock"):
        SerialWire(LineSettings(LineKind.SERIAL, path), CLOCK, lambda: None).connect("", 0, 0.0)
    with pytest.raises(ReplyTimeout):
        wire.send(bytes(1 << 20), CLOCK.monotonic() + 0.2)
    os.close(far)
    os.close(near)
    for _ in range(2):
        with pytest.raises((PeerReset, PeerClosed)):
            wire.receive(CLOCK.monotonic() + 1)
    for device in (path + "9", "/dev/null", "/etc"):
        with pytest.raises(ConnectFailed, match=device):
            SerialWire(LineSettings(LineKind.SERIAL, device), CLOCK, lambda: None).connect("", 0, 0.0)


def test_a_port_without_seven_bits_says_what_may_help() -> None:
    with line(lambda _: b"") as (path, _):
        settings = LineSettings(LineKind.OPTICAL, path)
        with pytest.raises(ConnectFailed, match="300 baud 7E1: parity=yes"):
            make_wire(settings, CLOCK, lambda: None).connect("", 0, CLOCK.monotonic() + 1)


def test_an_unplugged_head_ends_a_sign_on() -> None:
    near, far = os.openpty()
    path = os.ttyname(far)

    def unplug() -> None:
        with suppress(OSError):
            os.read(near, 100)
        os.close(far)
        os.close(near)

    thread = threading.Thread(target=unplug)
    thread.start()
    with pytest.raises((PeerReset, PeerClosed, SignOnFailed)):
        optical(path).connect("", 0, CLOCK.monotonic() + 1)
    thread.join(5)
