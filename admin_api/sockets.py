"""The sockets that a worker's process holds, as the kernel of this host tells.

In: a process id and the uid that has to stand in its command line: a number that another process has got meanwhile is
not looked at. Out: how many there are, and how many are TCP connections that stand; None where nothing is told.
"""

from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
ESTABLISHED: Final = "01"  # of the column st in net/tcp, proc(5)
MAX_FDS: Final = 4096
_PREFIX: Final = "socket:["


def of_worker(pid: int | None, uid: bytes) -> tuple[int | None, int | None]:
    """Return how many sockets a worker holds, and how many of them are TCP connections that stand."""
    if pid is None:
        return None, None
    process = PROC / str(pid)
    try:
        if uid.hex().encode() not in (process / "cmdline").read_bytes():
            return None, None
        held = _inodes(process / "fd")
        standing = _established(process / "net" / "tcp") | _established(process / "net" / "tcp6")
    except OSError:
        return None, None
    return len(held), len(held & standing)


def _inodes(directory: Path) -> set[str]:
    found = set()
    for entry, _ in zip(directory.iterdir(), range(MAX_FDS), strict=False):
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith(_PREFIX):
            found.add(target.removeprefix(_PREFIX).removesuffix("]"))
    return found


def _established(table: Path) -> set[str]:
    rows = (row.split() for row in table.read_text(encoding="ascii").splitlines()[1:])
    return {row[9] for row in rows if row[3] == ESTABLISHED}
