"""Long work as resources: ordered with 202 and where the job is, looked at, cancelled.

A job goes on whoever looks. To cancel one that is finished or cancelled already changes nothing.
"""

from http import HTTPStatus
from typing import Final

from flask import Response

from admin_api.answers import answer, location, meant
from admin_api.auth import actor
from admin_api.context import Area, Route, services
from admin_api.documents import page_document
from admin_api.ordered import job_document, order_backfill, order_discovery, order_scan
from admin_api.schemas.jobs import JobAnswer, JobPage, JobPath, JobQuery, NewBackfill, NewScan
from admin_api.schemas.meters import MeterPath
from common.store.model import Role


def scan(body: NewScan) -> Response:
    """Look for meters in ranges of addresses, without a password, never at a meter of ours."""
    bridge = services()
    return _accepted(order_scan(bridge.store, bridge.settings.scan, body.ranges, body.ports, actor()))


def discover_meter(path: MeterPath) -> Response:
    """Ask a meter what it has; the result holds a configuration as PATCH takes it."""
    return _accepted(order_discovery(services().store, meant(path.meter), actor()))


def backfill_meter(path: MeterPath, body: NewBackfill) -> Response:
    """Read a range from a meter's load profile and deliver it, also what was delivered before."""
    return _accepted(order_backfill(services().store, meant(path.meter), (body.since, body.to), actor()))


def list_jobs(query: JobQuery) -> Response:
    """List jobs, newest first."""
    uid = None if query.meter_id is None else meant(query.meter_id).uid
    rows, total = services().store.commands.jobs(
        limit=query.limit, offset=query.offset, unfinished=query.unfinished, verb=query.verb, meter_uid=uid
    )
    return answer(page_document([job_document(row) for row in rows], total, query.limit, query.offset))


def show_job(path: JobPath) -> Response:
    """Show a job: how far it is, what became of it."""
    return answer(job_document(services().store.commands.job(path.number)))


def cancel_job(path: JobPath) -> Response:
    """Cancel a job: one that waits has ended then, one under way ends within seconds."""
    return answer(job_document(services().store.commands.cancel(path.number, actor())))


def _accepted(number: str) -> Response:
    row = services().store.commands.job(number)
    return answer(job_document(row), HTTPStatus.ACCEPTED, location("jobs", "show_job", number=number))


_ORDERED: Final = {202: JobAnswer}
_WHERE: Final = ("Location",)

AREA: Final = Area(
    "jobs",
    (
        Route("POST", "/scan", Role.OPERATOR, scan, answers=_ORDERED, sends=_WHERE),
        Route("POST", "/meters/<meter>/discover", Role.OPERATOR, discover_meter, answers=_ORDERED, sends=_WHERE),
        Route("POST", "/meters/<meter>/backfill", Role.OPERATOR, backfill_meter, answers=_ORDERED, sends=_WHERE),
        Route("GET", "/jobs", Role.VIEWER, list_jobs, answers={200: JobPage}, refuses=(404,)),
        Route("GET", "/jobs/<number>", Role.VIEWER, show_job, answers={200: JobAnswer}),
        Route("DELETE", "/jobs/<number>", Role.OPERATOR, cancel_job, answers={200: JobAnswer}),
    ),
    about="Long work: backfill, discovery, scan; how far it is, and how it is ended.",
)
