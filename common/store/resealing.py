"""A new master key for a store that may be in use: every secret is sealed anew, in one transaction.

In: the store, its vault, the key's file. Out: the steps, one after the other; who takes them may be killed between any
two. Writers seal inside their transactions and follow the key file, so that what they write is either found by the
sealing anew or sealed under the new key already. Which columns are sealed is said by the table ``SEALED`` alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select, update

from common.clock import Clock
from common.errors import Hopeless
from common.master_key import KeyChange
from common.store.audit import note
from common.store.database import Database, Way
from common.store.safekeeping import copy, copy_path
from common.store.tables import SEALED, WISHES, metadata, versions
from common.vault import Unsealable, Vault, read_key

STEPS: Final = ("checked", "made", "kept", "in force", "sealed anew", "verified", "ended")


class NotSealedAnew(Hopeless):
    """After the change something would not open with the new key alone; the key before is kept."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A change of the master key at ``path``. ``aside``: where the old key is kept; None: it is destroyed."""

    database: Database
    path: Path
    clock: Clock
    actor: str
    aside: Path | None = None

    def steps(self) -> Iterator[tuple[str, int]]:
        """Take the steps; give the name of each when it is done, and how many secrets it was about.

        A change that was not finished is finished, and none is begun. Raise Unsealable, BadKey, NotSealedAnew,
        StoreUnavailable or StoreDamaged.
        """
        change = KeyChange(self.path)
        unfinished = change.is_unfinished()
        yield "checked", self._count(Vault.load(self.path))
        if not unfinished:
            change.make()
            yield "made", 0
            change.keep()
            yield "kept", 0
            change.switch()
            yield "in force", 0
        yield "sealed anew", self._seal_anew()
        if self.database.file is not None and copy_path(self.database.file).exists():
            copy(self.database.file)
        yield "verified", self._verify()
        change.end(self.aside)
        yield "ended", 0

    def _seal_anew(self) -> int:
        vault = Vault.load(self.path)
        with self.database.begin(Way.WISH) as connection:
            count = sum(_seal_table(connection, vault, name) for name in SEALED)
            raised = update(versions).where(versions.c.name == WISHES)  # so that the copy is made anew, too
            connection.execute(raised.values(value=versions.c.value + 1))
            details = {"secrets": count, "key": vault.key_id}
            note(connection, self.clock.wall_ms(), self.actor, "key.rotate", "master key", details)
        return count

    def _verify(self) -> int:
        """Open everything with the new key alone; return how many secrets there are."""
        alone = Vault(read_key(self.path)[0])
        try:
            count = self._count(alone)
            self._count_copy(alone)
        except Unsealable as error:
            raise NotSealedAnew(f"{error.detail}; the key before is kept, run it again") from error
        return count

    def _count(self, vault: Vault) -> int:
        return _open_all(self.database, vault)

    def _count_copy(self, vault: Vault) -> None:
        if self.database.file is None or not copy_path(self.database.file).exists():
            return
        copied = Database(f"sqlite:///{copy_path(self.database.file).absolute()}")
        try:
            _open_all(copied, vault)
        finally:
            copied.close()


def _open_all(database: Database, vault: Vault) -> int:
    """Open all secrets of a database; return how many there are. Raise Unsealable."""
    with database.begin(Way.READ) as connection:
        return sum(_open_table(connection, vault, name) for name in SEALED)


def _open_table(connection: Connection, vault: Vault, name: str) -> int:
    bound, fields = SEALED[name]
    table = metadata.tables[name]
    rows = connection.execute(select(table.c[bound], *(table.c[field] for field in fields))).all()
    return sum(_open_row(vault, fields, *row) for row in rows)


def _open_row(vault: Vault, fields: tuple[str, ...], uid: bytes, *sealed: bytes) -> int:
    return sum(bool(vault.open(uid, field, value)) for field, value in zip(fields, sealed, strict=True))


def _seal_table(connection: Connection, vault: Vault, name: str) -> int:
    bound, fields = SEALED[name]
    table = metadata.tables[name]
    count = 0
    for uid, *sealed in connection.execute(select(table.c[bound], *(table.c[field] for field in fields))).all():
        given = {field: vault.resealed(uid, field, value) for field, value in zip(fields, sealed, strict=True)}
        changed: Mapping[str, bytes] = {field: value for field, value in given.items() if value is not None}
        if changed:
            connection.execute(update(table).where(table.c[bound] == uid).values(**changed))
        count += len(changed)
    return count
