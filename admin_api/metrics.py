"""Metrics: the page that Prometheus scrapes, and the same numbers as JSON per meter and in sum."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, cast

from flask import Flask, Response, current_app, request

from admin_api.answers import answer, meant
from admin_api.auth import metrics_are_open
from admin_api.context import Area, Route, services
from admin_api.documents import Document, metrics_document, rate
from admin_api.metrics_page import MetricsPage
from admin_api.schemas.meters import MeterPath
from admin_api.schemas.system import MeterMetrics, MetricsSummary
from common.store.model import MeterStateRow, Role

PAGE: Final = "dlms_bridge_metrics_page"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SUMMED: Final = ("reads_ok", "reads_failed", "scaler_hits", "scaler_misses", "delivery_delivered", "delivery_waiting")


def show_page() -> Response:
    """Show what Prometheus scrapes.

    Packed with gzip for those who say that they take it.
    """
    page = page_of(current_app).read()
    packed = request.accept_encodings.quality("gzip") > 0
    made = Response(page.packed if packed else page.plain, content_type=CONTENT_TYPE)
    made.headers["Vary"] = "Accept-Encoding"
    if packed:
        made.headers["Content-Encoding"] = "gzip"
    return made


def page_of(app: Flask) -> MetricsPage:
    """Return the metrics page of an application."""
    return cast("MetricsPage", app.extensions[PAGE])


def show_metrics(path: MeterPath) -> Response:
    """Show a meter's counters since its worker's start."""
    found = meant(path.meter)
    return answer(metrics_document(found, services().store.states.get(found.uid)))


def show_summary() -> Response:
    """Show the sums over all meters."""
    store = services().store
    living = store.sights.names()
    states = [state for state in store.states.list() if state.uid in living]
    return answer(summary(len(living), states, Counter(str(alarm.severity) for alarm in store.alarms.active())))


def summary(meters: int, states: list[MeterStateRow], alarms: Mapping[str, int]) -> Document:
    """Return the sums as a document."""
    total = {name: sum(state.metrics.get(name, 0) for state in states) for name in _SUMMED}
    times = [state.metrics["cycle_ms_avg"] for state in states if "cycle_ms_avg" in state.metrics]
    return {
        "meters": meters,
        "by_state": dict(Counter(str(state.status) for state in states)),
        "avg_read_time": sum(times) / len(times) / 1000 if times else None,
        "reads_ok": total["reads_ok"],
        "reads_failed": total["reads_failed"],
        "success_rate": rate(total["reads_ok"], total["reads_ok"] + total["reads_failed"]),
        "messages_sent": total["delivery_delivered"],
        "messages_buffered": total["delivery_waiting"],
        "cache_hit_rate": rate(total["scaler_hits"], total["scaler_hits"] + total["scaler_misses"]),
        "active_alarms": dict(alarms),
    }


AREA: Final = Area(
    "metrics",
    (
        Route("GET", "/metrics/summary", Role.VIEWER, show_summary, answers={200: MetricsSummary}),
        Route("GET", "/metrics/<meter>", Role.VIEWER, show_metrics, answers={200: MeterMetrics}),
        Route(
            *("GET", "/meters/<meter>/metrics", Role.VIEWER, show_metrics),
            answers={200: MeterMetrics},
            name="show_meter_metrics",
        ),
    ),
    about="Counters, of one meter and in sum.",
)
SCRAPED: Final = Area(
    "scraped",
    (Route("GET", "/metrics", Role.VIEWER, show_page, metrics_are_open, answers={200: None}, media=CONTENT_TYPE),),
    prefixed=False,
    about="What Prometheus scrapes.",
)
