"""The application: areas of routes behind their guard, below /api and /api/v1; errors as problems.

In: store, settings, clock. Out: a Flask application that has touched neither database nor network yet.
"""

from collections.abc import Callable, Mapping
from typing import Final

from flask import Flask, Response, g, request
from flask_openapi3.openapi import OpenAPI

from admin_api import (
    access,
    alarms,
    configuration,
    docs,
    health,
    jobs,
    live_values,
    logs,
    meters,
    metrics,
    network,
    quality,
    readings,
    remote,
    transferring,
    workers,
)
from admin_api.addresses import networks
from admin_api.answers import NEWER
from admin_api.auth import guard
from admin_api.bodies import ApiRequest, arrived, check_json
from admin_api.context import EXTENSION, MAX_BODY, Area, Route, Services
from admin_api.exposition import StoreCollector
from admin_api.live.hub import HUB, Hub
from admin_api.live.patience import KNOWN_S, PATIENCE, STRANGER_S, Patience
from admin_api.metrics_page import MetricsPage
from admin_api.openapi import blueprint, document, new_app, takes
from admin_api.problems import install
from admin_api.schemas.refusals import shown
from admin_api.schemas.shape import BadPayload
from admin_api.throttle import Throttle
from common.clock import Clock
from common.settings import Settings
from common.store.engine import Store

AREAS: Final = (
    *(meters.AREA, workers.AREA, alarms.AREA, quality.AREA, metrics.AREA, metrics.SCRAPED),
    *(health.AREA, health.SYSTEM),
    *(configuration.AREA, transferring.AREA, readings.AREA, network.AREA, logs.AREA, live_values.AREA),
    *(access.AREA, remote.AREA, jobs.AREA),
    docs.AREA,
)
PREFIXES: Final = {"": "/api", NEWER: "/api/v1"}  # of a blueprint's name to that of its paths; the first is described
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that does not say otherwise itself."""
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")  # of answers over TLS alone (RFC 6797, 7.2)


def create_app(store: Store, settings: Settings, clock: Clock, *, check_answers: bool = False) -> Flask:
    """Return the application over a store; with ``check_answers`` (in tests) each answer has to fit its form."""
    app = new_app(check_answers)
    app.request_class = ApiRequest
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    app.extensions[EXTENSION] = Services(
        store, settings, clock, Throttle(clock), networks(settings.api.trusted_proxies)
    )
    app.extensions[HUB] = Hub(store, clock, live_values.places(settings.api))
    patience = app.extensions[PATIENCE] = Patience(clock)
    collector = StoreCollector(store, clock, settings.paths.root, settings.supervision)
    app.extensions[metrics.PAGE] = MetricsPage(collector, clock)
    areas = [area for area in AREAS if area is not docs.AREA or settings.api.docs]
    routes = _registered(app, areas)
    app.extensions[docs.DOCUMENT] = docs.Cached(lambda: document(areas, PREFIXES[""]))
    app.before_request(guard(routes))
    app.before_request(lambda: patience.lasts(KNOWN_S) if "caller" in g else patience.hurries())
    app.before_request(_received(routes))
    app.before_request(lambda: None if "caller" in g else patience.lasts(STRANGER_S))
    install(app)
    app.after_request(_marked)
    return app


def _registered(app: OpenAPI, areas: list[Area]) -> dict[str, Route]:
    """Register the areas; return their routes by endpoint."""
    routes: dict[str, Route] = {}
    operations = [route.operation for area in areas for route in area.routes]
    if len(set(operations)) < len(operations):
        raise ValueError("two routes have the same operation; give one of them a name")
    for area in areas:
        made = blueprint(area)
        names = PREFIXES if area.prefixed else {"": ""}
        app.register_api(made, name=area.name, url_prefix=names[""] or None)
        for name in names:
            if name:
                app.register_blueprint(made, name=f"{name}{area.name}", url_prefix=names[name])
            routes |= {f"{name}{area.name}.{route.operation}": route for route in area.routes}
    return routes


def _received(routes: Mapping[str, Route]) -> Callable[[], None]:
    """Return what looks at bodies and queries before any form does, once it is clear that the caller may send them."""
    json = {name for name, route in routes.items() if takes(route.view, "body")}
    raw = {name for name, route in routes.items() if takes(route.view, "raw")}
    bare = {name for name, route in routes.items() if not takes(route.view, "query")}

    def look() -> None:
        name = request.endpoint or ""
        if request.args and name in bare:
            raise BadPayload(shown(next(iter(request.args))), "not a query parameter here; there are none")
        if name in json:
            check_json(routes[name].body_limit)
        elif name in raw:
            arrived(routes[name].body_limit)

    return look


def _marked(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault(*HSTS)
    return response
