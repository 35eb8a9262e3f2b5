"""Options that several commands have: one word, one meaning, one check each.

In: what stands on the command line. Out: parameters of the command's function: ``limit``, ``since_ms``, ``timeout_s``,
``yes``. docs/OPERATIONS.md has the same as a table.
"""

import sys
from collections.abc import Callable
from typing import Final, TypeVar

import click

from common.clock import SystemClock
from common.moment import SYNTAX, moment_ms

TIMEOUT_S: Final = 30.0
MAX_TIMEOUT_S: Final = 600.0
MAX_LIMIT: Final = 1000
Command = TypeVar("Command", bound=Callable[..., int])


def moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Return the point in time that an option names, in milliseconds since 1970; raise BadMoment."""
    return None if text is None else moment_ms(text, SystemClock().wall_ms())


def since_option(told: str) -> Callable[[Command], Command]:
    """Give a command ``--since T`` (``since_ms``)."""
    return click.option("--since", "since_ms", callback=moment, metavar="T", help=f"{told} {SYNTAX}.")


def limit_option(default: int = 100, most: int = MAX_LIMIT, told: str = "newest first") -> Callable[[Command], Command]:
    """Give a command ``-n/--limit N`` (``limit``)."""
    return click.option(
        "-n",
        "--limit",
        type=click.IntRange(1, most),
        default=default,
        show_default=True,
        help=f"At most so many, {told}.",
    )


def timeout_option(default: float = TIMEOUT_S, most: float = MAX_TIMEOUT_S) -> Callable[[Command], Command]:
    """Give a command ``--timeout S`` (``timeout_s``)."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(1.0, most),
        default=default,
        show_default=True,
        metavar="S",
        help="Seconds to wait for the answer.",
    )


def yes_option(function: Command) -> Command:
    """Give a command that destroys something ``-y/--yes`` (``yes``)."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask; a program that calls is never asked.")(function)


def confirmed(question: str, *, yes: bool) -> bool:
    """Return whether to go on: a person at a terminal is asked, on standard error."""
    if yes or not sys.stdin.isatty():
        return True
    return click.confirm(question, err=True)
