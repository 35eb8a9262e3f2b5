"""Jobs that a command waits for: how far they are, their end, and how they are shown.

In: a job's id, how long to wait. Out: its row as it is at last. Ctrl-C ends the waiting, not the job: it is said how
the job is ended.
"""

import sys
from typing import TYPE_CHECKING, Final

from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_failure, show_line
from admin_api.cli.progress import Tell, progress
from admin_api.ordered import progress_of
from common.clock import SystemClock

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import CommandRow

LOOK_S: Final = 0.2  # between two looks at the job's row


def awaited(store: "Store", number: str, timeout_s: float, *, quiet: bool) -> "CommandRow":
    """Wait for a job's end, and tell each new progress; return the row as it is at last."""
    try:
        with progress(store.commands.job(number).verb, quiet=quiet) as tell:
            return _watched(store, number, timeout_s, tell)
    except KeyboardInterrupt:
        print(f"it goes on; `meterctl jobs cancel {number}` ends it", file=sys.stderr)
        raise


def _watched(store: "Store", number: str, timeout_s: float, tell: Tell) -> "CommandRow":
    clock = SystemClock()
    limit = clock.monotonic() + timeout_s
    while True:
        row = store.commands.job(number)
        found = progress_of(row)
        tell(found.done, told_of(row), total=found.total or None)
        if row.finished_ms is not None or clock.monotonic() > limit:
            return row
        clock.sleep(LOOK_S)


def told_of(row: "CommandRow") -> str:
    """Return how far a job is, in words; empty before it says so."""
    found = progress_of(row)
    return f"{found.done}/{found.total} {found.text}".rstrip() if found.total else found.text


def outcome_of(row: "CommandRow", *, waited: bool, name: str) -> int:
    """Say what a job that brought no result came to; return the exit code.

    One that goes on is no failure where nobody wanted to wait.
    """
    if row.finished_ms is None:
        show_line(f"{name}: under way, job {row.id}{f': {told_of(row)}' if row.progress else ''}")
        return Outcome.FAILED if waited else Outcome.DONE
    show_failure(name, row.verb, row.state, row.error_kind, row.error_detail)
    return Outcome.FAILED
