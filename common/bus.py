"""ZeroMQ sockets between the processes of one host: the only module that imports zmq.

In and out: octets of envelopes, with a topic where a PUB/SUB socket needs one. Nothing here looks into an envelope.
Subscribers bind and workers connect, so that no publisher of messages depends on a listener's life. Sends never block:
what a full queue refuses is dropped here and found again by the hand-over (docs/ARCHITECTURE.md); the journal is the
buffer, not a high-water mark. All sockets are ``ipc://`` in a directory with mode 0700.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import zmq

from common.envelope import MAX_ENVELOPE
from common.errors import Hopeless

READINGS: Final = b"r"
HEARTBEATS: Final = b"h"
PUBLISHER_HEARTBEATS: Final = b"p"
DIAGNOSTICS: Final = b"d"

PUBLISHER_IN: Final = "pub.in"
PUBLISHER_BACK: Final = "pub.back"
SUPERVISOR_IN: Final = "qos.in"
SUPERVISOR_BACK: Final = "qos.back"

SEND_QUEUE: Final = 1000  # messages per connection; SPEC section 6
RECEIVE_QUEUE: Final = 1000  # per connection as well: readings x meters x this bounds the memory
LINGER_MS: Final = 2000  # what is queued at the end gets this long to leave
RECONNECT_MS: Final = 100
RECONNECT_MAX_MS: Final = 2000
BACKLOG: Final = 2048  # a shard of workers may connect at once
MAX_TURN: Final = 1000  # messages taken per call, so that a flood cannot keep a loop from its other work
MAX_SUBSCRIPTION_WAIT_S: Final = 2.0
_IDENTITY_MARK: Final = b"w"  # an identity must not begin with a zero octet, a uid may
_SUPERVISOR: Final = b"supervisor"  # its identity at the publisher

Source = Literal["publisher", "supervisor"]


class BusUnavailable(Hopeless):
    """A socket of the bus cannot be bound; names it and the reason."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What came back to a worker, and from whom."""

    source: Source
    octets: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """What one wait of the publisher brought: envelopes in order of arrival, and which foreign sockets are ready."""

    messages: list[bytes] = field(default_factory=list)
    readable: frozenset[int] = frozenset()
    writable: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Heard:
    """One envelope that reached the supervisor; ``topic`` is empty for an answer on the way back."""

    topic: bytes
    octets: bytes


class WorkerBus:
    """A worker's four connections: readings and heartbeats out, two ways back."""

    def __init__(self, directory: Path, uid: bytes) -> None:
        self._context = zmq.Context(io_threads=1)
        self._out = _socket(self._context, zmq.XPUB)
        self._publisher = self._way_back(directory / PUBLISHER_BACK, uid)
        self._supervisor = self._way_back(directory / SUPERVISOR_BACK, uid)
        for name in (PUBLISHER_IN, SUPERVISOR_IN):
            self._out.connect(f"ipc://{directory / name}")
        self._poller = zmq.Poller()
        for socket in (self._publisher, self._supervisor, self._out):
            self._poller.register(socket, zmq.POLLIN)
        self._subscriptions: set[bytes] = set()

    def _way_back(self, path: Path, uid: bytes) -> "zmq.Socket[bytes]":
        socket = _socket(self._context, zmq.DEALER)
        socket.setsockopt(zmq.ROUTING_ID, _IDENTITY_MARK + uid)
        socket.connect(f"ipc://{path}")
        return socket

    def publish(self, topic: bytes, octets: bytes) -> None:
        """Send to whoever subscribes; what nobody takes is lost here."""
        with suppress(zmq.Again):
            self._out.send_multipart((topic, octets), zmq.NOBLOCK)

    def to_publisher(self, octets: bytes) -> bool:
        """Queue for the publisher's way back; return False when the queue is full."""
        return _offer(self._publisher, (octets,))

    def to_supervisor(self, octets: bytes) -> bool:
        """Queue for the supervisor's way back; return False when the queue is full."""
        return _offer(self._supervisor, (octets,))

    def wait(self, timeout_s: float) -> list[Inbound]:
        """Wait at most ``timeout_s`` for something to come back; return what is there, at most MAX_TURN of each."""
        ready = dict(self._poller.poll(_milliseconds(timeout_s)))
        if self._out in ready:
            self._note_subscriptions()
        inbound = [Inbound("publisher", frames[-1]) for frames in _arrived(self._publisher, ready)]
        inbound += [Inbound("supervisor", frames[-1]) for frames in _arrived(self._supervisor, ready)]
        return inbound

    def wait_for_subscription(self, timeout_s: float = MAX_SUBSCRIPTION_WAIT_S) -> bool:
        """Wait until somebody subscribes to readings; a courtesy to the first message, no promise about it."""
        limit_ms = _milliseconds(min(timeout_s, MAX_SUBSCRIPTION_WAIT_S))
        while READINGS not in self._subscriptions:
            if not self._out.poll(limit_ms):
                return False
            self._note_subscriptions()
        return True

    def _note_subscriptions(self) -> None:
        for frames in _drain(self._out):
            self._subscriptions.add(frames[0][1:])

    def close(self, *, lingers: bool = True) -> None:
        """Close; what is queued gets LINGER_MS to leave, or no time."""
        for socket in (self._out, self._publisher, self._supervisor):
            socket.close(LINGER_MS if lingers else 0)
        self._context.term()


