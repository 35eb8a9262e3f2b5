"""People who log in by name. The store keeps the hash that it is given; how it is made is not its business.

In: names, roles, hashes. Out: UserRow values. A change of password or role, and whatever shuts a person out, ends the
sessions in the same transaction. While no token of an admin lives, the last admin stays.
"""

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from common.clock import Clock
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import BadWish, LastAdmin, NoSuchUser, TooManyUsers, UserTaken
from common.store.model import Role, UserRow
from common.store.tables import sessions, users
from common.store.tokens import has_living_admin

MAX_USERS: Final = 500  # of one installation: operators of a utility, not its customers
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Users:
    """Who may log in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, name: str, role: Role, password_hash: str, actor: str) -> UserRow:
        """Add a user; raise BadWish, UserTaken or TooManyUsers."""
        known, now = user_name(name), self._clock.wall_ms()
        values = {"name": known, "role": str(role), "password": password_hash, "created_at": now, "changed_at": now}
        with self._database.begin(Way.WISH) as connection:
            if connection.execute(select(users.c.id).where(users.c.name == known)).first() is not None:
                raise UserTaken(f"there is a user {known!r} already")
            if int(connection.execute(select(func.count()).select_from(users)).scalar_one()) >= MAX_USERS:
                raise TooManyUsers(f"there are {MAX_USERS} users, as many as there may be")
            number = int(connection.execute(insert(users).values(**values).returning(users.c.id)).scalar_one())
            note(connection, now, actor, "user.add", known, {"role": str(role)})
            return _by_id(connection, number)

    def list(self) -> Sequence[UserRow]:
        """Return all users by name."""
        with self._database.begin(Way.READ) as connection:
            return [user_row(row) for row in connection.execute(select(users).order_by(users.c.name)).mappings()]

    def find(self, user: str) -> UserRow:
        """Return a user by name or id; raise NoSuchUser."""
        with self._database.begin(Way.READ) as connection:
            return _find(connection, user)

    def hash_of(self, name: str) -> tuple[UserRow, str] | None:
        """Return the user of a name who may log in, and the hash to compare with; None when there is none."""
        query = select(users).where(users.c.name == name.lower(), users.c.disabled_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else (user_row(row), str(row["password"]))

    def change(
        self, user: str, actor: str, *, role: Role | None = None, disabled: bool | None = None, password_hash: str = ""
    ) -> UserRow:
        """Change what is given and end the user's sessions; raise NoSuchUser or LastAdmin."""
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            found = _find(connection, user)
            values: dict[str, object] = {"changed_at": now}
            if role is not None and role is not found.role:
                values["role"] = str(role)
            if disabled is not None and disabled is (found.disabled_at is None):
                values["disabled_at"] = now if disabled else None
            if password_hash:
                values["password"] = password_hash
            changed = sorted(values.keys() - {"changed_at"})
            if not changed:
                return found
            if role not in {None, Role.ADMIN} or disabled:
                _keep_an_admin(connection, found, now)
            connection.execute(update(users).where(users.c.id == found.id).values(**values))
            connection.execute(delete(sessions).where(sessions.c.user_id == found.id))
            note(connection, now, actor, "user.edit", found.name, _changes(changed, values))
            return _by_id(connection, found.id)

    def rehash(self, number: int, old: str, new: str) -> None:
        """Replace the hash of the same password by a better one, unless the password changed meanwhile."""
        where = (users.c.id == number, users.c.password == old)
        with self._database.begin(Way.WISH) as connection:
            connection.execute(update(users).where(*where).values(password=new))

    def remove(self, user: str, actor: str) -> None:
        """Remove a user and the sessions; raise NoSuchUser or LastAdmin."""
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            found = _find(connection, user)
            _keep_an_admin(connection, found, now)
            connection.execute(delete(sessions).where(sessions.c.user_id == found.id))
            connection.execute(delete(users).where(users.c.id == found.id))
            note(connection, now, actor, "user.remove", found.name, {})


def user_name(text: str) -> str:
    """Return a name as it is kept, in small letters; raise BadWish."""
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise BadWish("name", "1 to 64 letters, digits and . _ @ -, the first a letter or digit")
    return name


def _changes(changed: Sequence[str], values: dict[str, object]) -> dict[str, object]:
    """Return what the audit says: names, and the values that are no secret."""
    details: dict[str, object] = {"changed": changed}
    if "role" in values:
        details["role"] = values["role"]
    if "disabled_at" in values:
        details["disabled"] = values["disabled_at"] is not None
    return details


def _keep_an_admin(connection: Connection, leaving: UserRow, now: int) -> None:
    if leaving.role is not Role.ADMIN or leaving.disabled_at is not None or has_living_admin(connection, now):
        return
    others = (users.c.role == str(Role.ADMIN), users.c.disabled_at.is_(None), users.c.id != leaving.id)
    if connection.execute(select(users.c.id).where(*others).limit(1)).first() is None:
        raise LastAdmin(f"{leaving.name} is the last admin, and no admin's token lives: make another one first")


def _find(connection: Connection, user: str) -> UserRow:
    by_id = users.c.id == int(user) if user.isdecimal() and len(user) < 10 else None
    row = connection.execute(select(users).where(users.c.name == user.lower())).mappings().first()
    if row is None and by_id is not None:
        row = connection.execute(select(users).where(by_id)).mappings().first()
    if row is None:
        raise NoSuchUser(f"there is no user {user[:64]!r}")
    return user_row(row)


def _by_id(connection: Connection, number: int) -> UserRow:
    return user_row(connection.execute(select(users).where(users.c.id == number)).mappings().one())


def user_row(values: RowMapping) -> UserRow:
    """Return the user that a row of ``users`` holds."""
    return UserRow(
        id=values["id"],
        name=values["name"],
        role=Role(values["role"]),
        created_at=values["created_at"],
        changed_at=values["changed_at"],
        disabled_at=values["disabled_at"],
    )
