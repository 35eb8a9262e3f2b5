"""How rows are forgotten: a batch at a time, so that nobody waits long for the write lock.

In: a connection, a table and which of its rows are too old. Out: how many went, the first by key.
"""

from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

BATCH: Final = 1000  # rows of one transaction; the lock is held for some 10 ms


def forget(connection: Connection, table: Table, gone: ColumnElement[bool]) -> int:
    """Delete at most BATCH of these rows; return how many were."""
    key = tuple(table.primary_key.columns)
    first = select(*key).where(gone).order_by(*key).limit(BATCH)
    return connection.execute(delete(table).where(tuple_(*key).in_(first))).rowcount
