"""Live values as they are deployed: gunicorn, two processes with threads, clients that come, go, hang and die."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest

from admin_api.live.patience import HEAD_S
from admin_api.live.peer import Peer
from common.meter_state import MeterState
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import LatestRow, MeterStateRow, Role
from common.vault import Vault
from tests.support.installation import wish
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

START_S: Final = 60.0
CAP: Final = 4
THREADS: Final = 8  # of each of the two processes
GRACE_S: Final = 30.0  # half of what gunicorn would wait for streams that do not end by themselves
EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "add_meter.py"
FREED_S: Final = 20.0  # a dead client's place is free again within this time


@dataclass
class _Served:
    port: int
    store: Store
    uid: bytes
    token: str
    process: "subprocess.Popen[bytes]"

    def get(self, path: str, timeout: float = 30) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def answers(self, timeout: float = 30) -> bool:
        try:
            return self.get("/health", timeout)[0] == 200
        except OSError:
            return False

    def read(self, seq: int) -> None:
        """A reading comes."""
        self.store.states.write_latest([LatestRow(self.uid, 1000 * seq, b"e" * 8, seq, {"voltage_l1": 230.0 + seq})])


class _Stream:
    """A client of live values."""

    def __init__(self, served: _Served, path: str = "/api/meters/sim-1/events") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {served.token}"})
        self._socket = cast("socket.socket", self._connection.sock)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = dict(self._response.getheaders())

    def event(self) -> tuple[str, dict[str, object]]:
        """Return the next event."""
        while not (line := self._response.readline()).startswith(b"event: "):
            assert line, "the stream ended"
        data = self._response.readline().decode().removeprefix("data: ")
        return line.decode().strip().removeprefix("event: "), cast("dict[str, object]", json.loads(data))

    def close(self) -> None:
        """Go as a browser does that is closed."""
        self._socket.close()
        self._response.close()
        self._connection.close()

    def die(self) -> None:
        """Go as a process does that is killed with octets unread."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Served]:
    """The API of two processes, over a store with one meter; the last test ends it."""
    tmp_path = tmp_path_factory.mktemp("served")
    (tmp_path / "empty").mkdir()
    settings = load(str(tmp_path), {})
    Vault.create(settings.paths.master_key)
    store = open_from_settings(settings)
    store.upgrade()
    meter = store.meters.add(wish(), "test")
    store.states.write([MeterStateRow(meter.uid, MeterState.ACTIVE)])
    environment = os.environ | {"DLMS_BRIDGE_STATE": str(tmp_path), "DLMS_BRIDGE_API_SSE_CLIENTS": str(CAP)}
    environment |= {"DLMS_BRIDGE_API_THREADS": str(THREADS)}
    (tmp_path / "conf.py").write_text(
        f'workers = 2\nthreads = {THREADS}\nworker_class = "gthread"\npreload_app = True\ngraceful_timeout = 60\n'
        "control_socket_disable = True\n"
        "from admin_api.live.gunicorn import post_worker_init\n"
    )
    port = free_port()
    command = [sys.executable, "-P", "-m", "gunicorn", "--config", str(tmp_path / "conf.py")]
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--bind=127.0.0.1:{port}", "admin_api.wsgi:app"],
            cwd=tmp_path / "empty",
            env=environment,
            stdout=log,
            stderr=log,
        )
    found = _Served(port, store, meter.uid, store.tokens.create(Role.VIEWER, "test")[1].reveal(), process)
    found.read(1)
    try:
        wait_until(found.answers, START_S, "the API answers")
        yield found
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        store.close()


def _filled(served: _Served, stack: ExitStack) -> list[_Stream]:
    """Open as many streams as there may be; places of clients that died are free within FREED_S."""
    streams: list[_Stream] = []
    until = time.monotonic() + FREED_S
    while len(streams) < CAP:
        assert time.monotonic() < until, f"{len(streams)} of {CAP} places"
        stream = _Stream(served)
        stack.callback(stream.close)
        if stream.status == 200:
            streams.append(stream)
        else:
            time.sleep(0.1)
    return streams


