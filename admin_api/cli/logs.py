"""meterctl logs: what a meter's worker, or another program of the system, wrote to its log.

In: an ID, or a program's name, and the files below STATE/log. Out: lines as they are, control characters made visible;
with ``--json`` an object each.
"""

from collections.abc import Sequence
from typing import Final

import click

from admin_api.cli.access import looked_at, settings, shared_options
from admin_api.cli.named import names
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.log_file import MAX_LINES, Growth, last_lines, line_document
from common.clock import SystemClock
from common.errors import Hopeless
from common.redaction import redact
from common.store.errors import NoSuchMeter

PROGRAMS: Final = ("publisher", "supervisor_qos", "api", "notifier", "supervisord", "broker", "simulator", "scanner")
LOOK_S: Final = 0.25  # between two looks at a log that is followed
_VISIBLE: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}


class NoLog(Hopeless):
    """A program that has not written anything yet, or never runs here."""


@click.command()
@click.argument("name", metavar="ID", shell_complete=names)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0, MAX_LINES),
    default=100,
    show_default=True,
    help="So many lines, the last.",
)
@shared_options
def logs(name: str, follow: bool, limit: int, as_json: bool) -> int:
    """Show the log of a meter's worker, or of a program of the system.

    Instead of an ID: publisher, supervisor_qos, api, notifier, supervisord, broker, simulator, scanner.
    """
    program = _program(name)
    path = settings().paths.log / f"{program}.log"
    clock = SystemClock()
    growth = Growth(path)
    lines = last_lines(path, limit, growth.position)
    if not lines and not follow and not path.exists():
        raise NoLog(f"{path}: there is no log; it comes with the first start of what is asked for")
    _show(program, lines, as_json=as_json)
    while follow:
        clock.sleep(LOOK_S)
        _show(program, list(growth.lines()), as_json=as_json)
    return Outcome.DONE


def _program(name: str) -> str:
    """Return the program that is meant: a meter's goes before another of that name. Raise NoSuchMeter."""
    try:
        with looked_at() as store:
            return f"meter-{store.meters.find(name).uid.hex()}"
    except NoSuchMeter as error:
        if name in PROGRAMS:
            return name
        raise NoSuchMeter(f"{error.detail}, and no program either; there are {', '.join(PROGRAMS)}") from None


def _show(program: str, lines: Sequence[str], *, as_json: bool) -> None:
    for line in map(redact, lines):  # a program that dies writes past its own log, which removes secrets itself
        if as_json:
            show_json({"log": program, **line_document(line)})
        else:
            show_line(line.translate(_VISIBLE))
