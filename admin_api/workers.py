"""What is asked of a meter's worker: wishes (pause, resume, start, stop) and commands (restart, test, read).

A wish answers 200 with the meter: it is kept, and true within seconds. A command answers 202 and where its row is, or
with ?wait=seconds the finished row, if it finishes in that time.
"""

from http import HTTPStatus
from typing import Final

from flask import Response

from admin_api.answers import answer, location, meant, meter_answer
from admin_api.auth import actor
from admin_api.context import Area, Route, View, services
from admin_api.documents import command_document
from admin_api.schemas.commands import CommandAnswer, CommandBody, CommandPath, Patience
from admin_api.schemas.meters import MeterAnswer, MeterPath
from common.meter_state import DesiredState
from common.store.model import CommandRow, CommandState, Role

LOOK_S: Final = 0.1  # between two looks at a row that somebody waits for
FINAL: Final = frozenset({CommandState.DONE, CommandState.FAILED, CommandState.EXPIRED, CommandState.CANCELLED})


def wish(desired: DesiredState, about: str) -> View:
    """Return the view that wishes a meter into a state."""

    def view(path: MeterPath) -> Response:
        return meter_answer(services().store.meters.set_desired(meant(path.meter).id, desired, actor()))

    view.__doc__ = about
    return view


def command(verb: str, about: str) -> View:
    """Return the view that asks a worker for a verb."""

    def view(path: MeterPath, query: Patience, body: CommandBody) -> Response:
        found = meant(path.meter)
        number = services().store.commands.insert(found.uid, verb, actor=actor(), timeout_s=body.timeout_s)
        return awaited_answer(number, query.wait)

    view.__doc__ = about
    return view


def awaited_answer(number: str, wait_s: float) -> Response:
    """Return a command's row, once it is finished or ``wait_s`` have passed: 200, else 202; and where it is."""
    row = _awaited(number, wait_s)
    status = HTTPStatus.OK if row.state in FINAL else HTTPStatus.ACCEPTED
    return answer(command_document(row), status, location("workers", "show_command", number=number))


def show_command(path: CommandPath) -> Response:
    """Show a command and what became of it."""
    return answer(command_document(services().store.commands.get(path.number)))


def _awaited(number: str, wait_s: float) -> CommandRow:
    """Look at a command until it is finished, at most ``wait_s``; at once when too many wait already."""
    bridge = services()
    row = bridge.store.commands.get(number)
    if wait_s <= 0 or not bridge.waiting.acquire(blocking=False):
        return row
    try:
        limit = bridge.clock.monotonic() + wait_s
        while row.state not in FINAL and bridge.clock.monotonic() < limit:
            bridge.clock.sleep(LOOK_S)
            row = bridge.store.commands.get(number)
    finally:
        bridge.waiting.release()
    return row


_WISHES: Final = (
    ("pause", DesiredState.PAUSED, "Pause a meter: its worker lets go of the line"),
    ("resume", DesiredState.RUNNING, "Resume a meter: it is read again"),
    ("start", DesiredState.RUNNING, "Start a meter's worker"),
    ("stop", DesiredState.STOPPED, "Stop a meter's worker"),
)
_VERBS: Final = (
    ("restart", "Restart a meter's worker"),
    ("test", "Test a meter: link, association and one read, with timings"),
    ("read", "Read a meter now: one cycle, with its values"),
)
_ACCEPTED: Final = {200: CommandAnswer, 202: CommandAnswer}

AREA: Final = Area(
    "workers",
    (
        *(
            Route(
                *("POST", f"/meters/<meter>/{word}", Role.OPERATOR, wish(state, about)),
                answers={200: MeterAnswer},
                name=f"{word}_meter",
                sends=("ETag",),
            )
            for word, state, about in _WISHES
        ),
        *(
            Route(
                *("POST", f"/meters/<meter>/{verb}", Role.OPERATOR, command(verb, about)),
                answers=_ACCEPTED,
                name=f"{verb}_meter",
                sends=("Location",),
            )
            for verb, about in _VERBS
        ),
        Route("GET", "/commands/<number>", Role.VIEWER, show_command, answers={200: CommandAnswer}),
    ),
    about="What is asked of a meter's worker: wishes, which stay, and commands, which are carried out once.",
)
