"""The worker file, looked at once a second.

In: its path. Out: a new content when there is one that can be used, and what it changes. A file that cannot be used
leaves the old content in force; it is logged once, and held as a condition until it is repaired.
"""

import logging
from dataclasses import fields
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.errors import Hopeless
from common.json_record import BadFile
from common.worker_file import WorkerFile
from poller.profile import profile_of

LOOK_S: Final = 1.0
CONNECTION: Final = (
    "host",
    "port",
    "transport",
    "client_id",
    "server_logical",
    "server_physical",
    "address_size",
    "authentication",
    "password",
    "security",
    "security_suite",
    "encryption_key",
    "authentication_key",
    "client_title",
    "server_title",
    "dedicated_key",
    "general_ciphering",
    "referencing",
    "line_mode",
    "limits",
)
FIXED: Final = ("uid", "journal_dir", "counter_dir", "lock_dir", "bus_dir")
IN_PASSING: Final = (  # leaves the link as it is, but for the wish to read at all, of which the loop decides
    "name",
    "revision",
    "desired_state",
    "model",
    "interval_s",
    "clock_synchronised",
    "measurements",
    "backfill",
    "load_profile",
    "row_names",
)

log = logging.getLogger(__name__)


def changed(old: WorkerFile, new: WorkerFile) -> frozenset[str]:
    """Return the names of the fields that differ."""
    return frozenset(item.name for item in fields(WorkerFile) if getattr(old, item.name) != getattr(new, item.name))


class Watch:
    """One worker file. ``problem`` is empty while the file on disk is the one in force.

    Raises BadFile, BadAddress or BadParameter when made from a file that cannot be used.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._next_look = clock.monotonic() + LOOK_S
        self._mark = _mark(path)
        self.current = WorkerFile.load(path)
        profile_of(self.current)
        self.problem = ""

    def look(self) -> WorkerFile | None:
        """Return the new content, if a second has passed, the file changed and can be used; it is in force then."""
        if self._clock.monotonic() < self._next_look:
            return None
        self._next_look = self._clock.monotonic() + LOOK_S
        mark = _mark(self._path)
        if mark == self._mark:
            return None
        self._mark = mark
        return self._take()

    def _take(self) -> WorkerFile | None:
        try:
            new = WorkerFile.load(self._path)
            profile_of(new)
            if fixed := changed(self.current, new) & set(FIXED):
                raise BadFile(f"{', '.join(sorted(fixed))} cannot change while the worker runs")
        except Hopeless as error:
            self._refuse(error.detail)
            return None
        self.problem = ""
        if new == self.current:
            return None
        self.current = new
        return new

    def _refuse(self, why: str) -> None:
        if why != self.problem:
            log.error("the worker file is not used, the last good one stays in force: %s", why)
        self.problem = why


def _mark(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced or written; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
