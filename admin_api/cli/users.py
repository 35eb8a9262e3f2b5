"""meterctl user: people who log in to the API by name. Passwords come from a prompt or a file, never from an argument.

In: names, roles, a password typed twice or the first line of a file (``-``: standard input). Out: changes of the store,
a line in the audit for each. What changes a person ends the sessions.
"""

import stat
import sys
from pathlib import Path
from typing import Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import confirmed, yes_option
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table, time_text
from admin_api.cli.tokens import ROLES
from admin_api.documents import user_document
from common.errors import Hopeless
from common.secret import Secret
from common.store.model import Role, UserRow

MAX_FILE: Final = 4096  # octets of a password's file
STDIN: Final = "-"


class BadPasswordFile(Hopeless):
    """The file of a password cannot be read, is open to others, or is empty."""


_password_file = click.option(
    "--password-file", metavar="FILE", help="Take the password from the first line of a file, - for standard input."
)


@click.group()
def user() -> None:
    """Add, list, change and remove the people who log in to the API."""


@user.command()
@click.argument("name", metavar="NAME")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What the user may do.")
@_password_file
@shared_options
def add(name: str, role: str, password_file: str | None, as_json: bool) -> int:
    """Add a user; the password is asked for, twice."""
    made = _hash(password_file)
    with opened() as store:
        return _shown(store.users.add(name, Role(role), made, actor()), as_json)


@user.command("list")
@shared_options
def list_users(as_json: bool) -> int:
    """List the users."""
    with opened() as store:
        rows = store.users.list()
    if as_json:
        show_json([user_document(row) for row in rows])
        return Outcome.DONE
    cells = [
        (str(row.id), row.name, row.role, "disabled" if row.disabled_at else "active", time_text(row.changed_at))
        for row in rows
    ]
    show_table(("id", "name", "role", "state", "changed"), cells)
    return Outcome.DONE


@user.command()
@click.argument("name", metavar="NAME")
@_password_file
@shared_options
def password(name: str, password_file: str | None, as_json: bool) -> int:
    """Give a user another password; the user's sessions end."""
    with opened() as store:
        store.users.find(name)
        return _shown(store.users.change(name, actor(), password_hash=_hash(password_file)), as_json)


@user.command()
@click.argument("name", metavar="NAME")
@click.argument("role", type=click.Choice(ROLES))
@shared_options
def role(name: str, role: str, as_json: bool) -> int:
    """Give a user another role; the user's sessions end."""
    with opened() as store:
        return _shown(store.users.change(name, actor(), role=Role(role)), as_json)


@user.command()
@click.argument("name", metavar="NAME")
@shared_options
def disable(name: str, as_json: bool) -> int:
    """Shut a user out at once; nothing of the user is forgotten."""
    with opened() as store:
        return _shown(store.users.change(name, actor(), disabled=True), as_json)


@user.command()
@click.argument("name", metavar="NAME")
@shared_options
def enable(name: str, as_json: bool) -> int:
    """Let a disabled user in again."""
    with opened() as store:
        return _shown(store.users.change(name, actor(), disabled=False), as_json)


@user.command()
@click.argument("name", metavar="NAME")
@yes_option
@shared_options
def remove(name: str, yes: bool, as_json: bool) -> int:
    """Remove a user; the user's sessions end."""
    if not confirmed(f"Remove the user {name}?", yes=yes):
        return Outcome.FAILED
    with opened() as store:
        store.users.remove(name, actor())
    if as_json:
        show_json({"name": name.lower(), "removed": True})
    return Outcome.DONE


def _hash(file: str | None) -> str:
    from admin_api.passwords import checked, hashed  # argon2 takes its time to load

    return hashed(checked(Secret(_asked() if file is None else _first_line(file))))


def _asked() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _first_line(file: str) -> str:
    if file == STDIN:
        return _line(sys.stdin.readline(MAX_FILE), "standard input")
    path = Path(file)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise BadPasswordFile(f"{file}: open to other users; chmod 0600")
        with path.open(encoding="utf-8") as stream:
            return _line(stream.readline(MAX_FILE), file)
    except OSError as error:
        raise BadPasswordFile(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadPasswordFile(f"{file}: not UTF-8") from None


def _line(text: str, where: str) -> str:
    if not text.rstrip("\r\n"):
        raise BadPasswordFile(f"{where}: its first line is empty")
    return text.rstrip("\r\n")


def _shown(row: UserRow, as_json: bool) -> int:
    if as_json:
        show_json(user_document(row))
    else:
        show_line(f"{row.name}  {row.role}{'  disabled' if row.disabled_at else ''}")
    return Outcome.DONE