def test_the_example_adds_a_meter_and_shows_what_it_measures(served: _Served) -> None:
    token = served.store.tokens.create(Role.ADMIN, "example")[1].reveal()

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        options = ["--url", f"http://127.0.0.1:{served.port}", "--wait", "1"]
        return subprocess.run(
            [sys.executable, str(EXAMPLE), *words, *options],
            env=os.environ | {"DLMS_BRIDGE_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    first = run("plant 7", "10.0.0.7", "--client-id", "1", "--tb-token", "A1", "--measurements", "voltage_l1")
    assert (first.returncode, first.stdout.splitlines()[0]) == (1, "plant 7: number 2, revision 1")
    made = served.store.meters.by_name("plant 7")
    assert (made.wish.client_id, made.wish.tb_token.reveal(), len(made.wish.measurements)) == (1, "A1", 1)
    values = LatestRow(made.uid, 1, b"e" * 8, 1, {"voltage_l1": 230.5}, {"voltage_l1": "V"})
    served.store.states.write_latest([values])
    again = run("plant 7", "10.0.0.7")
    assert (again.returncode, again.stdout) == (0, "plant 7: number 2, revision 1\nvoltage_l1 230.5 V\n")
    bad = run("a/b", "10.0.0.8")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "(name)" in bad.stderr


@pytest.mark.slow
def test_who_sends_half_a_request_keeps_nobody_else_out_for_long(served: _Served) -> None:
    with ExitStack() as stack:
        clients: list[socket.socket] = []

        def is_full() -> bool:
            """Send more halves: the kernel may have given all of the last ones to one of the two processes."""
            for _ in range(THREADS):
                clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", served.port))))
                clients[-1].sendall(b"G")
            return not served.answers(timeout=1)

        wait_until(is_full, 0.8 * HEAD_S, "no thread to be free")
        wait_until(served.answers, HEAD_S + 15, "a thread to be free again")
        clients[0].settimeout(HEAD_S + 10)
        with suppress(ConnectionError):
            assert clients[0].recv(1) == b""


@pytest.mark.slow
def test_streams_tell_are_bounded_and_leak_no_place(served: _Served) -> None:
    with ExitStack() as stack:
        streams = _filled(served, stack)
        for stream in streams:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert [stream.event()[0] for _ in range(2)] == ["state", "reading"]
        served.read(2)
        told = [stream.event() for stream in streams]
        assert [(kind, document["seq"]) for kind, document in told] == [("reading", 2)] * CAP

        status, headers, body = served.get("/api/events")
        assert (status, json.loads(body)["kind"]) == (503, "too_many_streams")
        assert int(headers["Retry-After"]) >= 1
        began = time.monotonic()
        assert [served.get("/api/meters")[0] for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < 5

    for way in (_Stream.die, _Stream.close):
        with ExitStack() as stack:
            for stream in _filled(served, stack):
                way(stream)
    with ExitStack() as stack:
        streams = _filled(served, stack)
        assert served.get("/api/events")[0] == 503
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        last = [kind for stream in streams for kind, _ in _until_end(stream)]
        assert last.count("end") == CAP
        served.process.wait(GRACE_S)
        assert time.monotonic() - began < GRACE_S


def _until_end(stream: _Stream) -> Iterator[tuple[str, dict[str, object]]]:
    kind = ""
    while kind != "end":
        kind, document = stream.event()
        yield kind, document


def test_who_hangs_in_a_client_comes_back_when_it_is_cut() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer, ended = Peer({"gunicorn.socket": ours}), threading.Event()

        def send() -> None:
            with suppress(OSError):
                ours.sendall(bytes(16 << 20))
            ended.set()

        thread = threading.Thread(target=send)
        thread.start()
        assert not ended.wait(0.2)
        assert not peer.is_gone()
        peer.cut()
        assert ended.wait(5)
        thread.join(5)


def test_a_client_that_closed_is_gone_and_one_that_is_silent_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            peer = Peer({"gunicorn.socket": accepted})
            assert not peer.is_gone()
            client.close()
            wait_until(peer.is_gone, 5, "the client's end to be seen")
    assert not Peer({}).is_gone()
