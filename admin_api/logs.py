"""Logs over HTTP: the last lines that a meter's worker or another program wrote, without secrets.

The file follows from a meter's uid or a word of a list, never from a path that a client names. What wrote a line has
removed its secrets; they are removed once more, because a program that dies writes past its own log.
"""

from collections.abc import Sequence
from typing import Final

from flask import Response

from admin_api.answers import answer, meant
from admin_api.context import Area, Route, services
from admin_api.log_file import last_lines, line_document
from admin_api.schemas.logs import ComponentLogQuery, LogLines, LogQuery
from admin_api.schemas.meters import MeterPath
from common.logs import MAX_LINE
from common.redaction import redact
from common.store.model import Role


def list_meter_log(path: MeterPath, query: LogQuery) -> Response:
    """Show the last lines of the log of a meter's worker."""
    return _lines(f"meter-{meant(path.meter).uid.hex()}", query.lines)


def list_system_log(query: ComponentLogQuery) -> Response:
    """Show the last lines of the log of a program of the system."""
    return _lines(query.component, query.lines)


def _lines(program: str, count: int) -> Response:
    lines = last_lines(services().settings.paths.log / f"{program}.log", count)
    return answer({"log": program, "items": documents(lines)})


def documents(lines: Sequence[str]) -> list[dict[str, object]]:
    """Return lines as documents, each cut to a length, without secrets."""
    return [line_document(redact(line[:MAX_LINE])) for line in lines]


AREA: Final = Area(
    "logs",
    (
        Route("GET", "/meters/<meter>/logs", Role.VIEWER, list_meter_log, answers={200: LogLines}),
        Route("GET", "/system/logs", Role.OPERATOR, list_system_log, answers={200: LogLines}),
    ),
    about="What workers and programs wrote.",
)
