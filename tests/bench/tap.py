"""A tap between the publisher and its broker: forwards octets unchanged and notes when each PUBACK passed.

In: the broker's port. Out: for every acknowledged PUBLISH its topic, payload and the monotonic time of its PUBACK
(MQTT 5, 3.3 and 3.4). One thread, loopback only.
"""

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

PUBLISH: Final = 3
PUBACK: Final = 4
MAX_PACKET: Final = 1 << 20  # octets; beyond it the stream is not MQTT as we know it
CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A PUBLISH and the monotonic time, in seconds, at which its PUBACK left the broker."""

    topic: str
    payload: bytes
    at: float


@dataclass(slots=True)
class _Pair:
    client: socket.socket
    broker: socket.socket
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    open: dict[int, tuple[str, bytes]] = field(default_factory=dict)


class Tap:
    """A context manager; publish to ``port`` instead of the broker's."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.acknowledged: list[Acknowledged] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Tap":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5.0)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.2):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj, key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        broker = socket.create_connection(("127.0.0.1", self._broker_port))
        pair = _Pair(client, broker)
        for end in (client, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ, pair)

    def _forward(self, source: socket.socket, pair: _Pair) -> None:
        upwards = source is pair.client
        try:
            octets = source.recv(CHUNK)
            at = time.monotonic()
            (pair.broker if upwards else pair.client).sendall(octets)
        except OSError:
            octets = b""
        if not octets:
            for end in (pair.client, pair.broker):
                self._selector.unregister(end)
                end.close()
            return
        buffer = pair.up if upwards else pair.down
        buffer += octets
        for kind, flags, body in _packets(buffer):
            if upwards and kind == PUBLISH and flags & 0x06:
                identifier, topic, payload = _publish(body)
                pair.open[identifier] = (topic, payload)
            elif not upwards and kind == PUBACK:
                topic, payload = pair.open.pop(int.from_bytes(body[:2], "big"), ("", b""))
                self.acknowledged.append(Acknowledged(topic, payload, at))


def _packets(buffer: bytearray) -> list[tuple[int, int, bytes]]:
    """Cut whole packets off the front of a buffer: type, flags, what follows the fixed header."""
    found = []
    while (header := _header(buffer)) is not None and len(buffer) >= sum(header):
        size, length = header
        found.append((buffer[0] >> 4, buffer[0] & 0x0F, bytes(buffer[size : size + length])))
        del buffer[: size + length]
    return found


def _header(buffer: bytearray) -> tuple[int, int] | None:
    """Return the octets of the fixed header and the remaining length (MQTT 5, 1.5.5)."""
    length = 0
    for place in range(1, min(5, len(buffer))):
        length |= (buffer[place] & 0x7F) << 7 * (place - 1)
        if not buffer[place] & 0x80:
            assert length <= MAX_PACKET, "not MQTT"
            return place + 1, length
    return None


def _publish(body: bytes) -> tuple[int, str, bytes]:
    size = int.from_bytes(body[:2], "big")
    topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
    properties = rest[2]  # a session that sends short properties: one octet of length
    assert properties < 0x80, "long properties are not sent"
    return int.from_bytes(rest[:2], "big"), topic, rest[3 + properties :]
