"""Where everything lies below the state directory, and the short directory of the bus's sockets.

STATE/bridge.toml master.key store.db        outbox/outbox.db  journal/<uid>/  counters/<uid>/  log/
STATE/run/ (0700, rebuilt at each start): supervisord.conf supervisord.sock conf.d/ workers/ locks/ routes.json
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import Hopeless

MAX_SOCKET_PATH: Final = 100  # sun_path has 108 octets; the longest name below the directory is added to it
_LONGEST_NAME: Final = len("/supervisord.sock.12345")


class UnsafeDirectory(Hopeless):
    """A directory that must be ours alone belongs to somebody else or is open to others."""


@dataclass(frozen=True, slots=True)
class Paths:
    """All paths follow from the root, the state directory."""

    root: Path

    @property
    def store_file(self) -> Path:
        return self.root / "store.db"

    @property
    def master_key(self) -> Path:
        return self.root / "master.key"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def counters(self) -> Path:
        """Invocation counters: they outlive journals and may never fall, so a backup must not bring old ones back."""
        return self.root / "counters"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def workers(self) -> Path:
        return self.run / "workers"

    @property
    def programs(self) -> Path:
        return self.run / "conf.d"

    @property
    def locks(self) -> Path:
        return self.run / "locks"

    @property
    def routes(self) -> Path:
        return self.run / "routes.json"

    @property
    def supervisord_conf(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def sockets(self) -> Path:
        """Directory of all unix sockets: RUN where its path is short enough, else one of our own in /tmp."""
        if len(os.fsencode(self.run)) + _LONGEST_NAME <= MAX_SOCKET_PATH:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path("/tmp") / f"dlms-bridge-{os.getuid()}-{digest}"  # noqa: S108  # checked by make_private

    def make(self) -> None:
        """Create every directory, private to this user; raise UnsafeDirectory where one is not."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)  # one that is there keeps its mode: it may be shared
        for path in (
            self.outbox,
            self.journal,
            self.counters,
            self.log,
            self.run,
            self.workers,
            self.programs,
            self.locks,
            self.sockets,
        ):
            make_private(path)


def make_private(path: Path) -> None:
    """Create a directory with mode 0700, or check that the one that exists is ours and closed to others."""
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UnsafeDirectory(f"{path} is not a directory of this user")
    if status.st_mode & 0o077:
        path.chmod(0o700)
