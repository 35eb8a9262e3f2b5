"""A broker that misbehaves as the test says: MQTT 5 and 3.1.1, QoS 1 in, nothing out.

In: a function from a publication to an ``Answer``. Out: what was published, in order, with the number of its session.
It speaks only as much MQTT as a publisher needs, and keeps no session.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

CONNECT: Final = 1
PUBLISH: Final = 3
PINGREQ: Final = 12
DISCONNECT: Final = 14
RECEIVE_MAXIMUM: Final = 0x21  # MQTT 5, section 2.2.2.2
MAXIMUM_PACKET_SIZE: Final = 0x27


@dataclass(frozen=True, slots=True)
class Published:
    """One PUBLISH. ``session``: 1 for the first connection that was accepted, and so on."""

    topic: str
    payload: bytes
    session: int
    at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do about a PUBLISH: ``code`` None: no PUBACK; ``close``: end the connection afterwards."""

    code: int | None = 0
    close: bool = False
    delay_s: float = 0.0


def accept_all(_published: Published) -> Answer:
    """Acknowledge."""
    return Answer()


@dataclass
class ScriptedBroker:
    """Entering starts it. ``connack`` None: a CONNECT is never answered."""

    answer: Callable[[Published], Answer] = accept_all
    connack: int | None = 0
    receive_maximum: int = 65535
    maximum_packet_size: int = 0
    published: list[Published] = field(default_factory=list)
    sessions: int = 0
    connections: int = 0
    most_unanswered: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "ScriptedBroker":
        threading.Thread(target=self._serve, name="scripted broker", daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def received(self, topic: str = "") -> list[Published]:
        """Return what was published so far; with ``topic`` only what was published there."""
        with self._lock:
            return [item for item in self.published if topic in {"", item.topic}]

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while self._react(connection, *_packet(stream.read)) and not self._stop.is_set():
                    pass
        except (OSError, EOFError, ValueError):
            return

    def _react(self, connection: socket.socket, kind: int, flags: int, body: bytes) -> bool:
        """Answer one packet; return whether the conversation goes on."""
        if kind == CONNECT:
            return self._connected(connection, body)
        if kind == PUBLISH:
            return self._was_published(connection, flags, body)
        if kind == PINGREQ:
            connection.sendall(b"\xd0\x00")
        return kind != DISCONNECT

    def _connected(self, connection: socket.socket, body: bytes) -> bool:
        level = body[6]
        with self._lock:
            self.sessions += self.connack == 0
            self._level, self._session = level, self.sessions
        if self.connack is None:
            return True
        properties = b""
        if level == 5:
            properties = struct.pack(">BH", RECEIVE_MAXIMUM, self.receive_maximum)
            if self.maximum_packet_size:
                properties += struct.pack(">BI", MAXIMUM_PACKET_SIZE, self.maximum_packet_size)
            properties = bytes((len(properties),)) + properties
        answer = bytes((0, self.connack)) + properties
        connection.sendall(bytes((0x20, len(answer))) + answer)
        return self.connack == 0

    def _was_published(self, connection: socket.socket, flags: int, body: bytes) -> bool:
        assert flags & 0x06 == 0x02, "QoS 1 was expected"
        size = struct.unpack_from(">H", body)[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        mid, payload = rest[:2], rest[2:]
        if self._level == 5:
            payload = payload[1 + payload[0] :]
        with self._lock:
            published = Published(topic, payload, self._session, time.monotonic())
            self.published.append(published)
        answer = self.answer(published)
        if answer.code is not None and answer.delay_s:
            threading.Thread(target=self._later, args=(connection, mid, answer), daemon=True).start()
        elif answer.code is not None:
            self._acknowledge(connection, mid, answer.code)
        return not answer.close

    def _later(self, connection: socket.socket, mid: bytes, answer: Answer) -> None:
        with self._lock:
            self._unanswered = getattr(self, "_unanswered", 0) + 1
            self.most_unanswered = max(self.most_unanswered, self._unanswered)
        self._stop.wait(answer.delay_s)
        with self._lock:
            self._unanswered -= 1
        try:
            self._acknowledge(connection, mid, answer.code or 0)
        except OSError:
            return

    def _acknowledge(self, connection: socket.socket, mid: bytes, code: int) -> None:
        if self._level == 5 and code:
            connection.sendall(b"\x40\x03" + mid + bytes((code,)))
        else:
            connection.sendall(b"\x40\x02" + mid)


def _packet(read: Callable[[int], bytes]) -> tuple[int, int, bytes]:
    """Return type, flags and body of the next packet; raise EOFError at the end."""
    first = read(1)
    if not first:
        raise EOFError
    size, shift = 0, 0
    while True:
        octet = read(1)[0]
        size |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return first[0] >> 4, first[0] & 0x0F, read(size)
