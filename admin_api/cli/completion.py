"""meterctl completion: what a shell has to read so that it completes commands, options and names of meters."""

from collections.abc import Mapping
from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from admin_api.cli.main import COMPLETE, cli
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_line

SHELLS: Final[Mapping[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> int:
    """Print the completion of a shell.

    \b
    bash:  eval "$(meterctl completion bash)"       in ~/.bashrc
    zsh:   eval "$(meterctl completion zsh)"        in ~/.zshrc
    fish:  meterctl completion fish | source        in ~/.config/fish/config.fish
    """
    show_line(SHELLS[shell](cli, {}, "meterctl", COMPLETE).source())
    return Outcome.DONE
