"""Arguments that name meters: an ID is a meter's name, its number, or its uid; a shell may complete the name.

In: what stands on the command line. Out: the parameters ``meter_id`` and ``ids``; for a shell the names that begin so.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from admin_api.cli.access import looked_at
from admin_api.cli.main import STATE
from common.errors import BridgeError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., int])


def names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the names of meters that begin so; none where there is no installation: a shell is told no errors."""
    from click.shell_completion import CompletionItem

    if state := context.find_root().params.get("state"):
        context.meta.setdefault(STATE, state)
    try:
        with context.scope(cleanup=False), looked_at() as store:
            found = sorted(meter.wish.name for meter in store.meters.list())
    except BridgeError:
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def meter_argument(function: Command) -> Command:
    """Give a command one ``ID`` (``meter_id``)."""
    return click.argument("meter_id", metavar="ID", shell_complete=names)(function)


def meters_argument(function: Command) -> Command:
    """Give a command at least one ``ID`` (``ids``)."""
    return click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=names)(function)


def any_meters_argument(function: Command) -> Command:
    """Give a command any number of ``ID`` (``ids``); none means all."""
    return click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=names)(function)
