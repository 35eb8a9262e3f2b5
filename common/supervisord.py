"""supervisord's XML-RPC over its unix socket: the only way in which we start, stop or signal a process.

In: names of programs (an ungrouped program is its own group). Out: what supervisord knows of its processes, or a typed
error. Calls wait for an answer, never for a process; a call for what is already so is not an error.
"""

import http.client
import re
import socket
import xmlrpc.client  # the peer is our own supervisord, behind a 0700 directory
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from common.errors import Again, Hopeless
from common.process_state import Process, ProcessState

SOCKET_NAME: Final = "supervisord.sock"
ANSWER_S: Final = 5.0  # reloadConfig of a thousand programs was measured at 2.4 s
FORBIDDEN: Final = re.compile(r"[\x00-\x1f\"\[\]*?]| [;#]")  # cut off, expanded or globbed by its parser
_NOT_RUNNING: Final = 70
_ALREADY_STARTED: Final = 60
_ALREADY_ADDED: Final = 90
_BAD_NAME: Final = 10


class UnsafeText(Hopeless):
    """A path or command that supervisord's configuration cannot hold."""


class NotListening(Again):
    """supervisord does not answer on its socket."""


class Refused(Again):
    """supervisord answered a call with a fault; names the call and the fault."""

    def __init__(self, detail: str, code: int) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Changes:
    """How the configuration on disk differs from what runs, by names of groups."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


class Supervisord:
    """A client; it keeps no connection and no state."""

    def __init__(self, path: Path, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._proxy = xmlrpc.client.ServerProxy("http://supervisord", _UnixTransport(path, answer_s))

    def pid(self) -> int:
        """Return supervisord's own process id; raise NotListening."""
        return cast("int", self._call("supervisor.getPID"))

    def processes(self) -> dict[str, Process]:
        """Return all processes by name."""
        rows = cast("list[Mapping[str, object]]", self._call("supervisor.getAllProcessInfo"))
        return {process.name: process for process in map(_process, rows)}

    def reload(self) -> Changes:
        """Read the configuration again, which applies nothing, and return what differs; one bad file fails it all."""
        ((added, changed, removed),) = cast("list[list[list[str]]]", self._call("supervisor.reloadConfig"))
        return Changes(added, changed, removed)

    def add(self, name: str) -> None:
        """Take in a program that ``reload`` named as added; it starts if its configuration says so."""
        self._call("supervisor.addProcessGroup", name, passed={_ALREADY_ADDED})

    def remove(self, name: str) -> None:
        """Forget a program; it must be stopped."""
        self._call("supervisor.removeProcessGroup", name, passed={_BAD_NAME})

    def start(self, name: str) -> None:
        """Start a program without waiting until it has started."""
        self._call("supervisor.startProcess", name, False, passed={_ALREADY_STARTED})

    def stop(self, name: str) -> None:
        """Ask a program to stop (SIGTERM, after its stopwaitsecs SIGKILL) without waiting for it."""
        self._call("supervisor.stopProcess", name, False, passed={_NOT_RUNNING, _BAD_NAME})

    def signal(self, name: str, signal: str) -> None:
        """Send a signal, named without SIG, to a process if it runs."""
        self._call("supervisor.signalProcess", name, signal, passed={_NOT_RUNNING, _BAD_NAME})

    def stop_all(self) -> None:
        """Ask all processes at once to stop, without waiting."""
        self._call("supervisor.stopAllProcesses", False)

    def last_words(self, name: str, limit: int = 400) -> str:
        """Return the last line of a program's log, at most ``limit`` characters of it; empty when there is none."""
        try:
            text = str(self._call("supervisor.readProcessStdoutLog", name, -limit, 0))
        except Refused:
            return ""
        lines = text.strip().splitlines()
        return lines[-1] if lines else ""

    def _call(self, method: str, *arguments: object, passed: frozenset[int] | set[int] = frozenset()) -> object:
        try:
            return cast("object", getattr(self._proxy, method)(*arguments))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in passed:
                return None
            raise Refused(f"{method}{arguments}: {fault.faultString}", fault.faultCode) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise NotListening(f"{self._path}: {error or type(error).__name__}") from None
        finally:
            self._proxy("close")()


def quoted(text: str) -> str:
    """Return a text for a value of supervisord's configuration, its expansions doubled; raise UnsafeText."""
    if FORBIDDEN.search(text):
        raise UnsafeText(f"{text!r}: control characters, quotation marks, [ ] * ?, ' ;' and ' #' are not allowed here")
    return text.replace("%", "%%")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: Path, answer_s: float) -> None:
        super().__init__("supervisord", timeout=answer_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    """One connection a call: supervisord may have been restarted since the last."""

    def __init__(self, path: Path, answer_s: float) -> None:
        super().__init__()
        self._path, self._answer_s = path, answer_s

    def make_connection(self, _host: object) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path, self._answer_s)
        self._connection = ("supervisord", connection)  # what close() closes
        return connection


def _process(row: Mapping[str, object]) -> Process:
    word = str(row["statename"])
    return Process(
        str(row["name"]),
        ProcessState(word) if word in ProcessState.__members__ else ProcessState.UNKNOWN,
        cast("int", row["pid"]),
        cast("int", row["start"]),
        cast("int", row["exitstatus"]),
        str(row["spawnerr"]),
    )
