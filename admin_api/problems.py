"""Errors to HTTP: problem+json (RFC 9457) that names kind, detail and, where there is one, the field at fault.

One table turns our error classes into status codes. An error without a row is our own bug: 500, traceback in the log,
nothing of it in the answer.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from admin_api.auth import Forbidden, Unauthenticated
from common.errors import BridgeError, Hopeless
from common.store.errors import (
    BadWish,
    LineTaken,
    NameTaken,
    NoSuchAlarm,
    NoSuchCommand,
    NoSuchMeter,
    RevisionConflict,
    StoreDamaged,
    StoreUnavailable,
    TooManyCommands,
    TooManyMeters,
)
from common.vault import Unsealable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_S: Final = 2


class BadBody(Hopeless):
    """A request's body is not JSON."""


class NotJson(Hopeless):
    """A request's body says that it is something else than JSON."""


STATUS: Final[Mapping[type[BridgeError], HTTPStatus]] = {
    BadBody: HTTPStatus.BAD_REQUEST,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BadWish: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NoSuchMeter: HTTPStatus.NOT_FOUND,
    NoSuchAlarm: HTTPStatus.NOT_FOUND,
    NoSuchCommand: HTTPStatus.NOT_FOUND,
    NameTaken: HTTPStatus.CONFLICT,
    LineTaken: HTTPStatus.CONFLICT,
    TooManyMeters: HTTPStatus.CONFLICT,
    RevisionConflict: HTTPStatus.PRECONDITION_FAILED,
    TooManyCommands: HTTPStatus.TOO_MANY_REQUESTS,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreDamaged: HTTPStatus.SERVICE_UNAVAILABLE,  # the supervisor makes it anew within seconds
    Unsealable: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_OURS: Final[Mapping[type[BridgeError], str]] = {  # whose detail is for the log: it may name paths and hosts of ours
    StoreUnavailable: "the store cannot be reached just now; the log says why",
    StoreDamaged: "the store cannot be read; the log says why",
    Unsealable: "a secret in the store does not open; the log says which",
}
_log = logging.getLogger(__name__)
_HEADERS: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", 'Bearer realm="dlms-bridge"'),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", str(RETRY_S)),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", str(RETRY_S)),
}


def install(app: Flask) -> None:
    """Let the application answer every error as a problem."""
    for kind in STATUS:
        app.register_error_handler(kind, _ours)
    app.register_error_handler(HTTPException, _http)


def problem(status: HTTPStatus, kind: str, detail: str, **more: object) -> Response:
    """Return a problem as a response."""
    document = {"type": "about:blank", "title": status.phrase, "status": int(status), "kind": kind, "detail": detail}
    document |= {"instance": request.path} | more
    response = Response(json.dumps(document), status=int(status), mimetype=MEDIA_TYPE)
    if status in _HEADERS:
        name, value = _HEADERS[status]
        response.headers[name] = value
    return response


def _ours(error: BridgeError) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if type(error) in _OURS:
        _log.error("%s %s: %s: %s", request.method, request.path, error.kind, error.detail)
        return problem(status, error.kind, _OURS[type(error)])
    more: dict[str, object] = {}
    if isinstance(error, BadWish):
        more["field"] = error.field
    if isinstance(error, RevisionConflict):
        more["current_revision"] = error.current
    return problem(status, error.kind, error.detail, **more)


def _http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if error.response is not None or status < HTTPStatus.BAD_REQUEST:  # a redirect is no problem
        return Response(error.get_body(), status=int(status), headers=dict(error.get_headers()))
    kept = {name: value for name, value in error.get_headers() if name == "Allow"}
    answer = problem(status, status.name.lower(), error.description or status.phrase)
    answer.headers.update(kept)
    return answer
