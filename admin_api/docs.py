"""The OpenAPI document and the page to browse it: Swagger UI as the library brings it, from this host alone.

In: the document, made when it is first asked for. Out: JSON with an ETag, a page, its files. Nothing of it names a
meter, so it is open; `[api] docs = false` takes it away.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final, cast

from flask import Response, current_app, request
from werkzeug.exceptions import NotFound

from admin_api.context import JSON, Area, Route
from admin_api.schemas.shape import Query

DOCUMENT: Final = "dlms_bridge_document"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI styles elements in place and carries its icons as data; it runs no script but its own files."""
_FILES: Final = {
    "swagger-ui.css": ("css/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("js/swagger-ui-bundle.js", "text/javascript"),
}
_START: Final = """window.onload = function () {
  SwaggerUIBundle({url: document.body.dataset.document, dom_id: "#page", deepLinking: true, validatorUrl: null});
};
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dlms-bridge: the REST API</title>
<link rel="stylesheet" href="{base}/docs/swagger-ui.css">
<script src="{base}/docs/swagger-ui-bundle.js"></script>
<script src="{base}/docs/start.js"></script>
</head>
<body data-document="{base}/openapi.json"><div id="page"></div></body>
</html>
"""


class Cached:
    """The document as it is sent, made once."""

    def __init__(self, make: Callable[[], dict[str, object]]) -> None:
        self._make = make
        self._made: bytes | None = None

    def octets(self) -> bytes:
        """Return the document; two threads that are first make the same twice."""
        if self._made is None:
            self._made = json.dumps(self._make()).encode()
        return self._made


class AssetPath(Query):
    """A file of the page."""

    asset: str


def show_document() -> Response:
    """Show the OpenAPI document."""
    page = cast("Cached", current_app.extensions[DOCUMENT])
    return _conditional(Response(page.octets(), mimetype=JSON))


def show_docs() -> Response:
    """Show the page to browse the API."""
    return _page(Response(_PAGE.format(base=request.path.rstrip("/").removesuffix("/docs")), mimetype="text/html"))


def show_asset(path: AssetPath) -> Response:
    """Show a file of the page."""
    if path.asset == "start.js":
        return _page(Response(_START, mimetype="text/javascript"))
    if path.asset not in _FILES:
        raise NotFound
    name, media = _FILES[path.asset]
    octets = files("flask_openapi3_swagger").joinpath("templates", "swagger", name).read_bytes()
    return _conditional(_page(Response(octets, mimetype=media)))


def _page(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _conditional(response: Response) -> Response:
    response.set_etag(sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "no-cache"  # may be kept, and is asked for each time
    return cast("Response", response.make_conditional(request))


_GIVEN: Final = {200: None, 304: None}
AREA: Final = Area(
    "docs",
    (
        Route("GET", "/openapi.json", None, show_document, answers=_GIVEN, shown=False),
        Route("GET", "/docs", None, show_docs, answers=_GIVEN, media="text/html", shown=False),
        Route("GET", "/docs/<asset>", None, show_asset, answers=_GIVEN, media="text/css", shown=False),
    ),
    about="This document.",
)
