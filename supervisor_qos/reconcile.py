"""Make the store's wishes true: run files first, then exactly the difference of programs in supervisord.

In: the store's meters whenever its version changed, supervisord's table. Out: worker files, routes, programs on disk;
programs added, stopped and removed. A program that no wish names is touched only if its name is a meter's of ours. What
a paused or edited meter needs is in its worker file, which the worker reads again by itself: no process is touched.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.files import write_atomically
from common.journal import Journal, LockHeld
from common.process_state import Process, ProcessState
from common.settings import Settings
from common.store.engine import Store
from common.store.model import Meter
from common.supervisord import Refused, Supervisord
from supervisor_qos import wishes

STOPPABLE: Final = frozenset({ProcessState.STARTING, ProcessState.RUNNING, ProcessState.BACKOFF})
BATCH: Final = 5  # programs added in one call: each costs up to 0.3 s while a fleet starts on two cores
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciler:
    """See the module's text. ``meters``: all that are not purged, tombstones too, by uid, as of ``version``."""

    store: Store
    settings: Settings
    supervisord: Supervisord
    scripts: Path
    clock: Clock
    boot: bytes
    meters: dict[bytes, Meter] = field(default_factory=dict)
    version: int = -1
    scanning: bool = False
    """Whether the scanner is to run."""
    _written: tuple[object, ...] = ()

    def read_wishes(self) -> set[bytes]:
        """Read the meters again if a wish changed; return those whose wish did. Raise what the store raises."""
        version = self.store.wishes_version()
        if version == self.version:
            return set()
        meters = {meter.uid: meter for meter in self.store.meters.list(include_deleted=True)}
        changed = {uid for uid, meter in meters.items() if self.meters.get(uid) != meter}
        self.meters, self.version = meters, version
        return changed

    def wanted(self) -> set[bytes]:
        """Return the meters that are to have a worker."""
        return {uid for uid, meter in self.meters.items() if wishes.has_process(meter)}

    def owned(self) -> list[list[object]]:
        """Return host and port of every meter that is not deleted, as of the wishes that were read last."""
        return [[each.wish.ip_address, each.wish.port] for each in self.meters.values() if each.deleted_at is None]

    def write_files(self, *, clock_synchronised: bool, facts: Mapping[bytes, Mapping[str, str]]) -> None:
        """Write what changed: worker files, routes, programs. Remove the programs of meters that are to have none."""
        inputs = (self.version, clock_synchronised, facts, self.scanning)
        if inputs == self._written:
            return
        paths, wanted = self.settings.paths, self.wanted()
        wishes.routes(self.meters.values(), self.settings, facts).dump(paths.routes)
        for uid in wanted:
            wish = wishes.worker_file(self.meters[uid], paths, clock_synchronised=clock_synchronised)
            wish.dump(wishes.worker_path(paths, uid))
            self._write(wishes.program_path(paths, uid), wishes.program(uid, paths, self.scripts))
        if self.scanning:
            self._write(paths.programs / f"{wishes.SCANNER}.conf", wishes.scanner_program(paths, self.scripts))
        self._remove_other_programs(wanted)
        self._written = inputs

    def _remove_other_programs(self, wanted: set[bytes]) -> None:
        """Only we write there: what is no program of a wanted meter goes, before it fails supervisord's reload."""
        for path in self.settings.paths.programs.glob("*.conf"):
            uid_or_none = wishes.uid_of(path.stem)
            if path.stem == wishes.SCANNER and self.scanning:
                continue
            if uid_or_none is None and path.stem != wishes.SCANNER:
                _log.warning("removed %s: not one of ours", path)
            if uid_or_none not in wanted:
                path.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        if not path.is_file() or path.read_bytes() != text.encode():
            write_atomically(path, text.encode())

    def sync(self, table: Mapping[str, Process]) -> list[str]:
        """Bring supervisord's programs to the wishes; return what was added, at most BATCH of them at a time.

        Raise NotListening, Refused.
        A program to be removed is first stopped, and removed by a later call, when it is down.
        """
        wanted = {wishes.program_name(uid) for uid in self.wanted()} | ({wishes.SCANNER} if self.scanning else set())
        ours = {name for name in table if wishes.uid_of(name) is not None or name == wishes.SCANNER}
        for name in ours - wanted:
            self._retire(table[name])
        return self._add(wanted) if wanted - ours else []

    def _add(self, wanted: set[str]) -> list[str]:
        try:
            changes = self.supervisord.reload()
        except Refused:
            self._written = ()  # a file is not what we wrote: all of them are looked at again
            raise
        added = [name for name in changes.added if name in wanted][:BATCH]
        for name in added:
            self.supervisord.add(name)
            _log.info("added program=%s", name)
        return added

    def _retire(self, process: Process) -> None:
        if process.state in STOPPABLE:
            self.supervisord.stop(process.name)
            _log.info("stopping program=%s, no longer wished", process.name)
        elif process.state is not ProcessState.STOPPING:
            self.supervisord.remove(process.name)
            uid = wishes.uid_of(process.name)
            if uid is not None:
                wishes.worker_path(self.settings.paths, uid).unlink(missing_ok=True)
            _log.info("removed program=%s", process.name)

    def bury(self, table: Mapping[str, Process], waiting: Mapping[bytes, int]) -> list[bytes]:
        """End the tombstones whose readings are all delivered, or dropped by the publisher; return them.

        ``waiting``: rows in the outbox by uid; they keep the route they were stored with.
        """
        ended = []
        for uid, meter in self.meters.items():
            if meter.deleted_at is None or wishes.program_name(uid) in table:
                continue
            if not waiting.get(uid, 0) and self._is_drained(uid):
                shutil.rmtree(self.settings.paths.journal / uid.hex(), ignore_errors=True)
                self.store.meters.purged(uid)
                _log.info("purged meter=%s uid=%s", meter.wish.name, uid.hex())
                ended.append(uid)
        return ended

    def _is_drained(self, uid: bytes) -> bool:
        """Return whether a journal holds nothing that is not acknowledged; one that somebody works on is not."""
        directory = self.settings.paths.journal / uid.hex()
        if not directory.is_dir():
            return True
        try:
            journal = Journal.open(directory, uid, self.clock, self.boot, patience_s=0.0)
        except LockHeld:
            return False
        drained = journal.drained()
        journal.close()
        return drained
