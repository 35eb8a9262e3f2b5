"""A state directory for one: the lock that `meterctl run` and its supervisord hold, and whether anything is left of it.

In: the paths of an installation. Out: the lock, or AlreadyRunning. What changes the store under everybody's feet
(restore, migrate) works only alone.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from admin_api.cli.leftovers import left_over
from common.errors import Barred
from common.paths import Paths
from common.supervisord import SOCKET_NAME

LOCK_NAME: Final = "run.lock"
ROTATE_LOCK: Final = "rotate.lock"


class AlreadyRunning(Barred):
    """Another run holds this state directory."""


class AlreadyRotating(Barred):
    """Another rotate-key is at work on this master key."""


@contextmanager
def locked(paths: Paths) -> Iterator[int]:
    """Hold the state directory; give the lock's descriptor. Raise AlreadyRunning."""
    paths.root.mkdir(parents=True, exist_ok=True)
    busy = f"{paths.root}: a `meterctl run` (or its supervisord) works there already"
    with _held(paths.root / LOCK_NAME, AlreadyRunning(busy)) as handle:
        yield handle


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Hold a state directory in which nothing of the product runs; raise AlreadyRunning."""
    with locked(paths):
        if left := left_over(paths.sockets / SOCKET_NAME):
            raise AlreadyRunning(
                f"{paths.root}: {len(left)} processes of a killed run are left; `meterctl run` ends them"
            )
        yield


@contextmanager
def rotating(paths: Paths) -> Iterator[None]:
    """Be the only one who changes the master key; raise AlreadyRotating."""
    with _held(paths.root / ROTATE_LOCK, AlreadyRotating(f"{paths.master_key}: somebody else is changing it")):
        yield


@contextmanager
def _held(path: Path, busy: Barred) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield handle
    finally:
        os.close(handle)
