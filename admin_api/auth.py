"""Who may do what: bearer tokens with roles, always on.

In: the Authorization header and the role that a route needs. Out: the view's answer, or Unauthenticated, Forbidden.
A role includes those before it: viewer looks, operator also operates meters, admin also changes them.
"""

import ipaddress
from collections.abc import Mapping
from functools import wraps
from typing import Final, cast

from flask import Response, g, request

from admin_api.context import Route, View, services
from common.errors import Barred
from common.store.model import Role, TokenRow

SCHEME: Final = "bearer "
RANK: Final[Mapping[Role, int]] = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
PROXY_HEADERS: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class Unauthenticated(Barred):
    """There is no bearer token, or it is nobody's."""


class Forbidden(Barred):
    """The token's role may not do this."""


def guard(route: Route) -> View:
    """Return the route's view behind the role that it needs."""

    @wraps(route.view)
    def guarded(**arguments: object) -> Response:
        if route.role is not None and not (route.unless is not None and route.unless()):
            admit(route.role)
        return route.view(**arguments)

    return guarded


def admit(role: Role) -> None:
    """Note whose token the request carries; raise Unauthenticated or Forbidden."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith(SCHEME):
        raise Unauthenticated("an Authorization header with a bearer token is needed")
    token = services().store.tokens.verify(header[len(SCHEME) :].strip())
    if token is None:
        raise Unauthenticated("the bearer token is not known, or was revoked")
    if RANK[token.role] < RANK[role]:
        raise Forbidden(f"the role {role} is needed; this token has {token.role}")
    g.token = token


def actor() -> str:
    """Return who asks, for the audit."""
    token = cast("TokenRow", g.token)
    return f"token {token.id} {token.label}".strip()


def metrics_are_open() -> bool:
    """Return whether the metrics page may be had without a token: by setting, from this host, by no proxy."""
    if not services().settings.api.open_metrics or any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
