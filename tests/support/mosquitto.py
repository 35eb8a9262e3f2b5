"""A real Mosquitto on a loopback port of its own, and a subscriber that records everything it receives.

The broker keeps sessions over ``stop`` and ``kill``, so that a ``Subscriber`` misses nothing while it reconnects: what
is published before the subscriber is back waits for it.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Final, cast

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.waiting import wait_until

EXTRA_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"  # Debian puts daemons where users do not look
START_S: Final = 10.0
STOP_S: Final = 10.0
PORTS: Final = range(20_000, 32_000, 10)  # below those that the kernel gives; steps, for who takes the next ones too
_worker: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_workers: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_mine: Final = PORTS[_worker::_workers]
_ports: Final = islice(cycle(_mine), secrets.randbelow(len(_mine)), None)


def program(name: str = "mosquitto") -> str:
    """Return the path of one of Mosquitto's programs; without it the test is skipped."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{EXTRA_PATH}")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def free_port() -> int:
    """Return a port that was free a moment ago, and that neither the kernel nor tests beside us give to another."""
    while True:
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port := next(_ports)))
            return port


class Mosquitto:
    """A broker in ``directory``. With ``users`` (name to password) nobody else is let in; ``acl`` is an ACL file."""

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str = "",
        extra: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self.port = port or free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._conf = directory / "mosquitto.conf"
        self.configure(users=users, acl=acl, extra=extra)

    def configure(self, *, users: Mapping[str, str] | None = None, acl: str = "", extra: Sequence[str] = ()) -> None:
        """Write the configuration anew; it holds from the next start."""
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self._directory}/",
            "autosave_interval 0",
            "max_queued_messages 0",
            "log_dest stderr",
            f"allow_anonymous {'false' if users else 'true'}",
            *([f"user {_user()}"] if os.geteuid() == 0 else []),
        ]
        if users:
            lines.append(f"password_file {self._passwords(users)}")
        if acl:
            path = self._directory / "acl"
            path.write_text(acl, encoding="utf-8")
            path.chmod(0o600)
            lines.append(f"acl_file {path}")
        self._conf.write_text("\n".join([*lines, *extra, ""]), encoding="utf-8")

    def _passwords(self, users: Mapping[str, str]) -> Path:
        path = self._directory / "passwords"
        path.touch(mode=0o600)
        for name, password in users.items():
            subprocess.run(
                [program("mosquitto_passwd"), "-b", str(path), name, password],
                check=True,
                capture_output=True,
                timeout=10,
            )
        return path

    @property
    def pid(self) -> int:
        """The process; it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Mosquitto":
        """Start and wait until it accepts connections."""
        assert not self.running
        with (self._directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), "-c", str(self._conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._accepts, START_S, f"the broker on port {self.port}; its log: {self.log()}")
        return self

    def _accepts(self) -> bool:
        assert self.running, self.log()
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        """Return what it wrote so far."""
        path = self._directory / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Stop it with SIGTERM: sessions are kept for the next start."""
        self._end(signal.SIGTERM)

    def kill(self, *, saving: bool = True) -> None:
        """End it with SIGKILL; ``saving``: have it write down sessions and what it queued first, and wait for that."""
        if saving and self.running:
            database = self._directory / "mosquitto.db"
            before = database.stat().st_mtime_ns if database.exists() else 0
            os.kill(self.pid, signal.SIGUSR1)
            wait_until(
                lambda: database.exists() and database.stat().st_mtime_ns != before, STOP_S, "the broker to save"
            )
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        self._process = None

    def suspend(self) -> None:
        """Let it hang (SIGSTOP): connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> "Mosquitto":
        return self if self.running else self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill(saving=False)

    @contextmanager
    def away(self, seconds: float) -> Iterator[None]:
        """Stop, run the body, and be back ``seconds`` after the stop."""
        self.stop()
        back = time.monotonic() + seconds
        yield
        time.sleep(max(0.0, back - time.monotonic()))
        self.start()


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it arrived. ``lane`` is its user property, ``at`` the monotonic time of its arrival."""

    topic: str
    payload: bytes
    retain: bool
    duplicate: bool
    lane: str
    at: float


class Subscriber:
    """Records what the broker delivers on ``topics``, over reconnects; may be read from any thread."""

    def __init__(
        self,
        port: int,
        topics: Sequence[str] = ("#",),
        *,
        username: str = "",
        password: str = "",
        client_id: str = "test-subscriber",
    ) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._ready = threading.Event()
        self._topics = [(topic, 1) for topic in topics]
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5)
        if username:
            self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._port = port

    def __enter__(self) -> "Subscriber":
        properties = cast("Callable[[int], Properties]", Properties)(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 65535
        self._client.connect("127.0.0.1", self._port, 60, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._ready.wait(START_S), "the broker did not confirm the subscription"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # its wake-up pair too, which it leaves to the garbage collector

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if not code.is_failure:
            client.subscribe(self._topics)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        if not any(code.is_failure for code in codes):
            self._ready.set()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        pairs = dict(getattr(message.properties, "UserProperty", []))
        received = Received(
            message.topic, bytes(message.payload), message.retain, message.dup, pairs.get("lane", ""), time.monotonic()
        )
        with self._lock:
            self._received.append(received)

    def received(self, topic: str = "") -> list[Received]:
        """Return what arrived so far, in order; with ``topic`` only what arrived there."""
        with self._lock:
            return [item for item in self._received if topic in {"", item.topic}]

    def since(self, index: int) -> list[Received]:
        """Return what arrived after the first ``index`` messages, in order."""
        with self._lock:
            return self._received[index:]

    def readings(self, topic: str = "") -> list[dict[str, object]]:
        """Return the generic payloads that arrived so far (objects that carry a seq), decoded."""
        bodies = [json.loads(item.payload) for item in self.received(topic) if item.payload]
        return [body for body in bodies if isinstance(body, dict) and "seq" in body]

    def wait_for(self, count: int, timeout: float, topic: str = "") -> list[dict[str, object]]:
        """Wait until ``count`` different readings (uid, epoch, seq) have arrived; return all, repeats included."""

        def found() -> list[dict[str, object]]:
            readings = self.readings(topic)
            names = {(body["uid"], body["epoch"], body["seq"]) for body in readings}
            return readings if len(names) >= count else []

        return wait_until(found, timeout, f"{count} readings at the broker")


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
