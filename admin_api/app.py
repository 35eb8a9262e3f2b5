"""The application: areas of routes behind their guards, below /api and /api/v1; errors as problems.

In: store, settings, clock. Out: a Flask application that has touched neither database nor network yet.
"""

from typing import Final

from flask import Blueprint, Flask, Response

from admin_api import alarms, health, meters, metrics, quality, workers
from admin_api.answers import MAX_BODY
from admin_api.auth import guard
from admin_api.context import EXTENSION, Area, Services
from admin_api.exposition import MetricsPage
from admin_api.problems import install
from common.clock import Clock
from common.settings import Settings
from common.store.engine import Store

AREAS: Final = (
    *(meters.AREA, workers.AREA, alarms.AREA, quality.AREA, metrics.AREA, metrics.SCRAPED),
    *(health.AREA, health.SYSTEM),
)
PREFIXES: Final = {"": "/api", "v1_": "/api/v1"}  # of a blueprint's name to that of its paths


def create_app(store: Store, settings: Settings, clock: Clock) -> Flask:
    """Return the application over a store."""
    app = Flask("admin_api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    app.extensions[EXTENSION] = Services(store, settings, clock)
    app.extensions[metrics.PAGE] = MetricsPage(store, clock)
    for area in AREAS:
        made = blueprint(area)
        if not area.prefixed:
            app.register_blueprint(made)
            continue
        for name, prefix in PREFIXES.items():
            app.register_blueprint(made, name=f"{name}{area.name}", url_prefix=prefix)
    install(app)
    app.after_request(_marked)
    return app


def blueprint(area: Area) -> Blueprint:
    """Return the guarded routes of an area; an endpoint is its view's name, numbered from the second route on."""
    made, seen = Blueprint(area.name, __name__), set[str]()
    for number, route in enumerate(area.routes):
        name = route.view.__name__
        endpoint = f"{name}_{number}" if name in seen else name
        seen.add(name)
        made.add_url_rule(route.path, endpoint=endpoint, view_func=guard(route), methods=[route.method])
    return made


def _marked(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
