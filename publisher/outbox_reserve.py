"""Space on the outbox's disk that nothing else uses: without it a full disk could not be emptied again.

To delete a row SQLite first writes more, not less. So a file of RESERVE octets is kept beside the outbox; when a
deletion finds the disk full it is removed, the deletion gets the space, and until there is room for a new reserve
nothing is taken in. In: the directory. Out: whether there is a reserve. Nothing here raises: a disk that refuses is
what it is made for.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

NAME: Final = "reserve"
RESERVE: Final = 2 << 20  # octets: more than one transaction and the writing back of its log need
SHARE: Final = 4  # of a very small disk not more than the fourth part
ROOM: Final = 2  # free space, in reserves, before a new one is made


class Reserve:
    """See the module's text."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        with suppress(OSError):
            self._draft.unlink(missing_ok=True)  # of a process that died while it made one
        self.make()

    @property
    def _draft(self) -> Path:
        return self._path.with_name(f"{NAME}.new")

    @property
    def is_there(self) -> bool:
        """Whether the space is kept."""
        return self._path.exists()

    def make(self) -> None:
        """Keep the space again, once there is room for it."""
        if self.is_there:
            return
        with suppress(OSError):
            disk = os.statvfs(self._path.parent)
            size = min(RESERVE, disk.f_blocks * disk.f_frsize // SHARE)
            if disk.f_bavail * disk.f_frsize >= ROOM * size:
                self._allocate(size)

    def release(self) -> None:
        """Give the space to who needs it."""
        release(self._path.parent)

    def _allocate(self, size: int) -> None:
        handle = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError:
            self._draft.unlink()
            raise
        finally:
            os.close(handle)
        self._draft.rename(self._path)


def release(directory: Path) -> bool:
    """Give the space of a directory's reserve to who needs it; return False when there was none."""
    try:
        (directory / NAME).unlink()
    except OSError:
        return False
    return True
