"""All rows of a store, whatever database and revision it is of: read from one, written into another.

In: a connection inside a transaction. Out: a ``Content``: the revision, the tables with their columns and kinds, rows
as plain values, and the highest number that each table has given. What is read comes from the database itself, not from
this program's tables: an older store is read as it is. JSON travels as its text, so that nothing of it is made anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol
from typing import cast as cast_to

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
    type_coerce,
)
from sqlalchemy.types import NullType

from common.store.errors import StoreDamaged

REVISIONS: Final = "alembic_version"
CHUNK: Final = 1000  # rows that are in memory at once
_KINDS: Final[Sequence[tuple[type, str]]] = (
    *((Boolean, "bool"), (JSON, "json"), (LargeBinary, "octets"), (Float, "float"), (Integer, "int")),
    (String, "text"),
)
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its columns in order, and of which kind each is."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


class Content(Protocol):
    """What a store holds, wherever it comes from."""

    @property
    def revision(self) -> str:
        """The revision of its schema; empty where there is none."""

    @property
    def tables(self) -> tuple[Shape, ...]:
        """Its tables, parents before their children."""

    @property
    def numbers(self) -> Mapping[str, int]:
        """The highest number that each table has ever given."""

    def rows(self, table: Shape) -> Iterable[Row]:
        """Give a table's rows in the order of their keys."""


@dataclass(frozen=True, slots=True)
class _Stored:
    connection: Connection
    reflected: MetaData
    revision: str
    tables: tuple[Shape, ...]
    numbers: Mapping[str, int]

    def rows(self, table: Shape) -> Iterator[Row]:
        source = self.reflected.tables[table.name]
        columns = [self._plain(column, kind) for column, kind in zip(source.c, table.kinds, strict=True)]
        makers = [_OUT[kind] for kind in table.kinds]
        query = select(*columns).order_by(*source.primary_key.columns)
        for row in self.connection.execution_options(yield_per=CHUNK).execute(query):
            yield tuple(None if value is None else make(value) for make, value in zip(makers, row, strict=True))

    def _plain(self, column: Column[object], kind: str) -> ColumnElement[object]:
        if kind == "json" and self.connection.dialect.name != "sqlite":
            return cast(column, Text)
        return type_coerce(column, NullType())


def content_of(connection: Connection) -> Content:
    """Return what the store behind a connection holds; its rows may be had while the transaction lasts."""
    reflected = MetaData()
    reflected.reflect(connection)
    ours = [table for table in reflected.sorted_tables if table.name != REVISIONS]
    revision = connection.execute(select(column("version_num")).select_from(table(REVISIONS))).scalar() if ours else ""
    return _Stored(connection, reflected, str(revision), tuple(map(_shape, ours)), _numbers(connection, ours))


def load(connection: Connection, content: Content) -> dict[str, int]:
    """Replace all rows of a store of the same revision by a content's; return how many there are, by table.

    Raise StoreDamaged where a table or column of the content is not one of the store.
    """
    here = content_of(connection)
    known = {shape.name: dict(zip(shape.columns, shape.kinds, strict=True)) for shape in here.tables}
    for shape in content.tables:
        missing = set(zip(shape.columns, shape.kinds, strict=True)) - known.get(shape.name, {}).items()
        if missing:
            raise StoreDamaged(f"{shape.name}: the schema {content.revision} has no {sorted(missing)[0][0]} like that")
    for shape in reversed(here.tables):
        connection.execute(delete(table(shape.name)))
    counts = {shape.name: _fill(connection, shape, content.rows(shape)) for shape in content.tables}
    _go_on_counting(connection, content)
    return counts


def _fill(connection: Connection, shape: Shape, rows: Iterable[Row]) -> int:
    slots = [f"p{number}" for number in range(len(shape.columns))]
    values = (_slot(connection, *pair) for pair in zip(slots, shape.kinds, strict=True))
    target = table(shape.name, *map(column, shape.columns))
    statement = insert(target).values(dict(zip(shape.columns, values, strict=True)))
    count, waiting = 0, iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        connection.execute(statement, [dict(zip(slots, row, strict=True)) for row in chunk])
        count += len(chunk)
    return count


def _slot(connection: Connection, name: str, kind: str) -> ColumnElement[object]:
    """Return the place of a value in a statement; a server is told which text is JSON."""
    plain: ColumnElement[object] = bindparam(name, type_=NullType())
    return cast(plain, JSON) if kind == "json" and connection.dialect.name != "sqlite" else plain


def _go_on_counting(connection: Connection, content: Content) -> None:
    """No number is given twice: each table goes on behind the highest that it ever gave."""
    for shape in content.tables:
        if "id" not in shape.columns or shape.kinds[shape.columns.index("id")] != "int":
            continue
        highest = connection.execute(select(func.max(column("id"))).select_from(table(shape.name))).scalar()
        last = max(content.numbers.get(shape.name, 0), int(highest or 0))
        if connection.dialect.name == "sqlite":
            _count_in_file(connection, shape.name, last)
        elif last:
            words = "SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"
            connection.execute(text(words), {"name": shape.name, "last": last})


def _count_in_file(connection: Connection, name: str, last: int) -> None:
    words = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name AND sql LIKE '%AUTOINCREMENT%'"
    if not connection.execute(text(words), {"name": name}).scalar():
        return
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
    if last:
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :last)"), {"name": name, "last": last})


def _numbers(connection: Connection, tables: Sequence[Table]) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        has = connection.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'")).scalar()
        rows = connection.execute(text("SELECT name, seq FROM sqlite_sequence")).all() if has else ()
        return {str(row.name): int(row.seq) for row in rows}
    found: dict[str, int] = {}
    for each in tables:
        if "id" in each.c and isinstance(each.c["id"].type, Integer):
            words = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)"
            last = connection.execute(text(words), {"name": each.name}).scalar()
            found |= {} if last is None else {each.name: int(last)}
    return found


def _shape(table: Table) -> Shape:
    return Shape(table.name, tuple(column.name for column in table.c), tuple(map(_kind, table.c)))


def _kind(column: Column[object]) -> str:
    for kind, word in _KINDS:
        if isinstance(column.type, kind):
            return word
    raise StoreDamaged(f"{column}: of a type that is not ours ({column.type!r})")


def _octets(value: object) -> bytes:
    """Return octets; SQLite gives the text that a column's default was where nobody wrote any."""
    return value.encode() if isinstance(value, str) else bytes(cast_to("bytes", value))


def _truth(value: object) -> bool:
    return bool(value)


def _float(value: object) -> float:
    return float(cast_to("float", value))


def _same(value: object) -> object:
    return value


_OUT: Final[Mapping[str, Callable[[object], object]]] = {
    "bool": _truth,
    "float": _float,
    "octets": _octets,
    "int": _same,
    "text": _same,
    "json": _same,
}
