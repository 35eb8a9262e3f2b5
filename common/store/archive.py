"""The file of a backup: an uncompressed tar, its tables gzip'ed lines of JSON; the manifest and its checksum last.

In: members, each as a stream of octets. Out: a file in which nothing is believed before its checksum was computed.
Reading is safe with a file from anywhere: no member is ever written to a path of its own name, names are from a short
list, sizes and lines are bounded, and what is damaged is said by the member's name.
"""

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

from common.errors import Hopeless

FORMAT: Final = "dlms-bridge backup"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"  # as sha256sum writes it
SETTINGS: Final = "bridge.toml"
KEY: Final = "master.key"
MAX_SMALL: Final = 1 << 20  # octets of each member but the tables
MAX_LINE: Final = 4 << 20  # octets of one row
MAX_MEMBERS: Final = 200  # tables there are twenty
MAX_SIZE: Final = 8 << 30  # octets of one member, compressed; what a tar can say
_NAME: Final = re.compile(r"(tables/[a-z_]{1,60}\.jsonl\.gz|manifest\.(json|sha256)|bridge\.toml|master\.key)\Z")
_TEXTS: Final = ("product", "revision", "database", "key")
_FAST: Final = 1  # of gzip: half the time of its default for a tenth more octets
_BLOCK: Final = 512
_PIECE: Final = 1 << 20


class BadBackup(Hopeless):
    """A file that is no backup, or one that is damaged; the text begins with the member at fault."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table in a backup."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. ``checksums``: the SHA-256 of each other member; ``key``: the master key's id."""

    made_ms: int
    product: str
    revision: str
    database: str
    key: str
    tables: tuple[TableEntry, ...]
    numbers: Mapping[str, int]
    checksums: Mapping[str, str] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION


def member_of(table: str) -> str:
    """Return the name of a table's member."""
    return f"tables/{table}.jsonl.gz"


class Writer:
    """A backup that is being written to a stream that can be sought in."""

    def __init__(self, stream: IO[bytes], now_ms: int) -> None:
        self._stream = stream
        self._now_s = now_ms // 1000
        self._checksums: dict[str, str] = {}

    def add_lines(self, table: str, lines: Iterable[bytes]) -> None:
        """Add a table; its lines are read as they are written."""
        begin = self._begin()
        checked = _Checked(self._stream)
        with gzip.GzipFile("", "wb", _FAST, cast("IO[bytes]", checked), mtime=0) as packed:
            for line in lines:
                packed.write(line)
        self._end(member_of(table), begin, checked.digest.hexdigest())

    def add(self, name: str, content: bytes) -> None:
        """Add a small member."""
        begin = self._begin()
        self._stream.write(content)
        self._end(name, begin, hashlib.sha256(content).hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, with the checksums of all that was added, and the end of the tar."""
        document = asdict(manifest) | {"checksums": self._checksums}
        content = (json.dumps(document, indent=1) + "\n").encode()
        self.add(MANIFEST, content)
        self.add(SEAL, _seal_of(content))
        self._stream.write(bytes(2 * _BLOCK))

    def _begin(self) -> int:
        begin = self._stream.tell()
        self._stream.write(bytes(_BLOCK))
        return begin

    def _end(self, name: str, begin: int, checksum: str) -> None:
        """Write the header, which names the size, in the place that was left for it."""
        end = self._stream.tell()
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = end - begin - _BLOCK, 0o600, self._now_s
        if info.size >= MAX_SIZE:
            raise BadBackup(f"{name}: larger than a backup's member may be")
        self._stream.write(bytes(-end % _BLOCK))
        self._stream.seek(begin)
        self._stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        self._stream.seek(0, 2)
        self._checksums[name] = checksum


class _Checked:
    """A stream that computes the checksum of what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, octets: bytes) -> int:
        self.digest.update(octets)
        return self._stream.write(octets)

    def flush(self) -> None:
        self._stream.flush()


class _Part:
    """One member as a stream of its own: what follows it is never read."""

    def __init__(self, stream: IO[bytes], begin: int, size: int) -> None:
        self._stream = stream
        self._left = size
        stream.seek(begin)

    def read(self, size: int = -1) -> bytes:
        """Return what is left, or so much of it."""
        octets = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(octets)
        return octets


