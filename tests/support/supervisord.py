"""A real supervisord over programs of one line each: for tests of whatever speaks to it. Nothing of it is left over."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from common.process_state import Process, ProcessState
from common.supervisord import SOCKET_NAME, NotListening, Supervisord
from tests.support.waiting import wait_until

START_S: Final = 30.0
STOP_S: Final = 20.0
SLEEPER: Final = "import signal; signal.pause()"


class RealSupervisord:
    """A context manager; ``socket``, by default in ``directory``, must be short enough for a socket's path."""

    def __init__(self, directory: Path, programs: dict[str, str] | None = None, socket: Path | None = None) -> None:
        self.directory = directory
        self.programs = directory / "conf.d"
        self._socket = socket or directory / SOCKET_NAME
        self.client = Supervisord(self._socket)
        self._static = programs or {}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RealSupervisord":
        self.programs.mkdir(exist_ok=True)
        conf = self.directory / "supervisord.conf"
        conf.write_text(_HEAD.format(root=self.directory, socket=self._socket), encoding="utf-8")
        for name, code in self._static.items():
            with conf.open("a", encoding="utf-8") as stream:
                stream.write(section(name, code))
        command = [str(Path(sys.executable).parent / "supervisord"), "-n", "-c", str(conf)]
        self._child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, START_S, "supervisord")
        return self

    def _answers(self) -> bool:
        try:
            return bool(self.client.pid())
        except NotListening:
            return False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._child is not None
        for process in self.client.processes().values():
            if process.pid:
                with suppress(ProcessLookupError):  # it may end by itself meanwhile
                    os.kill(process.pid, signal.SIGCONT)
        self.client.stop_all()
        self._child.terminate()
        self._child.wait(STOP_S)

    def write(self, name: str, code: str = SLEEPER) -> None:
        """Put a program into the include directory; supervisord has not read it yet."""
        (self.programs / f"{name}.conf").write_text(section(name, code), encoding="utf-8")

    def look(self, name: str) -> Process:
        """Return what supervisord knows of a program."""
        return self.client.processes().get(name, Process(name))

    def wait_for(self, name: str, state: ProcessState, timeout: float = 10.0) -> Process:
        """Wait until a program is in a state."""
        found = wait_until(
            lambda: process if (process := self.look(name)).state is state else None, timeout, f"{name} {state}"
        )
        assert found is not None
        return found


def section(name: str, code: str) -> str:
    """Return a program of supervisord that runs a line of Python, with the rules of our workers."""
    return f"""
[program:{name}]
command={sys.executable} -S -c "{code}"
autorestart=unexpected
exitcodes=0,75,78
startsecs=1
startretries=0
stopwaitsecs=3
redirect_stderr=true
stdout_logfile=%(here)s/{name}.log
"""


_HEAD: Final = """\
[unix_http_server]
file={socket}
chmod=0700
[supervisord]
logfile={root}/supervisord.log
pidfile={root}/supervisord.pid
directory={root}
minfds=256
nodaemon=true
silent=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=conf.d/*.conf
"""
