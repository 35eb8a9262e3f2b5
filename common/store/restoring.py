"""A store made from a backup: whole or not at all, whatever database it goes to, brought to this program's schema.

In: a checked backup and a database. Out: how many rows there are, and where the store that was there is kept. Only for
who alone has the state directory. A file is made beside the old one and takes its place by its name; on a server all
happens in one transaction, after the old store was written to a backup of its own.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, MetaData, delete, func, inspect, select, update

from common.errors import Hopeless
from common.store import safekeeping
from common.store.archive import KEY, MANIFEST, BadBackup, Reader
from common.store.backup import Packed, Source, write
from common.store.content import REVISIONS, load
from common.store.database import Database, Way
from common.store.errors import NoSuchRevision, StoreDamaged, StoreTooNew
from common.store.migrations.upgrade import HEAD, move, revisions
from common.store.tables import SEALED, metadata, meters, sessions
from common.vault import KEY_SIZE, key_id, read_key


class StoreNotEmpty(Hopeless):
    """The store that a backup is to replace holds meters."""


class KeyMissing(Hopeless):
    """The backup holds secrets that open neither with a key of its own nor with the installation's."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a restoring made. ``aside``: where the store that was there is; None where there was none."""

    counts: dict[str, int]
    aside: Path | None


def key_of(reader: Reader, installed: Path) -> bytes | None:
    """Return the master key that a backup brings; None where the installed one serves. Raise KeyMissing, BadBackup."""
    if reader.has(KEY):
        key = reader.small(KEY)
        if len(key) != KEY_SIZE or key_id(key) != reader.manifest.key:
            raise BadBackup(f"{KEY}: is not the key that the manifest names")
        return key
    if installed.exists() and key_id(read_key(installed)[0]) == reader.manifest.key:
        return None
    if not _has_secrets(reader):
        return None
    raise KeyMissing(
        f"the backup has secrets under the key {reader.manifest.key} and was made without --with-key; "
        f"put that key at {installed}, or empty the secrets by --without-secrets"
    )


def rehearse(reader: Reader, scratch: Path) -> dict[str, int]:
    """Restore a backup into a file that is thrown away; return the rows of each table. Raise as ``restore`` does."""
    safekeeping.discard(scratch)
    try:
        return _make_file(reader, scratch, without_secrets=False)
    finally:
        safekeeping.discard(scratch)


def restore(reader: Reader, target: Source, now_ms: int, *, force: bool, without_secrets: bool = False) -> Done:
    """Put a backup's store in the place of the one that is there.

    Raise StoreNotEmpty (without ``force``), BadBackup, StoreTooNew, StoreUnavailable, StoreDamaged or NotWritten; then
    everything is as it was.
    """
    reader.check()
    if reader.manifest.revision not in revisions():
        raise StoreTooNew(f"the backup is of a newer version: schema {reader.manifest.revision}")
    if target.database.file is None:
        return _on_server(reader, target, now_ms, force=force, without_secrets=without_secrets)
    return _as_file(reader, target.database, target.database.file, now_ms, force=force, without_secrets=without_secrets)


def _as_file(reader: Reader, target: Database, path: Path, now_ms: int, *, force: bool, without_secrets: bool) -> Done:
    there = path.exists() and path.stat().st_size > 0
    if there and not force:
        _refuse_meters(target)
        target.close()
    draft = path.with_name(f".{path.name}.restored")
    safekeeping.discard(draft)
    try:
        counts = _make_file(reader, draft, without_secrets=without_secrets)
        aside = path.with_name(f"{path.name}.before-restore-{now_ms}")
        safekeeping.put_in_place(path, draft, aside)
    finally:
        safekeeping.discard(draft)
    return Done(counts, aside if there else None)


def _make_file(reader: Reader, path: Path, *, without_secrets: bool) -> dict[str, int]:
    database = Database(f"sqlite:///{path.absolute()}")
    try:
        database.prepare()
        with database.begin(Way.WISH) as connection:
            return _fill(connection, reader, without_secrets=without_secrets)
    finally:
        database.close()  # the last connection writes everything into the file itself


def _on_server(reader: Reader, target: Source, now_ms: int, *, force: bool, without_secrets: bool) -> Done:
    aside = None
    if not force:
        _refuse_meters(target.database)
    elif _has_tables(target.database):
        aside = target.key.with_name(f"before-restore-{now_ms}.tar")
        write(target, aside, now_ms)
    with target.database.begin(Way.WISH) as connection:
        found = MetaData()
        ours = {*(item.name for item in reader.manifest.tables), *_known(), REVISIONS}
        found.reflect(connection, only=lambda name, _metadata: name in ours)
        found.drop_all(connection)
        return Done(_fill(connection, reader, without_secrets=without_secrets), aside)


def _fill(connection: Connection, reader: Reader, *, without_secrets: bool) -> dict[str, int]:
    try:
        move(connection, reader.manifest.revision)
    except NoSuchRevision as error:
        raise StoreTooNew(f"the backup is of a newer version: {error.detail}") from None
    try:
        counts = load(connection, Packed(reader))
    except StoreDamaged as error:
        raise BadBackup(f"{MANIFEST}: {error.detail}") from None
    wanted = {item.name: item.rows for item in reader.manifest.tables}
    if counts != wanted:
        raise BadBackup(f"{min(wanted.items() ^ counts.items())[0]}: not as many rows as the manifest says")
    move(connection, HEAD)
    connection.execute(delete(sessions))  # who was logged in then may have been shut out since
    if without_secrets:
        for name, (_, fields) in SEALED.items():
            connection.execute(update(metadata.tables[name]).values(dict.fromkeys(fields, b"")))
    return counts


def _refuse_meters(database: Database) -> None:
    if not _has_tables(database):
        return
    with database.begin(Way.READ) as connection:
        count = int(connection.execute(select(func.count()).select_from(meters)).scalar_one())
    if count:
        raise StoreNotEmpty(f"the store there has {count} meters; --force replaces it, and keeps it aside")


def _has_tables(database: Database) -> bool:
    with database.begin(Way.READ) as connection:
        return inspect(connection).has_table(meters.name)


def _known() -> set[str]:
    return set(metadata.tables)


def _has_secrets(reader: Reader) -> bool:
    packed = Packed(reader)
    for table in packed.tables:
        if table.name in SEALED:
            places = [table.columns.index(name) for name in SEALED[table.name][1] if name in table.columns]
            if any(row[place] for row in packed.rows(table) for place in places):
                return True
    return False
