"""Metrics: the page that Prometheus scrapes, and the same numbers as JSON per meter and in sum."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, cast

from flask import Response, current_app
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from admin_api.answers import answer, meant
from admin_api.auth import metrics_are_open
from admin_api.context import Area, Route, services
from admin_api.documents import Document, metrics_document, rate
from admin_api.exposition import MetricsPage
from common.store.model import MeterStateRow, Role

PAGE: Final = "dlms_bridge_metrics_page"
_SUMMED: Final = ("reads_ok", "reads_failed", "scaler_hits", "scaler_misses", "delivery_delivered", "delivery_waiting")


def show_page() -> Response:
    """GET /metrics: Prometheus's text format."""
    page = cast("MetricsPage", current_app.extensions[PAGE])
    return Response(page.text(), content_type=CONTENT_TYPE_LATEST)


def show_metrics(meter: str) -> Response:
    """GET /metrics/{id} and /meters/{id}/metrics: counters since the worker's start."""
    found = meant(meter)
    return answer(metrics_document(found, services().store.states.get(found.uid)))


def show_summary() -> Response:
    """GET /metrics/summary: the sums over all meters."""
    store = services().store
    living = {meter.uid for meter in store.meters.list()}
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
        Route("GET", "/metrics/summary", Role.VIEWER, show_summary),
        Route("GET", "/metrics/<meter>", Role.VIEWER, show_metrics),
        Route("GET", "/meters/<meter>/metrics", Role.VIEWER, show_metrics),
    ),
)
SCRAPED: Final = Area("scraped", (Route("GET", "/metrics", Role.VIEWER, show_page, metrics_are_open),), prefixed=False)
