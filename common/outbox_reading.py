"""The publisher's outbox as others may see it, while it runs: what waits, what is set aside, the books, the cursors.

In: the directory of the outbox. Out: rows and counts of one moment, read in one transaction; nothing is ever written. A
file that is not there is no outbox. A reader does not stop the publisher; while it reads, its WAL file only grows.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from common.clock import Clock, boot_id
from common.envelope import BOOT_SIZE
from common.errors import Again

FILE: Final = "outbox.db"
DROPPED: Final = "dropped:"
BUSY_S: Final = 5.0  # the publisher's longest transaction is far shorter
CHUNK: Final = 500  # rows held in memory at a time
_ROWS: Final = "SELECT id, uid, epoch, seq, ts_ms, octets, born_ms, COALESCE(aside, ''), envelope FROM rows ORDER BY id"
_ASIDE: Final = (
    "SELECT id, uid, epoch, seq, ts_ms, octets, born_ms, aside, envelope FROM rows WHERE aside IS NOT NULL ORDER BY id"
)


class OutboxUnreadable(Again):
    """The outbox's file is damaged, busy, of another version, or not ours to read."""


@dataclass(frozen=True, slots=True)
class OutboxAccount:
    """One meter's books; ``taken`` is the sum of all the others."""

    taken: int = 0
    delivered: int = 0
    waiting: int = 0
    set_aside: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A reading on disk. ``aside``: why it is no longer sent, empty while it waits; ``age_ms``: from its birth."""

    id: int
    uid: bytes
    epoch: bytes
    seq: int
    ts_ms: int
    octets: int
    age_ms: int
    aside: str
    envelope: bytes


class OutboxReading:
    """One look at an outbox; made by ``looked_at``."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def accounts(self) -> dict[bytes, OutboxAccount]:
        """Return the books of all meters by uid."""
        counts: dict[bytes, dict[str, int]] = {}
        for uid, name, value in self._connection.execute("SELECT uid, name, value FROM accounts"):
            counts.setdefault(uid, {})[name] = value
        return {uid: _account(found) for uid, found in counts.items()}

    def cursors(self) -> dict[tuple[bytes, bytes], int]:
        """Return the last number that was taken, or is gone, by uid and epoch."""
        rows = self._connection.execute("SELECT uid, epoch, seq FROM cursors")
        return {(uid, epoch): seq for uid, epoch, seq in rows}

    def rows(self, *, only_aside: bool = False) -> Iterator[OutboxRow]:
        """Yield all rows in the order of their intake, or those that are set aside."""
        found = self._connection.execute(_ASIDE if only_aside else _ROWS)
        while chunk := found.fetchmany(CHUNK):
            for row_id, uid, epoch, seq, ts_ms, octets, born_ms, aside, envelope in chunk:
                age_ms = max(0, self._now_ms - born_ms)
                yield OutboxRow(row_id, uid, epoch, seq, ts_ms, octets, age_ms, aside, envelope)


@contextmanager
def looked_at(directory: Path, clock: Clock) -> Iterator[OutboxReading | None]:
    """Give the outbox as it is at this moment, None where there is none; raise OutboxUnreadable."""
    path = directory / FILE
    if not path.is_file():
        yield None
        return
    connection = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
        connection.text_factory = _text
        connection.execute("BEGIN")
        yield OutboxReading(connection, _now_ms(connection, clock))
    except sqlite3.Error as error:
        raise OutboxUnreadable(f"{path}: {error}") from None
    finally:
        if connection is not None:
            connection.close()


def _now_ms(connection: sqlite3.Connection, clock: Clock) -> int:
    """Return the outbox's own time: it goes on within a boot, and stands still while no publisher runs over one."""
    row = connection.execute("SELECT boot, boot_ms, total_ms FROM clock").fetchone()
    if row is None:
        return 0
    boot, boot_ms, total_ms = row
    return int(total_ms + (clock.boottime_ms() - boot_ms if boot == boot_id()[:BOOT_SIZE] else 0))


def _account(counts: Mapping[str, int]) -> OutboxAccount:
    dropped = {name.removeprefix(DROPPED): value for name, value in counts.items() if name.startswith(DROPPED)}
    kinds = ("taken", "delivered", "waiting", "set_aside")
    taken, delivered, waiting, set_aside = (counts.get(name, 0) for name in kinds)
    return OutboxAccount(taken, delivered, waiting, set_aside, dropped)


def _text(octets: bytes) -> str:
    return octets.decode(errors="replace")
