"""A simulated meter on the network: its listening socket, its connections, and who of them is served.

Sockets and the loop in; steps of a session carried out. Which octets answer which is decided in ``session``.
"""

import socket
import struct
from collections import deque
from typing import Final

from common.errors import Hopeless
from poller.simulator.answer_log import AnswerLog
from poller.simulator.device import Device
from poller.simulator.loop import READ, WRITE, Loop, Timer
from poller.simulator.notes import Note
from poller.simulator.personality import LingerHow, SecondClient
from poller.simulator.session import Session, session
from poller.simulator.steps import Finish, Record, Reset, Send, Step, Wait

MAX_CONNECTIONS: Final = 16
"""Connections held to one meter, served or not: more than any test opens, fewer than would hurt."""
MAX_STEPS: Final = 65_536
"""Steps waiting on one connection; who asks more before hearing an answer is cut off."""
MAX_HELD: Final = 4_096
"""Octets kept of what a client says before it is served."""
_CHUNK: Final = 65_536
_BACKLOG: Final = 16
_ABORT: Final = struct.pack("ii", 1, 0)
_PUSH_PATIENCE: Final = 1.0
"""Seconds for a listener to accept a notification."""
_LAST_WORDS: Final = 16
"""Stretches read from a connection to learn whether it has ended, before a second client is judged."""


class PortTaken(Hopeless):
    """A meter's address cannot be listened on."""


