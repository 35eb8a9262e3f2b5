"""A backup of a store that may be in use: all rows as of one moment, the settings, and the master key if wanted.

In: a store, where its files lie, and a path. Out: a file of ``common.store.archive``, mode 0600, which appears under
its name only when it is whole, lies on the disk and has been read back. Readings on their way (outbox, journals) are
not part of it, nor are invocation counters, which may never fall. The same format serves every database, and moves a
store from one to the other.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final, cast

from common.errors import Again
from common.files import sync
from common.store.archive import KEY, SETTINGS, BadBackup, Manifest, Reader, TableEntry, Writer
from common.store.content import Content, Row, Shape, content_of
from common.store.database import Database, Way
from common.vault import key_id, previous_path, read_key

DISTRIBUTION: Final = "dlms-bridge"
Tell = Callable[[str], None]


class NotWritten(Again):
    """The file of a backup cannot be written: no such directory, no right, a full disk."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a backup is made of."""

    database: Database
    key: Path
    settings: Path


@dataclass(frozen=True, slots=True)
class Packed:
    """The rows in a backup, as a store's content is."""

    reader: Reader

    @property
    def revision(self) -> str:
        """The revision of the schema that they are of."""
        return self.reader.manifest.revision

    @property
    def tables(self) -> tuple[Shape, ...]:
        """The tables, parents before their children."""
        return tuple(Shape(item.name, item.columns, item.kinds) for item in self.reader.manifest.tables)

    @property
    def numbers(self) -> Mapping[str, int]:
        """The highest number that each table has given."""
        return self.reader.manifest.numbers

    def rows(self, table: Shape) -> Iterator[Row]:
        """Give a table's rows; raise BadBackup."""
        (entry,) = (item for item in self.reader.manifest.tables if item.name == table.name)
        octets = [number for number, kind in enumerate(table.kinds) if kind == "octets"]
        for line in self.reader.lines(entry):
            yield _row(line, octets, len(table.columns), table.name)


def write(source: Source, path: Path, now_ms: int, *, with_key: bool = False, tell: Tell | None = None) -> Reader:
    """Write a backup; return it, its checksums computed again from the disk. ``tell``: which table is written.

    Raise NotWritten, StoreUnavailable, StoreDamaged, BadKey or BadBackup; then there is no file.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            _write(source, Writer(stream, now_ms), now_ms, with_key=with_key, tell=tell or _say_nothing)
            stream.flush()
            os.fsync(stream.fileno())
        Reader(draft).check()
        bring(draft, path)
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return Reader(path)


def bring(made: Path, path: Path) -> None:
    """Give a backup its name, in the place of what had it; raise NotWritten."""
    try:
        made.replace(path)
        sync(path.parent)
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror or error}") from None


def pour(path: Path, stream: IO[bytes]) -> None:
    """Copy a backup to a stream, as `backup -` does."""
    with path.open("rb") as source:
        while piece := source.read(1 << 20):
            stream.write(piece)
    stream.flush()


def _write(source: Source, writer: Writer, now_ms: int, *, with_key: bool, tell: Tell) -> None:
    if previous_path(source.key).exists():
        raise NotWritten(f"{source.key}: a change of the key is not finished; `meterctl rotate-key` finishes it")
    key = read_key(source.key)[0]
    with source.database.begin(Way.READ) as connection:
        content = content_of(connection)
        entries = tuple(_add(writer, content, table, tell) for table in content.tables)
        kind = connection.dialect.name
    if source.settings.exists():
        writer.add(SETTINGS, source.settings.read_bytes())
    if with_key:
        writer.add(KEY, key)
    numbers = dict(content.numbers)
    writer.finish(Manifest(now_ms, version(DISTRIBUTION), content.revision, kind, key_id(key), entries, numbers))


def _add(writer: Writer, content: Content, table: Shape, tell: Tell) -> TableEntry:
    tell(table.name)
    octets = [number for number, kind in enumerate(table.kinds) if kind == "octets"]
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for line in _lines(content.rows(table), octets):
            count += 1
            yield line

    writer.add_lines(table.name, lines())
    return TableEntry(table.name, table.columns, table.kinds, count)


def _lines(rows: Iterable[Row], octets: list[int]) -> Iterator[bytes]:
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for row in rows:
        values = list(row)
        for number in octets:
            if values[number] is not None:
                values[number] = base64.b64encode(cast("bytes", values[number])).decode()
        yield encode(values).encode() + b"\n"


def _row(line: bytes, octets: list[int], width: int, table: str) -> Row:
    try:
        values = cast("list[object]", json.loads(line))
        if not isinstance(values, list) or len(values) != width:
            raise ValueError(table)
        for number in octets:
            if values[number] is not None:
                values[number] = base64.b64decode(cast("str", values[number]), validate=True)
    except (ValueError, TypeError, RecursionError):
        raise BadBackup(f"tables/{table}.jsonl.gz: a line that is no row") from None
    return tuple(values)


def _say_nothing(_table: str) -> None:
    pass
