"""What is asked of a meter's worker: wishes (pause, resume, start, stop) and commands (restart, test, read).

A wish answers 200 with the meter: it is kept, and true within seconds. A command answers 202 and where its row is, or
with ?wait=seconds the finished row, if it finishes in that time.
"""

from http import HTTPStatus
from typing import Final

from flask import Response, request, url_for

from admin_api.answers import answer, body, meant, revision_header
from admin_api.auth import actor
from admin_api.context import Area, Route, View, services
from admin_api.documents import command_document, meter_document
from admin_api.payloads import command_options, known_queries
from common.meter_state import DesiredState
from common.store.model import CommandRow, CommandState, Role

LOOK_S: Final = 0.1  # between two looks at a row that somebody waits for
FINAL: Final = frozenset({CommandState.DONE, CommandState.FAILED, CommandState.EXPIRED})


def wish(desired: DesiredState) -> View:
    """Return the view that wishes a meter into a state."""

    def view(meter: str) -> Response:
        changed = services().store.meters.set_desired(meant(meter).id, desired, actor())
        return answer(
            meter_document(changed, services().store.states.get(changed.uid)), headers=revision_header(changed)
        )

    return view


def command(verb: str) -> View:
    """Return the view that asks a worker for a verb."""

    def view(meter: str) -> Response:
        known_queries(request.args, "wait")
        options = command_options(request.args, body())
        found = meant(meter)
        number = services().store.commands.insert(found.uid, verb, actor=actor(), timeout_s=options.timeout_s)
        row = _awaited(number, options.wait_s)
        where = {"Location": url_for(f"{request.blueprint}.show_command", number=number)}
        return answer(command_document(row), HTTPStatus.OK if row.state in FINAL else HTTPStatus.ACCEPTED, where)

    return view


def show_command(number: str) -> Response:
    """GET /commands/{id}."""
    return answer(command_document(services().store.commands.get(number)))


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


_WISHES: Final = {
    "pause": DesiredState.PAUSED,
    "resume": DesiredState.RUNNING,
    "start": DesiredState.RUNNING,
    "stop": DesiredState.STOPPED,
}
_VERBS: Final = ("restart", "test", "read")

AREA: Final = Area(
    "workers",
    (
        *(Route("POST", f"/meters/<meter>/{word}", Role.OPERATOR, wish(state)) for word, state in _WISHES.items()),
        *(Route("POST", f"/meters/<meter>/{verb}", Role.OPERATOR, command(verb)) for verb in _VERBS),
        Route("GET", "/commands/<number>", Role.VIEWER, show_command),
    ),
)
