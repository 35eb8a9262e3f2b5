"""Alarms: list them, look at one, acknowledge one, forget those that are over."""

from typing import Final

from flask import Response

from admin_api.answers import answer, meant
from admin_api.auth import actor
from admin_api.context import Area, Route, services
from admin_api.documents import alarm_document, page_document
from admin_api.schemas.alarms import AlarmAnswer, AlarmPage, AlarmPath, AlarmQuery, AlarmsRemoved, RemovedAlarms
from admin_api.schemas.shape import MAX_ID, BadPayload
from common.store.model import AlarmFilter, Role

_NUMBER: Final = f"<int(max={MAX_ID}):number>"


def list_alarms(query: AlarmQuery) -> Response:
    """List alarms, newest first."""
    meter = query.meter_id or query.meter
    wanted = AlarmFilter(
        acknowledged=query.acknowledged,
        active=query.active,
        severity=query.severity,
        category=query.category,
        meter_uid=None if meter is None else meant(meter).uid,
        since_ms=query.since,
    )
    rows, total = services().store.alarms.list(wanted, limit=query.limit, offset=query.offset)
    return answer(page_document([alarm_document(row) for row in rows], total, query.limit, query.offset))


def show_alarm(path: AlarmPath) -> Response:
    """Show an alarm."""
    return answer(alarm_document(services().store.alarms.get(path.number)))


def acknowledge_alarm(path: AlarmPath) -> Response:
    """Acknowledge an alarm; who was first stays."""
    return answer(alarm_document(services().store.alarms.acknowledge(path.number, actor())))


def remove_alarms(query: RemovedAlarms) -> Response:
    """Forget alarms that are over.

    At least one filter is needed. What lasts stays, whatever the filter says, and is not counted.
    """
    wanted = AlarmFilter(
        acknowledged=query.acknowledged,
        severity=query.severity,
        category=query.category,
        meter_uid=None if query.meter_id is None else meant(query.meter_id).uid,
        since_ms=query.since,
        before_ms=query.before,
    )
    if wanted == AlarmFilter():
        raise BadPayload("query", f"at least one of {', '.join(RemovedAlarms.model_fields)} is needed")
    return answer({"removed": services().store.alarms.remove(wanted, actor())})


AREA: Final = Area(
    "alarms",
    (
        Route("GET", "/alarms", Role.VIEWER, list_alarms, answers={200: AlarmPage}, refuses=(404,)),
        Route("DELETE", "/alarms", Role.ADMIN, remove_alarms, answers={200: AlarmsRemoved}, refuses=(404,)),
        Route("GET", f"/alarms/{_NUMBER}", Role.VIEWER, show_alarm, answers={200: AlarmAnswer}),
        *(
            Route(
                *("POST", f"/alarms/{_NUMBER}/{word}", Role.OPERATOR, acknowledge_alarm),
                answers={200: AlarmAnswer},
                name=f"{word}_alarm",
            )
            for word in ("ack", "acknowledge")
        ),
    ),
    about="Alarms: what was raised, how often, by whom it was acknowledged.",
)
