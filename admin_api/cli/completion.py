"""meterctl completion: what a shell has to read so that it completes commands, options and names of meters."""

import click
from click.shell_completion import get_completion_class

from admin_api.cli.main import COMPLETE, cli
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_line

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the completion of a shell.

    \b
    bash:  eval "$(meterctl completion bash)"       in ~/.bashrc
    zsh:   eval "$(meterctl completion zsh)"        in ~/.zshrc
    fish:  meterctl completion fish | source        in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "all three are click's own"  # SHELLS holds no other
    show_line(found(cli, {}, "meterctl", COMPLETE).source())
    return Outcome.DONE