class PublisherBus:
    """The publisher's ends: envelopes of all workers in, acknowledgements and replay back, its own heartbeat out."""

    def __init__(self, directory: Path) -> None:
        self._context = zmq.Context(io_threads=1)
        self._in = _subscriber(self._context, directory / PUBLISHER_IN, (READINGS, HEARTBEATS))
        self._back = _router(self._context, directory / PUBLISHER_BACK)
        self._out = _socket(self._context, zmq.PUB)
        self._out.connect(f"ipc://{directory / SUPERVISOR_IN}")

    def wait(self, timeout_s: float, readable: Iterable[int] = (), writable: Iterable[int] = ()) -> Turn:
        """Wait at most ``timeout_s`` for envelopes or for one of the foreign sockets (file descriptors)."""
        poller, events = zmq.Poller(), dict.fromkeys(readable, zmq.POLLIN)
        for descriptor in writable:
            events[descriptor] = events.get(descriptor, 0) | zmq.POLLOUT
        for socket in (self._in, self._back):
            poller.register(socket, zmq.POLLIN)
        for descriptor, wanted in events.items():
            poller.register(descriptor, wanted)
        ready = dict(poller.poll(_milliseconds(timeout_s)))
        failed = zmq.POLLIN | zmq.POLLERR
        return Turn(
            [frames[-1] for socket in (self._in, self._back) for frames in _arrived(socket, ready)],
            frozenset(fd for fd in events if ready.get(fd, 0) & failed),
            frozenset(fd for fd in events if ready.get(fd, 0) & zmq.POLLOUT),
        )

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        """Send to one worker; return False when it is not connected or does not take it."""
        return _offer(self._back, (_IDENTITY_MARK + uid, octets))

    def publish_heartbeat(self, octets: bytes) -> None:
        """Send the publisher's heartbeat to the supervisor."""
        with suppress(zmq.Again):
            self._out.send_multipart((PUBLISHER_HEARTBEATS, octets), zmq.NOBLOCK)

    def close(self) -> None:
        """Close; acknowledgements that did not leave are given again when the worker asks."""
        for socket in (self._in, self._back, self._out):
            socket.close(0)
        self._context.term()


class SupervisorBus:
    """The supervisor's ends: heartbeats of all processes in, commands and notes out, results back."""

    def __init__(self, directory: Path) -> None:
        self._context = zmq.Context(io_threads=1)
        topics = (READINGS, HEARTBEATS, PUBLISHER_HEARTBEATS, DIAGNOSTICS)
        self._in = _subscriber(self._context, directory / SUPERVISOR_IN, topics)
        self._back = _router(self._context, directory / SUPERVISOR_BACK)
        self._publisher = _socket(self._context, zmq.DEALER)
        self._publisher.setsockopt(zmq.ROUTING_ID, _SUPERVISOR)
        self._publisher.connect(f"ipc://{directory / PUBLISHER_BACK}")
        self._poller = zmq.Poller()
        for socket in (self._in, self._back):
            self._poller.register(socket, zmq.POLLIN)

    def receive(self, timeout_s: float) -> list[Heard]:
        """Wait at most ``timeout_s``; return what is there, at most MAX_TURN of each socket."""
        ready = dict(self._poller.poll(_milliseconds(timeout_s)))
        heard = [Heard(frames[0], frames[-1]) for frames in _arrived(self._in, ready)]
        return heard + [Heard(b"", frames[-1]) for frames in _arrived(self._back, ready)]

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        """Send to one worker; return False when it is not connected or does not take it."""
        return _offer(self._back, (_IDENTITY_MARK + uid, octets))

    def to_publisher(self, octets: bytes) -> bool:
        """Queue for the publisher; return False when the queue is full."""
        return _offer(self._publisher, (octets,))

    def close(self) -> None:
        """Close; commands that did not leave expire by their deadline."""
        for socket in (self._in, self._back, self._publisher):
            socket.close(0)
        self._context.term()


def _socket(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    socket = context.socket(kind)
    for option, value in (
        (zmq.SNDHWM, SEND_QUEUE),
        (zmq.RCVHWM, RECEIVE_QUEUE),
        (zmq.LINGER, LINGER_MS),
        (zmq.RECONNECT_IVL, RECONNECT_MS),
        (zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS),
        (zmq.BACKLOG, BACKLOG),
        (zmq.IMMEDIATE, 0),
        (zmq.MAXMSGSIZE, MAX_ENVELOPE),
    ):
        socket.setsockopt(option, value)
    return socket


def _subscriber(
    context: "zmq.Context[zmq.Socket[bytes]]", path: Path, topics: tuple[bytes, ...]
) -> "zmq.Socket[bytes]":
    socket = _socket(context, zmq.SUB)
    for topic in topics:
        socket.setsockopt(zmq.SUBSCRIBE, topic)
    return _bound(socket, path)


def _router(context: "zmq.Context[zmq.Socket[bytes]]", path: Path) -> "zmq.Socket[bytes]":
    socket = _socket(context, zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a restarted worker takes over its identity from the dead connection
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an absent worker is told by an error, not by silence
    return _bound(socket, path)


def _bound(socket: "zmq.Socket[bytes]", path: Path) -> "zmq.Socket[bytes]":
    try:
        socket.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        socket.context.destroy(0)
        raise BusUnavailable(f"{path}: {error.strerror}") from None
    return socket


def _offer(socket: "zmq.Socket[bytes]", frames: tuple[bytes, ...]) -> bool:
    try:
        socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.ZMQError as error:
        if error.errno in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
            return False
        raise
    return True


def _arrived(socket: "zmq.Socket[bytes]", ready: dict[object, int]) -> list[list[bytes]]:
    return _drain(socket) if socket in ready else []


def _drain(socket: "zmq.Socket[bytes]") -> list[list[bytes]]:
    """Return the messages that wait, at most MAX_TURN; the last frame of each is the envelope."""
    arrived: list[list[bytes]] = []
    while len(arrived) < MAX_TURN:
        try:
            arrived.append(socket.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            break
    return arrived


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
