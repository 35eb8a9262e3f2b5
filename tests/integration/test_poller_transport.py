"""The TCP wire against real sockets on loopback."""

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from common.clock import SystemClock
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.errors import ConnectFailed, ConnectRefused, ConnectTimeout, HostUnreachable, Interrupted, PeerReset
from poller.transport import SLICE_S, TcpWire
from tests.support.mosquitto import free_port

LINGER_RST = struct.pack("ii", 1, 0)


class Pulses:
    """Counts pulses, and may break a wait off."""

    def __init__(self) -> None:
        self.count = 0
        self.interrupting = False

    def __call__(self) -> None:
        self.count += 1
        if self.interrupting:
            raise Interrupted


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def connected(server: socket.socket, pulses: Pulses | None = None) -> tuple[TcpWire, socket.socket]:
    wire = TcpWire(SystemClock(), pulses or Pulses())
    wire.connect("127.0.0.1", server.getsockname()[1], soon(1.0))
    peer, _ = server.accept()
    return wire, peer


def soon(seconds: float) -> float:
    return time.monotonic() + seconds


def test_octets_go_both_ways(server: socket.socket) -> None:
    wire, peer = connected(server)
    wire.send(b"hello", soon(1.0))
    assert peer.recv(100) == b"hello"
    peer.sendall(b"world")
    assert wire.receive(soon(1.0)) == b"world"
    wire.close()
    assert peer.recv(100) == b""
    peer.close()


def test_a_deadline_is_absolute_and_the_pulse_is_felt(server: socket.socket) -> None:
    pulses = Pulses()
    wire, peer = connected(server, pulses)
    started = time.monotonic()
    with pytest.raises(ReplyTimeout):
        wire.receive(soon(1.3))
    assert 1.2 < time.monotonic() - started < 1.6
    assert pulses.count >= 2
    wire.close()
    peer.close()


def test_what_has_come_is_taken_after_the_deadline(server: socket.socket) -> None:
    wire, peer = connected(server)
    peer.sendall(b"late")
    time.sleep(0.05)
    assert wire.receive(soon(-1.0)) == b"late"
    wire.close()
    peer.close()


def test_a_pulse_breaks_a_wait_off(server: socket.socket) -> None:
    pulses = Pulses()
    wire, peer = connected(server, pulses)
    pulses.interrupting = True
    started = time.monotonic()
    with pytest.raises(Interrupted):
        wire.receive(soon(30.0))
    assert time.monotonic() - started < 2 * SLICE_S + 0.3
    wire.close()
    peer.close()


def test_a_peer_that_closes_and_one_that_resets_are_told_apart(server: socket.socket) -> None:
    wire, peer = connected(server)
    peer.close()
    with pytest.raises(PeerClosed):
        wire.receive(soon(1.0))
    wire, peer = connected(server)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
    peer.close()
    with pytest.raises(PeerReset):
        wire.receive(soon(1.0))
    with pytest.raises(PeerClosed, match="no connection"):
        wire.send(b"x", soon(1.0))


def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(ConnectRefused, match=f"127.0.0.1:{port}"):
        TcpWire(SystemClock(), Pulses()).connect("127.0.0.1", port, soon(1.0))


def test_nobody_answers() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        started = time.monotonic()
        with pytest.raises(ConnectTimeout):
            TcpWire(SystemClock(), Pulses()).connect("127.0.0.1", port, soon(0.7))
        assert time.monotonic() - started < 1.2
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("address", ["not an address", "999.1.1.1"])
def test_what_is_no_address_fails_with_a_typed_error(address: str) -> None:
    with pytest.raises((ConnectFailed, HostUnreachable)):
        TcpWire(SystemClock(), Pulses()).connect(address, 1, soon(1.0))


def test_a_peer_that_takes_nothing_is_a_timeout(server: socket.socket) -> None:
    wire, peer = connected(server)
    with pytest.raises(ReplyTimeout, match="could not be sent"):
        wire.send(bytes(64 << 20), soon(0.4))
    wire.close()
    peer.close()


def test_much_is_sent_whole_to_a_slow_peer(server: socket.socket) -> None:
    wire, peer = connected(server)
    got = bytearray()

    def take() -> None:
        while octets := peer.recv(65_536):
            got.extend(octets)

    thread = threading.Thread(target=take)
    thread.start()
    wire.send(bytes(8 << 20), soon(20.0))
    wire.close()
    thread.join(10)
    assert len(got) == 8 << 20
    peer.close()


def test_an_ipv6_peer() -> None:
    wire = TcpWire(SystemClock(), Pulses())
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:  # a machine without IPv6 on loopback: then the error has to be a typed one
        with pytest.raises((ConnectFailed, HostUnreachable, ConnectRefused)):
            wire.connect("::1", 9, soon(1.0))
        return
    with server:
        wire.connect("::1", server.getsockname()[1], soon(1.0))
        wire.close()
