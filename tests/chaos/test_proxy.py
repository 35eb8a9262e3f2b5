"""The chaos proxy bends what it is told to, and nothing else. Real sockets, a peer that echoes."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.links import Link, ProxyProcess
from tests.support.waiting import wait_until

TEXT = bytes(range(256)) * 4
LIMIT_S = 10.0


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        try:
            while octets := self.request.recv(65536):
                self.request.sendall(octets)
        except OSError:
            return


class Peers(socketserver.ThreadingTCPServer):
    """Many at a time; ends with the test."""

    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(scope="module")
def peer() -> Iterator[int]:
    with Peers(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy() -> Iterator[ProxyProcess]:
    with ProxyProcess() as running:
        yield running


@pytest.fixture
def link(proxy: ProxyProcess, peer: int, request: pytest.FixtureRequest) -> Link:
    return proxy.link(request.node.name, peer)


def connected(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=LIMIT_S)


def told(client: socket.socket, octets: bytes, size: int | None = None) -> bytes:
    """Send octets; return as many that come back."""
    client.sendall(octets)
    found = b""
    while len(found) < (len(octets) if size is None else size):
        piece = client.recv(65536)
        if not piece:
            break
        found += piece
    return found


def asked(link: Link) -> bytes:
    """Connect and wait for an octet that nobody has asked for."""
    with connected(link) as client:
        return client.recv(1)


def test_a_straight_link_passes_everything_both_ways(link: Link) -> None:
    with connected(link) as client:
        assert told(client, TEXT * 100) == TEXT * 100
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert link.status()["up"] == link.status()["down"] == len(TEXT) * 100


def test_latency_holds_both_ways_and_for_living_connections(link: Link) -> None:
    with connected(link) as client:
        assert told(client, b"now") == b"now"
        link.both(latency=0.2)
        began = time.monotonic()
        assert told(client, b"later") == b"later"
        assert time.monotonic() - began >= 0.4


def test_jitter_keeps_the_order(link: Link) -> None:
    link.bend(down={"latency": 0.01, "jitter": 0.05})
    with connected(link) as client:
        for number in range(10):
            client.sendall(b"%d" % number)
            time.sleep(0.005)
        assert told(client, b"", 10) == b"0123456789"


def test_slices_come_one_after_the_other(link: Link) -> None:
    link.bend(down={"slice": 1, "pause": 0.05})
    with connected(link) as client:
        began = time.monotonic()
        assert told(client, b"slowly") == b"slowly"
        assert time.monotonic() - began >= 0.25


def test_a_narrow_line_passes_so_many_octets_per_second(link: Link) -> None:
    link.bend(up={"rate": 2000.0, "slice": 100})
    with connected(link) as client:
        began = time.monotonic()
        assert told(client, TEXT) == TEXT
        assert time.monotonic() - began >= len(TEXT[100:]) / 2000


def test_octets_are_corrupted_and_none_is_lost(link: Link) -> None:
    link.bend(up={"corrupt": 0.1})
    with connected(link) as client:
        found = told(client, TEXT)
    wrong = sum(one != other for one, other in zip(TEXT, found, strict=True))
    assert 0 < wrong < len(TEXT) / 2


def test_a_swallowed_connection_stays_so_and_a_new_one_is_straight(link: Link) -> None:
    with connected(link) as client:
        link.both(swallow=True)
        client.sendall(b"nobody")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        link.mend()
        client.sendall(b"still nobody")
        with pytest.raises(TimeoutError):
            client.recv(1)
        with connected(link) as other:
            assert told(other, b"here") == b"here"


def test_a_peer_that_vanished_says_nothing(link: Link) -> None:
    with connected(link) as client:
        assert told(client, b"here") == b"here"
        assert link.vanish() == 1
        client.sendall(b"gone")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_cut_connection_is_reset(link: Link) -> None:
    with connected(link) as client:
        assert told(client, b"here") == b"here"
        assert link.reset() == 1
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_reset_comes_after_so_many_octets(link: Link) -> None:
    link.bend(down={"slice": 10, "reset_after": 20})
    with connected(link) as client, pytest.raises(ConnectionResetError):
        told(client, TEXT, len(TEXT) + 1)


def test_a_gate_that_resets_at_connect(link: Link) -> None:
    link.gate("reset")
    with pytest.raises(ConnectionError):
        asked(link)


def test_a_refusing_gate_listens_again_on_its_port(link: Link) -> None:
    link.gate("refused")
    with pytest.raises(ConnectionRefusedError):
        connected(link)
    link.gate("open")
    with connected(link) as client:
        assert told(client, b"again") == b"again"


def test_a_mute_gate_accepts_and_never_answers(link: Link) -> None:
    link.gate("mute")
    with connected(link) as client:
        client.sendall(b"anybody?")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        link.gate("open")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_peer_that_is_not_there_ends_the_connection(proxy: ProxyProcess) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        link = proxy.link("nobody", taken.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            asked(link)


def test_nothing_is_left_of_connections_that_ended(link: Link) -> None:
    for _ in range(20):
        with connected(link) as client:
            assert told(client, b"one") == b"one"
    wait_until(lambda: link.status()["connections"] == 0, LIMIT_S, "all connections to end")


def test_a_wrong_command_is_an_error_and_changes_nothing(proxy: ProxyProcess, link: Link) -> None:
    for wrong in ({"do": "nothing"}, {"do": "bend", "link": "none"}, {"do": "gate", "link": link.name, "gate": "x"}):
        with pytest.raises(AssertionError, match="error"):
            proxy.do(**wrong)
    with connected(link) as client:
        assert told(client, b"here") == b"here"
