"""Which file a path leads to: an SQLite store may be replaced while others have it open.

In: a path. Out: what tells one file from another.
"""

from pathlib import Path


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
