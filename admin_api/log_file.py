"""A program's log as it lies on disk: its last lines, those of the file before it too, and what is added later.

In: the path of a log that supervisord writes and rotates (NAME.log, NAME.log.1 …). Out: lines, oldest first, and one
line as the document that API and meterctl give. Nothing is locked: a rotation meanwhile costs no line that was asked.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

MAX_LINES: Final = 10_000  # of one answer
MAX_OCTETS: Final = 16 << 20  # that are read for one answer: more than all a meter's logs together
MAX_OLDER: Final = 2  # files that supervisord keeps beside the present one
BLOCK: Final = 64 << 10
_EVENT: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>[A-Z]+) (?P<logger>\S+) ?(?P<text>.*)"
)


def last_lines(path: Path, count: int, end: int | None = None) -> Sequence[str]:
    """Return the last lines of a log, up to the octet ``end`` of its present file; none where it does not exist.

    Raise OSError where it cannot be read.
    """
    wanted, left, found = min(count, MAX_LINES), MAX_OCTETS, list[str]()
    for each in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, MAX_OLDER + 1))):
        if len(found) >= wanted or left <= 0:
            break
        octets = _tail(each, wanted - len(found), left, end if each is path else None)
        left -= len(octets)
        found[:0] = octets.decode(errors="replace").removesuffix("\n").split("\n") if octets else []
    return found[len(found) - wanted :] if len(found) > wanted else found


def line_document(line: str) -> dict[str, object]:
    """Return a line's parts; a line that is no event of ours (a stack, another program's) is all text."""
    found = _EVENT.fullmatch(line)
    return {"at": None, "level": None, "logger": None, "text": line} if found is None else dict(found.groupdict())


class Growth:
    """What is added to a log from now on, over its rotations."""

    def __init__(self, path: Path) -> None:
        """Begin at the end; ``position`` is how far it was read."""
        self._path = path
        self._rest = b""
        self._file = _identity(path)
        self.position = path.stat().st_size if self._file else 0

    def lines(self) -> Iterator[str]:
        """Yield whole lines that were added since the last call; raise OSError where the file cannot be read."""
        identity = _identity(self._path)
        if identity is None:
            return
        if identity != self._file:
            older = self._path.with_name(f"{self._path.name}.1")
            if self._file is not None and _identity(older) == self._file:
                yield from self._read(older)  # what was written between our last look and the rotation
            self._file, self.position, self._rest = identity, 0, b""
        if self._path.stat().st_size < self.position:
            self.position, self._rest = 0, b""  # emptied in place
        yield from self._read(self._path)

    def _read(self, path: Path) -> Iterator[str]:
        with path.open("rb") as stream:
            stream.seek(self.position)
            while block := stream.read(BLOCK):
                self.position += len(block)
                *whole, self._rest = (self._rest + block).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)


def _tail(path: Path, lines: int, octets: int, end: int | None) -> bytes:
    """Return the end of a file that holds so many lines, or so many octets, or all of it."""
    try:
        with path.open("rb") as stream:
            position = stream.seek(0, 2) if end is None else end
            least, count, blocks = max(0, position - octets), 0, list[bytes]()
            while position > least and count <= lines:
                step = min(BLOCK, position - least)
                position -= step
                stream.seek(position)
                blocks.append(stream.read(step))
                count += blocks[-1].count(b"\n")
            return b"".join(reversed(blocks))
    except FileNotFoundError:
        return b""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
