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

from admin_api.auth import Forbidden, RemoteActionsOff, TooOften, Unauthenticated, WrongCredentials
from admin_api.bodies import BadBody, NotJson
from admin_api.broker_check import NoThingsboard
from admin_api.live.hub import TooManyStreams
from admin_api.passwords import TooManyLogins
from admin_api.schemas.shape import BadPayload
from common.errors import BridgeError
from common.redaction import without_credentials
from common.scan_plan import ScanNotAllowed
from common.store.errors import (
    BadWish,
    LastAdmin,
    LineTaken,
    NameTaken,
    NoSuchAlarm,
    NoSuchCommand,
    NoSuchMeter,
    NoSuchToken,
    NoSuchUser,
    RevisionConflict,
    StoreDamaged,
    StoreUnavailable,
    TooManyCommands,
    TooManyJobs,
    TooManyMeters,
    TooManyTokens,
    TooManyUsers,
    UserTaken,
)
from common.vault import Unsealable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_S: Final = 2


STATUS: Final[Mapping[type[BridgeError], HTTPStatus]] = {
    BadBody: HTTPStatus.BAD_REQUEST,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BadWish: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    WrongCredentials: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    RemoteActionsOff: HTTPStatus.FORBIDDEN,
    NoSuchToken: HTTPStatus.NOT_FOUND,
    NoSuchUser: HTTPStatus.NOT_FOUND,
    LastAdmin: HTTPStatus.CONFLICT,
    TooManyTokens: HTTPStatus.CONFLICT,
    TooManyUsers: HTTPStatus.CONFLICT,
    UserTaken: HTTPStatus.CONFLICT,
    TooManyLogins: HTTPStatus.TOO_MANY_REQUESTS,
    TooOften: HTTPStatus.TOO_MANY_REQUESTS,
    NoSuchMeter: HTTPStatus.NOT_FOUND,
    NoSuchAlarm: HTTPStatus.NOT_FOUND,
    NoSuchCommand: HTTPStatus.NOT_FOUND,
    NameTaken: HTTPStatus.CONFLICT,
    LineTaken: HTTPStatus.CONFLICT,
    TooManyMeters: HTTPStatus.CONFLICT,
    NoThingsboard: HTTPStatus.CONFLICT,
    RevisionConflict: HTTPStatus.PRECONDITION_FAILED,
    TooManyCommands: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyJobs: HTTPStatus.TOO_MANY_REQUESTS,
    ScanNotAllowed: HTTPStatus.FORBIDDEN,
    TooManyStreams: HTTPStatus.SERVICE_UNAVAILABLE,
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
    if isinstance(error, BadPayload) and error.further:
        more["errors"] = [{"field": field, "detail": detail} for field, detail in error.further]
    if isinstance(error, RevisionConflict):
        more["current_revision"] = error.current
    answer = problem(status, error.kind, without_credentials(error.detail), **more)
    if isinstance(error, TooOften):
        answer.headers["Retry-After"] = str(error.retry_s)
    return answer


def _http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if error.response is not None or status < HTTPStatus.BAD_REQUEST:  # a redirect is no problem
        return Response(error.get_body(), status=int(status), headers=dict(error.get_headers()))
    kept = {name: value for name, value in error.get_headers() if name == "Allow"}
    answer = problem(status, status.name.lower(), error.description or status.phrase)
    answer.headers.update(kept)
    return answer
