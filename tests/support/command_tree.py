"""The commands of meterctl as a tree: which leaves there are, as the words that a person types."""

from collections.abc import Iterator
from typing import Final

import click

from admin_api.cli.main import COMMANDS, cli

FOREIGN: Final = tuple(name for name, entry in COMMANDS.items() if not entry.where)
"""Commands of the meter's side, and others that read their own arguments by argparse."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every leaf with its words; a group that does something by itself is one, too."""
    context = click.Context(cli, info_name="meterctl")
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        if not isinstance(found, click.Group):
            yield name, found
            continue
        if found.invoke_without_command:
            yield name, found
        for word, leaf in found.commands.items():
            yield f"{name} {word}", leaf


def reads_its_own_arguments(command: click.Command) -> bool:
    """Return whether click hands a command its words as they are."""
    return any(parameter.type is click.UNPROCESSED for parameter in command.params)