class Connection:
    """One accepted connection. ``gone`` is called once when it ends."""

    def __init__(self, meter: "Meter", sock: socket.socket, number: int) -> None:
        self.number = number
        self._meter = meter
        self._socket = sock
        self._session: Session | None = None
        self._steps: deque[Step] = deque()
        self._timer: Timer | None = None
        self._unsent = b""
        self._silence: Timer | None = None
        self._held = b""
        self._last_heard = 0.0
        self._open = True

    @property
    def served(self) -> bool:
        """Whether this connection talks to the meter."""
        return self._session is not None

    def serve(self, new: Session) -> None:
        """Begin to talk to the meter, with what was said while waiting."""
        self._session = new
        self._last_heard = self._meter.loop.clock.monotonic()
        self._watch_silence()
        held, self._held = self._held, b""
        if held:
            self._heard(held)

    def watch(self) -> None:
        """Begin to read."""
        self._meter.loop.watch(self._socket, READ, self._ready)

    def drain(self) -> None:
        """Read what has come so far, the end included."""
        for _ in range(_LAST_WORDS):
            if not self._open or not self._read():
                return

    def reboot(self, *, close: bool) -> None:
        """The meter restarts: forget the session, or cut the connection."""
        if self._session is not None:
            self._session.reboot()
        if close:
            self._cut()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and self._open:
            self._read()

    def _read(self) -> bool:
        """Take one stretch of octets; False when there was none."""
        try:
            octets = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        if not octets:
            self.close()
            return False
        self._heard(octets)
        return True

    def _heard(self, octets: bytes) -> None:
        if self._session is None:
            self._held = (self._held + octets)[:MAX_HELD]
            return
        self._last_heard = self._meter.loop.clock.monotonic()
        self._meter.device.counters.octets_in += len(octets)
        self._do(self._session.receive(octets, self._last_heard))

    def _do(self, steps: list[Step]) -> None:
        self._steps.extend(steps)
        if len(self._steps) > MAX_STEPS:
            self._cut()
        elif self._timer is None and not self._unsent:
            self._carry_on()

    def _carry_on(self) -> None:
        """Carry out steps until one has to wait."""
        self._timer = None
        while self._steps and self._open and self._timer is None and not self._unsent:
            self._step(self._steps.popleft())

    def _step(self, step: Step) -> None:
        match step:
            case Record():
                self._meter.record(self.number, step)
            case Send():
                self._send(step.octets)
            case Wait():
                moment = self._meter.loop.clock.monotonic() + step.seconds
                self._timer = self._meter.loop.at(moment, self._carry_on)
            case Finish():
                self.close()
            case Reset():
                self._cut()

    def _send(self, octets: bytes) -> None:
        try:
            sent = self._socket.send(octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._meter.device.counters.octets_out += sent
        if sent < len(octets):
            self._unsent = octets[sent:]
            self._meter.loop.change(self._socket, READ | WRITE, self._ready)

    def _flush(self) -> None:
        octets, self._unsent = self._unsent, b""
        self._send(octets)
        if not self._unsent and self._open:
            self._meter.loop.change(self._socket, READ, self._ready)
            self._carry_on()

    def _watch_silence(self) -> None:
        """Look when the inactivity timeout may have passed, and again when somebody spoke meanwhile."""
        if not self._open or self._session is None:
            return
        loop = self._meter.loop
        deadline = self._last_heard + self._meter.device.kind.inactivity
        if loop.clock.monotonic() >= deadline:
            self._last_heard = loop.clock.monotonic()
            deadline = self._last_heard + self._meter.device.kind.inactivity
            self._do(self._session.expire())
        self._silence = loop.at(deadline, self._watch_silence)

    def _cut(self) -> None:
        """Close with RST."""
        if self._open:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self.close()

    def close(self) -> None:
        """Close, log what was still to be answered as not answered, tell the meter."""
        if not self._open:
            return
        self._open = False
        self._meter.loop.forget(self._socket)
        self._socket.close()
        for timer in (self._timer, self._silence):
            if timer is not None:
                timer.cancel()
        for step in self._steps:
            if isinstance(step, Record):
                self._meter.record(self.number, step._replace(answered=False))
        self._steps.clear()
        if self._session is not None:
            for record in self._session.end(self._meter.loop.clock.monotonic()):
                self._meter.record(self.number, record)
        self._meter.gone(self)


class Meter:
    """One meter that listens; raises PortTaken when it cannot."""

    def __init__(self, device: Device, loop: Loop, log: AnswerLog | None) -> None:
        self.device = device
        self.loop = loop
        self.second_client = device.kind.second_client
        self._log = log
        self._connections: list[Connection] = []
        self._socket = _listening(device.spec.name, device.spec.host, device.spec.port)
        self.host: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]
        loop.watch(self._socket, READ, lambda _events: loop.later(self._accept))

    @property
    def name(self) -> str:
        """The meter's name."""
        return self.device.spec.name

    def record(self, connection: int, record: Record) -> None:
        """Write to the log, if there is one."""
        if self._log is not None:
            self._log.write(self.name, connection, record)

    def send_to(self, where: tuple[str, int], octets: bytes) -> None:
        """Open a connection, send, close; raises OSError. Nobody is answered meanwhile, for a second at most."""
        with socket.create_connection(where, _PUSH_PATIENCE) as listener:
            listener.sendall(octets)
        self.record(0, Record(Note("push", raw=len(octets)), self.device.counters.associations))

    def reboot(self, seconds: float, *, close: bool) -> None:
        """Drop link and association, and be deaf for so many seconds."""
        for connection in list(self._connections):
            connection.reboot(close=close)
        if seconds:
            self.device.linger(seconds, LingerHow.SILENCE, self.loop.clock.monotonic())

    def close(self) -> None:
        """Close all connections and listen no longer."""
        for connection in list(self._connections):
            connection.close()
        self.loop.forget(self._socket)
        self._socket.close()

    def gone(self, connection: Connection) -> None:
        """A connection has ended: count it, serve the next in the queue."""
        self._connections.remove(connection)
        counters = self.device.counters
        counters.connected -= connection.served
        self._event(connection, "close")
        waiting = [other for other in self._connections if not other.served]
        if connection.served and waiting and self.second_client is SecondClient.QUEUE:
            self._serve(waiting[0])

    def _event(self, connection: Connection, event: str) -> None:
        self.record(connection.number, Record(Note(event), self.device.counters.associations))

    def _accept(self) -> None:
        try:
            sock, _peer = self._socket.accept()
        except OSError:
            return  # it went away between the call and the answer, or descriptors ran out: the next turn tries again
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for connection in list(self._connections):
            connection.drain()
        self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        """Serve the new connection, or treat it as the second client that it is."""
        counters = self.device.counters
        counters.connections += 1
        second = any(other.served for other in self._connections) and self.second_client is not SecondClient.SERVE
        connection = Connection(self, sock, counters.connections)
        counters.second_clients += second
        if len(self._connections) >= MAX_CONNECTIONS or (second and self.second_client is SecondClient.REFUSE):
            sock.close()
            self._event(connection, "refuse")
            return
        self._connections.append(connection)
        self._event(connection, "connect")
        connection.watch()
        if not second:
            self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        counters = self.device.counters
        counters.connected += 1
        counters.connected_max = max(counters.connected_max, counters.connected)
        connection.serve(session(self.device))


def _listening(name: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise PortTaken(f"{name} cannot listen on {host}:{port}: {error.strerror or error}") from error
    sock.setblocking(False)
    return sock
