"""Alarms: list them, look at one, acknowledge one."""

from datetime import UTC, datetime
from typing import Final

from flask import Response, request

from admin_api.answers import answer, meant
from admin_api.auth import actor
from admin_api.context import Area, Route, services
from admin_api.documents import alarm_document, page_document
from admin_api.payloads import flag, known_queries, page
from admin_api.readers import BadPayload
from common.store.model import AlarmFilter, Role, Severity

_NUMBER: Final = "<int(max=9007199254740991):number>"


def list_alarms() -> Response:
    """GET /alarms: newest first; ?acknowledged= ?active= ?severity= ?category= ?meter_id= ?since= narrow."""
    query = request.args
    known_queries(
        query, "limit", "offset", "acknowledged", "active", "severity", "category", "meter_id", "meter", "since"
    )
    meter = query.get("meter_id") or query.get("meter")
    wanted = AlarmFilter(
        acknowledged=flag(query, "acknowledged"),
        active=flag(query, "active"),
        severity=_severity(query.get("severity")),
        category=query.get("category"),
        meter_uid=None if meter is None else meant(meter).uid,
        since_ms=_since(query.get("since")),
    )
    part = page(query)
    rows, total = services().store.alarms.list(wanted, limit=part.limit, offset=part.offset)
    return answer(page_document([alarm_document(row) for row in rows], total, part.limit, part.offset))


def show_alarm(number: int) -> Response:
    """GET /alarms/{id}."""
    return answer(alarm_document(services().store.alarms.get(number)))


def acknowledge_alarm(number: int) -> Response:
    """POST /alarms/{id}/ack: who was first stays."""
    return answer(alarm_document(services().store.alarms.acknowledge(number, actor())))


def _severity(text: str | None) -> Severity | None:
    if text is None:
        return None
    if text not in Severity.__members__.values():
        raise BadPayload("severity", f"one of {', '.join(Severity)} was expected")
    return Severity(text)


def _since(text: str | None) -> int | None:
    """Return milliseconds of an ISO 8601 time (UTC unless it says otherwise) or of milliseconds themselves."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadPayload("since", "an ISO 8601 time or milliseconds since 1970 were expected") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


AREA: Final = Area(
    "alarms",
    (
        Route("GET", "/alarms", Role.VIEWER, list_alarms),
        Route("GET", f"/alarms/{_NUMBER}", Role.VIEWER, show_alarm),
        Route("POST", f"/alarms/{_NUMBER}/ack", Role.OPERATOR, acknowledge_alarm),
        Route("POST", f"/alarms/{_NUMBER}/acknowledge", Role.OPERATOR, acknowledge_alarm),
    ),
)
