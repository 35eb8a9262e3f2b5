"""How far a long piece of work is: a bar on a terminal, a line for each new word elsewhere, nothing with ``--json``.

In: a title, what is done of how much, and words. Out: all of it on standard error, so that standard output holds the
result alone; rich is imported only where standard error is a terminal. What a work says comes at most TIMES_PER_S times
a second to the screen, however often it speaks.

    with progress("importing", total=len(rows), quiet=as_json) as tell:
        for number, row in enumerate(rows, 1):
            ...
            tell(number)
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TIMES_PER_S: Final = 5  # a person sees no more, and a line of a slow terminal carries no more


class Tell(Protocol):
    """Says how far it is; what is left out stays as it was."""

    def __call__(self, done: float | None = None, told: str = "", *, total: float | None = None) -> None: ...


@contextmanager
def progress(title: str, total: float | None = None, *, quiet: bool = False) -> Iterator[Tell]:
    """Give the work a way to say how far it is; without ``total`` the bar only shows that something is done."""
    if quiet:
        yield _Silence()
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        with _bar() as bar:
            yield _Bar(bar, bar.add_task(title, total=total, told=""))


class _Silence:
    def __call__(self, done: float | None = None, told: str = "", *, total: float | None = None) -> None:
        """Say nothing."""


class _Lines:
    """A line for each word that is another one than before; numbers alone are for a bar."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, done: float | None = None, told: str = "", *, total: float | None = None) -> None:
        del done, total
        if told and told != self._told:
            self._told = told
            print(told, file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        self._bar = bar
        self._task = task

    def __call__(self, done: float | None = None, told: str = "", *, total: float | None = None) -> None:
        self._bar.update(self._task, completed=done, total=total)
        if told:
            self._bar.update(self._task, told=told)


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Told(TextColumn):
        """What the work says of itself, never read as rich's markup: it may hold a meter's own words."""

        def render(self, task: object) -> Text:
            return Text(str(getattr(task, "fields", {}).get("told", "")))

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), Told(""))
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=TIMES_PER_S, transient=True)
