"""`python -m tests.chaos`: the matrix of faults against the real product, one table.

`--rows K1,K2` plays those; else all. `--minutes` (or CHAOS_MINUTES) ends a run after the row that is on then; with
`--result FILE --resume` the next run goes on with the rows that are left. `--table FILE` plays nothing and prints a
file of results as Markdown, `--list` the rows. Exits 1 when a row failed.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Final

from tests.chaos.outcome import FAILED, Outcome
from tests.chaos.plant import Plant
from tests.chaos.registry import rows
from tests.chaos.results import Conditions, Results, commit, latest
from tests.chaos.row import Listed, OwnRow, Row, Stage
from tests.chaos.runner import follow, play
from tests.chaos.table import as_list, as_markdown, as_text

METERS: Final = 100
INTERVAL_S: Final = 5.0
SHORT_METERS: Final = 6
SHORT_INTERVAL_S: Final = 1.0
FOLLOWED_S: Final = 720.0
"""Starts of the last ten minutes raise `process`: an alarm that lasts longer would need a person."""
SHORT_FOLLOWED_S: Final = 120.0


def chosen(names: str, *, short: bool) -> list[Listed]:
    """Return the rows to be played, in order; unknown names end the run."""
    all_rows = rows()
    if names:
        wanted = names.split(",")
        if unknown := [name for name in wanted if name not in all_rows]:
            sys.exit(f"no rows {', '.join(unknown)}; there are {', '.join(all_rows)}")
        return [all_rows[name] for name in wanted]
    return [row for row in all_rows.values() if not row.by_name_only and (not short or row.rounds.short)]


def why_not(row: Listed) -> str:
    """Return why a row cannot be played here; nothing when it can."""
    if row.needs_root and os.geteuid() != 0:
        return "needs root"
    return row.why_not()


def by_stage(wanted: Iterable[Listed]) -> list[list[Listed]]:
    """Return rows in groups that share a system, in the order in which the stages appear."""
    stages: list[Stage | None] = []
    groups: list[list[Listed]] = []
    for row in wanted:
        stage = row.stage if isinstance(row, Row) else None
        if stage not in stages:
            stages.append(stage)
            groups.append([])
        groups[stages.index(stage)].append(row)
    return groups


class Run:
    """One run: what to play, on what, and until when."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._deadline = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
        self.results = Results(
            options.result,
            Conditions(commit(), options.meters, options.interval, options.short),
        )

    def all(self, wanted: Iterable[Listed]) -> Iterator[Outcome]:
        """Play rows, those of one stage on one system; yield what came of them."""
        left = list(wanted)
        if self._options.resume:
            done = self.results.done()
            yield from (done[row.id] for row in left if row.id in done)
            left = [row for row in left if row.id not in done]
        for outcome in (Outcome(row.id, row.fault, not_run=reason) for row in left if (reason := why_not(row))):
            yield self._kept(outcome)
        left = [row for row in left if not why_not(row)]
        with self._directory() as directory:
            for number, group in enumerate(by_stage(left)):
                if time.monotonic() < self._deadline:
                    yield from self._staged(group, Path(directory) / f"{number}")

    def _directory(self) -> AbstractContextManager[str]:
        """Return where the run lives; one that was named stays afterwards, with all logs."""
        if self._options.directory is None:
            return tempfile.TemporaryDirectory(prefix="chaos-")
        self._options.directory.mkdir(parents=True)
        return nullcontext(str(self._options.directory))

    def _staged(self, group: list[Listed], directory: Path) -> Iterator[Outcome]:
        if rows_on_plant := [row for row in group if isinstance(row, Row)]:
            yield from self._on_plant(rows_on_plant, directory)
        for row in group:
            if isinstance(row, OwnRow) and time.monotonic() < self._deadline:
                own = directory / row.id
                own.mkdir(parents=True)
                yield self._kept(row.play(own, short=self._options.short))

    def _on_plant(self, group: list[Row], directory: Path) -> Iterator[Outcome]:
        options = self._options
        with ExitStack() as stack:
            plant = Plant(
                group[0].stage, directory, meters=options.meters, interval_s=options.interval, short=options.short
            )
            stack.enter_context(plant)
            played = []
            for row in group:
                if time.monotonic() > self._deadline:
                    break
                played.append(self._kept(play(plant, row)))
            for outcome in follow(plant, played, SHORT_FOLLOWED_S if options.short else FOLLOWED_S):
                self.results.append(outcome)
        yield from played

    def _kept(self, outcome: Outcome) -> Outcome:
        self.results.append(outcome)
        print(as_text([outcome]).rsplit("\n", 1)[0].partition("\n")[2].rstrip(), flush=True)
        return outcome


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--rows", default="", help="K1,K2,…; without it all")
    parser.add_argument("--meters", type=int)
    parser.add_argument("--interval", type=float)
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("CHAOS_MINUTES") or 0))
    parser.add_argument("--result", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--directory", type=Path, help="a new one, kept afterwards with all logs")
    parser.add_argument("--list", action="store_true", help="print all rows as Markdown")
    parser.add_argument("--table", type=Path, help="print a file of results as Markdown")
    options = parser.parse_args()
    options.meters = options.meters or (SHORT_METERS if options.short else METERS)
    options.interval = options.interval or (SHORT_INTERVAL_S if options.short else INTERVAL_S)
    return options


def _end(_number: int, _frame: object) -> None:
    """Leave nothing running when a run in the background is ended."""
    sys.exit("ended")


def main() -> int:
    """Run; return the exit code."""
    signal.signal(signal.SIGTERM, _end)
    options = _options()
    if options.list:
        print(as_list(rows().values()), end="")
        return 0
    if options.table:
        order = list(rows())
        print(as_markdown(sorted(latest(options.table), key=lambda pair: order.index(pair[1].id))), end="")
        return 0
    outcomes = list(Run(options).all(chosen(options.rows, short=options.short)))
    print("\n" + as_text(outcomes))
    return int(any(outcome.verdict == FAILED for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
