"""What passes on meters' lines and to the broker, over HTTP: of one meter and of all."""

from typing import Final

from flask import Response

from admin_api import network_documents as documents
from admin_api.answers import answer, meant, window
from admin_api.context import Area, Route, services
from admin_api.schemas.meters import MeterPath
from admin_api.schemas.network import MeterNetwork, NetworkMetrics, NetworkQuery
from admin_api.sockets import of_worker
from common.store.model import Role

PUBLISHER: Final = "publisher"
_COUNTED: Final = {
    "messages": "mqtt_messages",
    "octets": "mqtt_octets",
    "sessions": "mqtt_sessions",
    "disconnects": "mqtt_disconnects",
}


def show_network(path: MeterPath, query: NetworkQuery) -> Response:
    """Show what passes on a meter's line and of it to the broker."""
    meter, store = meant(path.meter), services().store
    state = store.states.get(meter.uid)
    series = store.periods.series(meter.uid, *window(query.since, query.to), int(query.resolution))
    opened, connected = of_worker(state.process_id, meter.uid)
    return answer({
        "meter_id": meter.id,
        "uid": meter.uid.hex(),
        "name": meter.wish.name,
        "line": documents.line([state]),
        "sockets": {"open": opened, "connected": connected},
        "mqtt": documents.messages(state),
        "rates": documents.rates(series, sum(counts.measured_ms for counts in series)),
        "items": [documents.period(counts) for counts in series],
    })


def show_network_metrics(query: NetworkQuery) -> Response:
    """Show what passes on all lines together, and to the broker."""
    store = services().store
    living = store.sights.names()
    span, resolution = window(query.since, query.to), int(query.resolution)
    series = store.periods.series(None, *span, resolution)
    system = store.periods.system_series(*span, resolution)
    told = store.states.components().get(PUBLISHER)
    counters = {} if told is None else dict(told.state.get("counters") or {})  # type: ignore[call-overload]
    return answer({
        "meters": len(living),
        "line": documents.line(state for state in store.states.list() if state.uid in living),
        "mqtt": {name: counters.get(key) for name, key in _COUNTED.items()},
        "rates": documents.rates(series, sum(counts.measured_ms for counts in system)),
        "items": [documents.period(counts) for counts in series],
        "broker": [documents.broker_period(counts) for counts in system],
    })


AREA: Final = Area(
    "network",
    (
        Route("GET", "/meters/<meter>/network", Role.VIEWER, show_network, answers={200: MeterNetwork}),
        Route("GET", "/network/metrics", Role.VIEWER, show_network_metrics, answers={200: NetworkMetrics}),
    ),
    about="What passes on lines and to the broker.",
)
