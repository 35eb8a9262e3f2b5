"""Health: open and terse for load balancers and probes, in full for those with a token.

/health answers 200 while the API can read the store; /ready answers 200 while readings can flow as well: supervisor and
publisher were heard of late. Neither names a meter.
"""

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from flask import Response

from admin_api.answers import answer
from admin_api.context import Area, Route, services
from admin_api.documents import Document, component_document
from admin_api.exposition import DISTRIBUTION
from admin_api.schemas.system import HealthAnswer, ReadyAnswer, SystemHealth, SystemStatus
from common.meter_state import DesiredState, MeterState
from common.store.model import ComponentRow, Role, Severity

SILENT_S: Final = 15.0  # both speak every second; supervisord has replaced a dead one well within this
PARTS: Final = ("supervisor", "publisher")
_WELL: Final = frozenset({MeterState.ACTIVE, MeterState.STARTING, MeterState.DISCOVERING})


def show_health() -> Response:
    """Tell load balancers whether the API can read the store."""
    ages = _ages(services().store.states.components())
    return answer({"status": "ok" if _all_heard(ages) else "degraded", "store": "ok"} | _rounded(ages))


def show_ready() -> Response:
    """Tell probes whether readings can flow: supervisor and publisher were heard of late."""
    ages = _ages(services().store.states.components())
    ready = _all_heard(ages)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return answer({"status": "ready" if ready else "not ready"} | _rounded(ages), status)


def show_system_health() -> Response:
    """Show what is well and what is not."""
    store = services().store
    ages = _ages(store.states.components())
    checks: Document = {name: {"ok": _heard(age), "age_s": age} for name, age in ages.items()}
    worst = [alarm for alarm in store.alarms.active() if alarm.severity in {Severity.ERROR, Severity.CRITICAL}]
    unwell = _unwell()
    checks["alarms"] = {"ok": not worst, "error_or_critical": len(worst)}
    checks["meters"] = {"ok": not unwell, "unwell": unwell}
    status = "down" if not _all_heard(ages) else "degraded" if worst or unwell else "ok"
    return answer({"status": status, "checks": checks})


def show_system_status() -> Response:
    """Show version, components and counts."""
    store, now = services().store, services().clock.wall_ms()
    meters = store.sights.standings()
    return answer({
        "version": version(DISTRIBUTION),
        "components": {name: component_document(row, now) for name, row in store.states.components().items()},
        "meters": {
            "total": len(meters),
            "by_state": dict(Counter(str(meter.status) for meter in meters)),
            "by_desired_state": dict(Counter(str(meter.desired_state) for meter in meters)),
        },
        "alarms": dict(Counter(str(alarm.severity) for alarm in store.alarms.active())),
    })


def _unwell() -> Document:
    """Return the states, other than those that are well, of meters that are wished running; with their numbers."""
    wanted = [each for each in services().store.sights.standings() if each.desired_state is DesiredState.RUNNING]
    return dict(Counter(str(each.status) for each in wanted if each.status not in _WELL))


def _ages(components: Mapping[str, ComponentRow]) -> dict[str, float | None]:
    now = services().clock.wall_ms()
    rows = {name: components.get(name) for name in PARTS}
    return {name: None if row is None else max(0, now - row.updated_ms) / 1000 for name, row in rows.items()}


def _heard(age_s: float | None) -> bool:
    return age_s is not None and age_s <= SILENT_S


def _all_heard(ages: Mapping[str, float | None]) -> bool:
    return all(map(_heard, ages.values()))


def _rounded(ages: Mapping[str, float | None]) -> Document:
    return {f"{name}_age_s": None if age is None else round(age, 1) for name, age in ages.items()}


AREA: Final = Area(
    "health",
    (
        Route("GET", "/health", None, show_health, answers={200: HealthAnswer}),
        Route("GET", "/ready", None, show_ready, answers={200: ReadyAnswer, 503: ReadyAnswer}),
    ),
    prefixed=False,
    about="Probes, open and terse.",
)
SYSTEM: Final = Area(
    "system",
    (
        Route("GET", "/system/health", Role.VIEWER, show_system_health, answers={200: SystemHealth}),
        Route("GET", "/system/status", Role.VIEWER, show_system_status, answers={200: SystemStatus}),
    ),
    about="The system as a whole.",
)
