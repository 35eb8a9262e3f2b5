"""Dials targets, a bounded number at a time and in a second, and drives one handshake on each connection.

In: targets, who is owned, a tally. Out: the tally filled. One thread, one selector, no wait longer than it was told to;
a host costs at most PROBE_S and MAX_OCTETS, whatever it sends or holds back, and is dialled once.
"""

import errno
import selectors
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from common.clock import Clock
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.scanner.handshake import Finding, handshake
from poller.scanner.tally import FAILED, REFUSED, SILENT, UNREACHABLE, Tally
from poller.scanner.targets import Target

CONCURRENT: Final = 16  # connections at a time
CONNECT_S: Final = 3.0  # a modem's network takes a second
REPLY_S: Final = 1.5  # to one request; meters on a serial line take up to half a second
PROBE_S: Final = 20.0  # one host at one port in all
MAX_OCTETS: Final = 16_384  # from one host; what we ask of a meter has a few hundred
MAX_RECEIVE: Final = 4096  # at once
_KINDS: Final = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: REFUSED,
    errno.ETIMEDOUT: SILENT,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.EHOSTDOWN: UNREACHABLE,
    errno.ENETUNREACH: UNREACHABLE,
    errno.ENETDOWN: UNREACHABLE,
}


class Holder(Protocol):
    """Who knows what is owned."""

    def holds(self, address: str, port: int) -> bool:
        """Return whether a target is owned."""


@dataclass(slots=True)
class _Probe:
    """One connection. ``by``: until when the next thing must happen, ``limit``: until when all of it."""

    target: Target
    sock: socket.socket
    by: float
    limit: float
    exchange: Exchange[Finding] | None = None
    octets: int = 0


class Dialler:
    """One scan's connections."""

    def __init__(self, each: Iterator[Target], owned: Holder, tally: Tally, clock: Clock, per_second: float) -> None:
        self._each, self._owned, self._tally, self._clock = each, owned, tally, clock
        self._pause_s = 1.0 / per_second
        self._next_dial = clock.monotonic()
        self._probes: dict[int, _Probe] = {}
        self._selector = selectors.DefaultSelector()
        self._is_through = False

    @property
    def is_done(self) -> bool:
        """Whether every target is done with."""
        return self._is_through and not self._probes

    def turn(self, timeout_s: float) -> None:
        """Dial what is due, wait at most ``timeout_s`` for what comes, end what took too long."""
        self._dial()
        for key, _ in self._selector.select(timeout_s):
            probe = self._probes.get(key.fd)
            if probe is not None:
                self._ready(probe)
        now = self._clock.monotonic()
        for probe in [each for each in self._probes.values() if now >= min(each.by, each.limit)]:
            self._overdue(probe, now)

    def release_owned(self) -> None:
        """Let go at once of what has become ours since it was dialled."""
        for probe in [p for p in self._probes.values() if self._owned.holds(p.target.address, p.target.port)]:
            self._close(probe)
            self._tally.leave_out(probe.target)

    def close(self) -> None:
        """Let go of everything."""
        for probe in list(self._probes.values()):
            self._close(probe)
        self._selector.close()
        self._is_through = True

    # Dialling

    def _dial(self) -> None:
        """Dial the next target that is not owned, if it is time for one."""
        now = self._clock.monotonic()
        if self._is_through or len(self._probes) >= CONCURRENT or now < self._next_dial:
            return
        for target in self._each:
            if self._owned.holds(target.address, target.port):
                self._tally.leave_out(target)
                continue
            self._next_dial = now + self._pause_s
            self._connect(target, now)
            return
        self._is_through = True

    def _connect(self, target: Target, now: float) -> None:
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            self._tally.miss(FAILED)
            return
        sock.setblocking(False)
        status = _status(sock, target)
        if status not in {0, errno.EINPROGRESS}:
            sock.close()
            self._tally.miss(_KINDS.get(status, FAILED))
            return
        self._probes[sock.fileno()] = _Probe(target, sock, now + CONNECT_S, now + PROBE_S)
        self._selector.register(sock, selectors.EVENT_WRITE)

    # What comes

    def _ready(self, probe: _Probe) -> None:
        if probe.exchange is None:
            self._connected(probe)
        else:
            self._receive(probe, probe.exchange)

    def _connected(self, probe: _Probe) -> None:
        status = probe.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            self._close(probe)
            self._tally.miss(_KINDS.get(status, FAILED))
            return
        self._selector.modify(probe.sock, selectors.EVENT_READ)
        probe.exchange = handshake()
        self._step(probe, lambda: next(exchange) if (exchange := probe.exchange) is not None else b"")

    def _receive(self, probe: _Probe, exchange: Exchange[Finding]) -> None:
        try:
            received = probe.sock.recv(MAX_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        probe.octets += len(received)
        if probe.octets > MAX_OCTETS:
            self._end(probe, Finding(detail=f"more than {MAX_OCTETS} octets came"))
        elif received:
            self._step(probe, lambda: exchange.send(received))
        else:
            self._step(probe, lambda: exchange.throw(PeerClosed("the host closed the connection")))

    def _overdue(self, probe: _Probe, now: float) -> None:
        exchange = probe.exchange
        if exchange is None:
            self._close(probe)
            self._tally.miss(SILENT)
        elif now >= probe.limit:
            self._end(probe, Finding(detail=f"not done after {PROBE_S:.0f} s"))
        else:
            self._step(probe, lambda: exchange.throw(ReplyTimeout("no answer in time")))

    def _step(self, probe: _Probe, advance: "_Advance") -> None:
        """Let the handshake go on, send what it says; note what it found at its end."""
        try:
            out = advance()
        except StopIteration as end:
            self._end(probe, end.value if isinstance(end.value, Finding) else Finding())
            return
        if not out:
            return
        probe.by = self._clock.monotonic() + REPLY_S
        try:
            sent = probe.sock.send(out)
        except OSError:
            sent = 0
        if sent != len(out):  # a request is shorter than any socket's buffer: the connection is broken
            self._end(probe, Finding(detail="the connection broke"))

    def _end(self, probe: _Probe, finding: Finding) -> None:
        self._close(probe)
        self._tally.add(probe.target, finding)

    def _close(self, probe: _Probe) -> None:
        self._selector.unregister(probe.sock)
        self._probes.pop(probe.sock.fileno(), None)
        probe.sock.close()
        if probe.exchange is not None:
            probe.exchange.close()


class _Advance(Protocol):
    """One step of a handshake."""

    def __call__(self) -> bytes:
        """Return what is to be sent."""


def _status(sock: socket.socket, target: Target) -> int:
    try:
        return sock.connect_ex((target.address, target.port))
    except OSError as error:
        return error.errno or errno.EINVAL
