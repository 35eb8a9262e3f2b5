"""Quality: the QoS report, the action plan, and the diagnosis of one meter; all made of what was measured."""

from typing import Final

from flask import Response

from admin_api.answers import answer, meant
from admin_api.context import Area, Route, services
from admin_api.gathered import one_meter, planned, reported
from admin_api.quality_documents import diagnosis_document, plan_document, report_document
from admin_api.schemas.meters import MeterPath
from admin_api.schemas.quality import ActionPlan, Diagnosis, ReportAnswer, ReportQuery
from common.store.model import Role


def show_report(query: ReportQuery) -> Response:
    """Show targets against what was measured, over an hour and a day or over so many minutes."""
    bridge = services()
    return answer(report_document(reported(bridge.store, bridge.clock.wall_ms(), query.minutes)))


def show_action_plan() -> Response:
    """Show what is to be done, the most urgent first."""
    bridge = services()
    now = bridge.clock.wall_ms()
    return answer(plan_document(planned(bridge.store, now), now))


def show_diagnostics(path: MeterPath) -> Response:
    """Show what is the matter with a meter, and what shows it."""
    bridge = services()
    return answer(diagnosis_document(one_meter(bridge.store, meant(path.meter), bridge.clock.wall_ms())))


AREA: Final = Area(
    "quality",
    (
        Route("GET", "/system/report", Role.VIEWER, show_report, answers={200: ReportAnswer}),
        Route("GET", "/system/action-plan", Role.VIEWER, show_action_plan, answers={200: ActionPlan}),
        Route("GET", "/meters/<meter>/diagnostics", Role.VIEWER, show_diagnostics, answers={200: Diagnosis}),
    ),
    about="What was measured against its targets, what is the matter, what is to be done.",
)