class Reader:
    """A backup that was written; ``manifest`` is checked when it is made, the members by ``check``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members = _members(path)
        content = self.small(MANIFEST)
        if self.small(SEAL) != _seal_of(content):
            raise BadBackup(f"{MANIFEST}: is damaged, its checksum is another")
        self.manifest = _manifest(content)
        wanted = {*self.manifest.checksums, MANIFEST, SEAL}
        if wanted != self._members.keys():
            name = sorted(wanted ^ self._members.keys())[0]
            raise BadBackup(f"{name}: {'is missing' if name in wanted else 'is not in the manifest'}")

    def has(self, name: str) -> bool:
        """Return whether there is a member of that name."""
        return name in self._members

    def small(self, name: str) -> bytes:
        """Return a small member; raise BadBackup."""
        member = self._members.get(name)
        if member is None or member[1] > MAX_SMALL:
            raise BadBackup(f"{name}: {'is missing' if member is None else 'is too long'}")
        with self._path.open("rb") as stream:
            stream.seek(member[0])
            return stream.read(member[1])

    def check(self) -> None:
        """Compute all checksums; raise BadBackup that names the first member at fault."""
        for name, wanted in self.manifest.checksums.items():
            with self._path.open("rb") as stream:
                if _digest(stream, *self._members[name]) != wanted:
                    raise BadBackup(f"{name}: is damaged, its checksum is another")

    def lines(self, table: TableEntry) -> Iterator[bytes]:
        """Give a table's lines; raise BadBackup."""
        name = member_of(table.name)
        if name not in self._members:
            raise BadBackup(f"{name}: is missing")
        with self._path.open("rb") as stream:
            packed = gzip.GzipFile(fileobj=cast("IO[bytes]", _Part(stream, *self._members[name])))
            yield from _rows(packed, name, table.rows)


def _rows(packed: gzip.GzipFile, name: str, wanted: int) -> Iterator[bytes]:
    for number in range(1, wanted + 1):
        line = _line(packed, name, number)
        if not line.endswith(b"\n"):
            raise BadBackup(f"{name}: ends in row {number} of {wanted}, or that is too long")
        yield line
    if _line(packed, name, wanted + 1):
        raise BadBackup(f"{name}: goes on after row {wanted}")


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Return where each member's content lies, and how long it is; nothing is read of them yet."""
    try:
        with tarfile.open(path, "r:") as archive:
            return _places(archive)
    except OSError as error:
        raise BadBackup(f"{path}: {error.strerror or error}") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BadBackup(f"{path}: is no backup: {error}") from None


def _places(archive: tarfile.TarFile) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for member in archive:
        shown = member.name[:80]
        if not member.isreg() or member.issparse() or not _NAME.fullmatch(member.name):
            raise BadBackup(f"{shown!r}: is no member of a backup")
        if member.name in found or len(found) >= MAX_MEMBERS or member.size > MAX_SIZE:
            raise BadBackup(f"{shown!r}: is there twice, or too large, or one too many")
        found[member.name] = (member.offset_data, member.size)
    return found


def _line(packed: gzip.GzipFile, name: str, number: int) -> bytes:
    try:
        return packed.readline(MAX_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise BadBackup(f"{name}: row {number}: {error}") from None


def _manifest(content: bytes) -> Manifest:
    try:
        document = cast("dict[str, Any]", json.loads(content))
        version, kind = document["version"], document["format"]
        if kind != FORMAT or version != VERSION:
            raise BadBackup(f"{MANIFEST}: of the format {kind!r}, version {version!r}; {FORMAT!r}, {VERSION} is known")
        tables = tuple(_entry(item) for item in document.pop("tables"))
        numbers = {str(name): int(value) for name, value in document.pop("numbers").items()}
        checksums = {str(name): str(value) for name, value in document.pop("checksums").items()}
        made_ms = int(document["made_ms"])
        product, revision, database, key = (str(document[name]) for name in _TEXTS)
        return Manifest(made_ms, product, revision, database, key, tables, numbers, checksums)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadBackup(f"{MANIFEST}: is damaged ({type(error).__name__})") from None


def _entry(document: Mapping[str, Any]) -> TableEntry:
    columns, kinds = tuple(map(str, document["columns"])), tuple(map(str, document["kinds"]))
    if len(columns) != len(kinds) or not _NAME.fullmatch(member_of(document["name"])):
        raise ValueError(columns)
    return TableEntry(document["name"], columns, kinds, int(document["rows"]))


def _seal_of(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _digest(stream: IO[bytes], begin: int, size: int) -> str:
    digest = hashlib.sha256()
    stream.seek(begin)
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()
