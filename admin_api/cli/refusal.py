"""What the system itself refuses: a file of another user, a disk without room; as errors that say whose and where.

In: an OSError. Out: NotPermitted or NoRoom; nothing for every other: that is a defect of ours, or somebody's to handle.
"""

import errno
import getpass
import os
import pwd
from pathlib import Path
from typing import Final

from common.errors import Again, Hopeless

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class NotPermitted(Hopeless):
    """A file or directory is another user's."""


class NoRoom(Again):
    """The disk is full, or takes nothing any more."""


def refused(error: OSError, directory: Path | None = None) -> NotPermitted | NoRoom | None:
    """Return the error that a person understands; None where the system's own says it as well."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else directory
    where = f"{path}: " if path else ""
    if isinstance(error, PermissionError):
        owner = _owner(path) if path else ""
        whose = f"; {owner}" if owner else ""
        return NotPermitted(f"{where}the user {this_user()} may not{whose}")
    return NoRoom(f"{where}{error.strerror}") if error.errno in _FULL else None


def this_user() -> str:
    """Return the name of the user of this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        return str(os.geteuid())


def _owner(path: Path) -> str:
    """Return whose the nearest directory is that can be looked at."""
    for each in (path, *path.parents):
        try:
            number = each.stat().st_uid
        except OSError:
            continue
        try:
            return f"{each} belongs to {pwd.getpwuid(number).pw_name}"
        except KeyError:
            return f"{each} belongs to the user {number}"
    return ""
