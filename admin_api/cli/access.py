"""What commands that work on the store have in common: options, the open store, who acts, which meter is meant.

In: the command line's context. Out: settings, an open store, or one that is only looked at. SQLAlchemy is imported when
a store is to be changed, or lies elsewhere than in an SQLite file: help, completion, `list` and `status` stay quick.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import click

from admin_api.cli.main import STATE
from admin_api.cli.refusal import refused, this_user
from common.errors import Hopeless
from common.settings import BadSettings, Settings, load

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.looking import Looking

    Looked: TypeAlias = Store | Looking

MAX_ACTOR: Final = 64  # characters of the store's column
Command = TypeVar("Command", bound=Callable[..., int])


class NothingInstalled(Hopeless):
    """The state directory holds no installation."""


def shared_options(function: Command) -> Command:
    """Give a command ``--json`` (its parameter ``as_json``) and ``--state DIR``."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    state = click.option("--state", metavar="DIR", expose_value=False, callback=_remember, help="State directory.")
    return as_json(state(function))


def _remember(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.meta[STATE] = value


def settings() -> Settings:
    """Return the settings of the state directory that the command line or the environment names."""
    try:
        return load(click.get_current_context().meta.get(STATE))
    except BadSettings as error:
        cause = error.__context__
        if isinstance(cause, PermissionError):
            raise refused(cause) or error from None
        raise


@contextmanager
def opened() -> "Iterator[Store]":
    """Open the store of the installation; raise NothingInstalled where there is none."""
    from common.store.engine import open_from_settings
    from common.store.looking import refuse_newer, sqlite_file

    found = _installed()
    file = sqlite_file(found.store_url)
    if file is not None:
        refuse_newer(file)
    store = open_from_settings(found)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def looked_at() -> "Iterator[Looked]":
    """Give the store of the installation to be looked at alone; raise NothingInstalled where there is none."""
    from common.store.looking import Looking, sqlite_file

    file = sqlite_file(_installed().store_url)
    if file is not None:
        yield Looking(file)
        return
    with opened() as store:
        yield store


def _installed() -> Settings:
    found = settings()
    try:
        found.paths.master_key.stat()
    except (FileNotFoundError, NotADirectoryError):
        told = "nothing is installed here; `meterctl init`, or name it by --state"
        raise NothingInstalled(f"{found.paths.root}: {told}") from None
    return found


def actor() -> str:
    """Return who acts, for the audit: the user of this shell."""
    return f"meterctl:{this_user()}"[:MAX_ACTOR]
