"""The whole product as one child process: supervisord, started from fresh run files and stopped in good order.

In: settings. Out: a running supervisord whose children are everything else; at the end none of them. Two rules come
from measurements: supervisord alone stops ungrouped programs one after the other, so all are asked at once beforehand;
and supervisor_qos goes first, because it would start again whatever stops.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from admin_api.cli import leftovers
from admin_api.cli.programs import API_DIRECTORY, GUNICORN_CONF, gunicorn_conf, render
from common.clock import Clock
from common.errors import Hopeless
from common.files import write_atomically
from common.paths import Paths, make_private
from common.process import cpu_s
from common.process_state import ProcessState
from common.settings import Settings
from common.supervisord import SOCKET_NAME, NotListening, Refused, Supervisord
from common.tether import tethered_root

READY_S: Final = 15.0
PATIENCE_S: Final = 2.0  # for a sign of life; a supervisord that reads the programs of 250 meters anew takes 0.2 s
WATCHER_S: Final = 5.0
WORKERS_S: Final = 12.0  # 5 s for acknowledgements, DISC, and supervisord's SIGKILL after 10 s
REST_S: Final = 12.0
END_S: Final = 5.0
LOOK_S: Final = 0.05
DOWN: Final = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL, ProcessState.ABSENT})
WORKER_PREFIX: Final = "meter-"
WATCHER: Final = "supervisor_qos"


class DidNotStart(Hopeless):
    """supervisord ended or did not answer."""


class Product:
    """One supervisord and all below it."""

    def __init__(self, settings: Settings, clock: Clock, scripts: Path | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._scripts = scripts or Path(sys.executable).parent
        self._socket = settings.paths.sockets / SOCKET_NAME
        self._supervisord = Supervisord(self._socket)
        self._brief = Supervisord(self._socket, PATIENCE_S)
        self._child: subprocess.Popen[bytes] | None = None

    def sweep(self) -> int:
        """End what a killed run or supervisord left behind; return how many processes that were."""
        return leftovers.end(self._socket, self._clock)

    def start(self, lock: int) -> None:
        """Clear the run directory, write it anew, start; raise DidNotStart, UnsafeText.

        ``lock``: a descriptor that supervisord inherits, so that the lock on the state directory lives as long as it.
        """
        self._write_run_files()
        supervisord = [str(self._scripts / "supervisord"), "-n", "-c", str(self._settings.paths.supervisord_conf)]
        self._child = subprocess.Popen(
            tethered_root(supervisord, self._scripts, os.getpid()),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours to handle: the order of the end matters
            pass_fds=(lock,),
        )
        if not self._until(self._answers, READY_S):
            raise DidNotStart(f"supervisord did not start; see {self._settings.paths.log / 'supervisord.log'}")

    def is_heard(self) -> bool:
        """Return whether supervisord answers just now; a question that waits for PATIENCE_S at most."""
        try:
            return self._brief.pid() > 0
        except (NotListening, Refused):
            return False

    def worked_s(self) -> float:
        """Return the CPU time that supervisord has used; 0 when it is gone."""
        return 0.0 if self._child is None else cpu_s(self._child.pid)

    def kill(self) -> None:
        """End a supervisord that does not answer; what it started ends with it."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def ended(self) -> int | None:
        """Return supervisord's exit code if it has ended by itself."""
        return None if self._child is None else self._child.poll()

    def states(self) -> dict[str, ProcessState]:
        """Return the states of all programs; empty when supervisord does not answer."""
        try:
            return {name: process.state for name, process in self._supervisord.processes().items()}
        except (NotListening, Refused):
            return {}

    def stop(self) -> int:
        """Stop everything; return how many processes had to be found and ended one by one, which should be none.

        The run files go with it: passwords and keys stand in them.
        """
        if self._child is not None:
            self._stop_programs()
            self._child.terminate()
            if not self._until(lambda: self.ended() is not None, END_S):
                self._child.kill()
            self._child.wait()
        lost = leftovers.end(self._socket, self._clock)
        if self._child is not None:
            _empty(self._settings.paths)
            _leave(self._settings.paths)
        return lost

    def _stop_programs(self) -> None:
        try:
            self._stop([WATCHER], WATCHER_S)
            self._stop([name for name in self.states() if name.startswith(WORKER_PREFIX)], WORKERS_S)
            self._supervisord.stop_all()
        except (NotListening, Refused):
            return  # supervisord is gone or will not: SIGTERM and the search for leftovers do what is left
        self._until(lambda: self._all_down(self.states()), REST_S)

    def _stop(self, names: Iterable[str], limit_s: float) -> None:
        wanted = set(names)
        for name in wanted:
            self._supervisord.stop(name)
        self._until(lambda: self._all_down(wanted), limit_s)

    def _all_down(self, names: Iterable[str]) -> bool:
        states = self.states()
        return all(states.get(name, ProcessState.ABSENT) in DOWN for name in names)

    def _answers(self) -> bool:
        if self.ended() is not None:
            raise DidNotStart(f"supervisord ended at once; see {self._settings.paths.log / 'supervisord.log'}")
        return bool(self.states())

    def _until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        deadline = self._clock.monotonic() + limit_s
        while not holds():
            if self._clock.monotonic() >= deadline:
                return False
            self._clock.sleep(LOOK_S)
        return True

    def _write_run_files(self) -> None:
        paths = self._settings.paths
        _empty(paths)
        paths.make()
        make_private(paths.run / API_DIRECTORY)
        make_private(paths.root / "sim")
        write_atomically(paths.run / GUNICORN_CONF, gunicorn_conf(self._settings).encode())
        write_atomically(paths.supervisord_conf, render(self._settings, self._scripts).encode())


def _empty(paths: Paths) -> None:
    """Remove the run files: no stale one starts a paused or deleted meter or shows a key. Locks stay: they are held."""
    for directory in {paths.run, paths.sockets}:
        for entry in directory.iterdir() if directory.is_dir() else ():
            if entry == paths.locks:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _leave(paths: Paths) -> None:
    """Remove the directory of the sockets where it is one of its own in /tmp: nobody else would ever do it."""
    if paths.sockets != paths.run:
        with suppress(OSError):  # somebody put a file there meanwhile: it is made private again at the next start
            paths.sockets.rmdir()
