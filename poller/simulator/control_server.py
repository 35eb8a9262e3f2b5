"""The control channel: one JSON object per line in, one per line out, over a Unix or a loopback TCP socket.

Lines are cut and bounded here; what they mean is in ``control``. A bad request gets {"error": kind, "detail": text}
and harms nothing. Only the fleet's loop calls in here.
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from poller.simulator.control import Outcome
from poller.simulator.loop import READ, Loop
from poller.simulator.meter import PortTaken
from poller.simulator.personality import BadSpecification

MAX_LINE: Final = 65_536
"""Octets of one command: the longest sensible one has a few hundred."""
MAX_CLIENTS: Final = 32
"""Control connections at a time."""
_ANSWER_PATIENCE: Final = 1.0
"""Seconds a control client may take to accept its answer before it is dropped."""

Execute = Callable[[Mapping[str, object]], Outcome]


class ControlServer:
    """Listens at a path, or at HOST:PORT; raises PortTaken when it cannot."""

    def __init__(self, where: str, loop: Loop, execute: Execute) -> None:
        self._loop = loop
        self._execute = execute
        self._path = None if _is_tcp(where) else Path(where)
        self._socket = _listening(where, self._path)
        self._clients: set[socket.socket] = set()
        self.where = where if self._path else "{}:{}".format(*self._socket.getsockname()[:2])
        """Where it listens, with the port that port 0 became."""
        loop.watch(self._socket, READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            client, _peer = self._socket.accept()
        except OSError:
            return  # it went away between the call and the answer
        if len(self._clients) >= MAX_CLIENTS:
            client.close()
            return
        client.settimeout(_ANSWER_PATIENCE)
        self._clients.add(client)
        pending = bytearray()
        self._loop.watch(client, READ, lambda _ready: self._read(client, pending))

    def _read(self, client: socket.socket, pending: bytearray) -> None:
        try:
            octets = client.recv(MAX_LINE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        pending += octets
        if not octets or not self._answer(client, pending):
            self._drop(client)

    def _answer(self, client: socket.socket, pending: bytearray) -> bool:
        """Answer all whole lines; False when the client is to be dropped."""
        while (end := pending.find(b"\n")) >= 0:
            line = bytes(pending[:end])
            del pending[: end + 1]
            try:
                client.sendall(json.dumps(self._outcome(line)).encode() + b"\n")
            except OSError:
                return False
        return len(pending) <= MAX_LINE

    def _outcome(self, line: bytes) -> Outcome:
        try:
            command = json.loads(line)
        except (ValueError, RecursionError) as error:
            return {"error": "bad_command", "detail": f"not JSON: {error}"}
        if not isinstance(command, dict):
            return {"error": "bad_command", "detail": "need a JSON object"}
        try:
            return self._execute(command)
        except BadSpecification as error:
            return {"error": error.kind, "detail": error.detail}

    def _drop(self, client: socket.socket) -> None:
        self._loop.forget(client)
        self._clients.discard(client)
        client.close()

    def close(self) -> None:
        """Close everything and remove the socket's path."""
        for client in list(self._clients):
            self._drop(client)
        self._loop.forget(self._socket)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _is_tcp(where: str) -> bool:
    host, _colon, port = where.rpartition(":")
    return bool(host) and port.isdecimal() and "/" not in where


def _listening(where: str, path: Path | None) -> socket.socket:
    """Return the listening socket; only loopback and the own user may command."""
    sock = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX, socket.SOCK_STREAM)
    host, _colon, port = where.rpartition(":")
    try:
        if path is None:
            if not host.startswith("127.") and host != "localhost":
                raise PortTaken(f"control {where}: only loopback is allowed")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, int(port)))
        else:
            _bind_path(sock, path)
        sock.listen(MAX_CLIENTS)
    except (OSError, OverflowError) as error:
        sock.close()
        raise PortTaken(f"control {where}: {error}") from error
    except PortTaken:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _bind_path(sock: socket.socket, path: Path) -> None:
    """Bind to a path that only the own user may use; a socket that nobody listens on is replaced."""
    if path.is_socket() and not _alive(path):
        path.unlink()
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_PATIENCE)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
