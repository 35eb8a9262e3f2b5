"""A journal as others may see it, while its worker writes: which epochs and readings it holds.

In: its directory. Out: epochs with what is known to be acknowledged, and the octets of their sound records. Nothing is
locked, written or repaired; what is being written at this moment may be missing.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.envelope import UID_SIZE
from common.journal_files import JournalFiles
from common.journal_segment import Contents, read_segment


@dataclass(frozen=True, slots=True)
class HeldEpoch:
    """One epoch. ``acknowledged`` lags behind: it is written down seldom. ``last``: of the records here, 0 for none."""

    epoch: bytes
    acknowledged: int
    last: int


def journals(directory: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield uid and directory of each journal below a directory; nothing where there is none."""
    with suppress(OSError, ValueError):
        for path in sorted(directory.iterdir()):
            uid = _uid(path.name)
            if uid and path.is_dir():
                yield uid, path


def held(directory: Path, uid: bytes) -> list[HeldEpoch]:
    """Return what a journal holds, by epoch."""
    files = JournalFiles(directory)
    ledgers = files.load_ledgers(uid)
    acknowledged = {entry.epoch: entry.acknowledged for entry in ledgers[0].entries} if ledgers else {}
    last: dict[bytes, int] = dict.fromkeys(acknowledged, 0)
    for _, contents in _segments(files, uid):
        if contents.header and contents.records:
            epoch = contents.header.epoch
            last[epoch] = max(last.get(epoch, 0), contents.records[-1].seq)
    return [HeldEpoch(epoch, acknowledged.get(epoch, 0), number) for epoch, number in last.items()]


def records(directory: Path, uid: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield epoch, number and octets of every sound record."""
    for octets, contents in _segments(JournalFiles(directory), uid):
        if contents.header:
            for found in contents.records:
                yield contents.header.epoch, found.seq, octets[found.begin : found.end]


def _segments(files: JournalFiles, uid: bytes) -> Iterator[tuple[bytes, Contents]]:
    for number in files.numbers():
        octets = b""
        with suppress(OSError):  # removed a moment ago: it was acknowledged
            octets = files.read(number)
        if octets:
            yield octets, read_segment(octets, uid)


def _uid(name: str) -> bytes:
    with suppress(ValueError):
        uid = bytes.fromhex(name)
        return uid if len(uid) == UID_SIZE else b""
    return b""
