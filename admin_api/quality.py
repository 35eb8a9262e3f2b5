"""Quality: the QoS report, the action plan, and the diagnosis of one meter; all made of what was measured."""

from typing import Final

from flask import Response, request

from admin_api.answers import answer, meant
from admin_api.context import Area, Route, services
from admin_api.gathered import one_meter, planned, reported
from admin_api.payloads import known_queries
from admin_api.quality_documents import diagnosis_document, plan_document, report_document
from admin_api.readers import BadPayload
from common.store.model import Role
from common.store.periods import KEPT_MS

LONGEST: Final = KEPT_MS // 60_000  # minutes that are kept


def show_report() -> Response:
    """GET /system/report: targets against measured, over an hour and a day, or over ?minutes=."""
    known_queries(request.args, "minutes")
    bridge = services()
    return answer(report_document(reported(bridge.store, bridge.clock.wall_ms(), _minutes())))


def show_action_plan() -> Response:
    """GET /system/action-plan."""
    bridge = services()
    now = bridge.clock.wall_ms()
    return answer(plan_document(planned(bridge.store, now), now))


def show_diagnostics(meter: str) -> Response:
    """GET /meters/{id}/diagnostics."""
    bridge = services()
    return answer(diagnosis_document(one_meter(bridge.store, meant(meter), bridge.clock.wall_ms())))


def _minutes() -> int | None:
    text = request.args.get("minutes")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LONGEST:
        raise BadPayload("minutes", f"a whole number from 1 to {LONGEST} was expected")
    return int(text)


AREA: Final = Area(
    "quality",
    (
        Route("GET", "/system/report", Role.VIEWER, show_report),
        Route("GET", "/system/action-plan", Role.VIEWER, show_action_plan),
        Route("GET", "/meters/<meter>/diagnostics", Role.VIEWER, show_diagnostics),
    ),
)
