"""Who may do what: bearer tokens and sessions with roles, always on; how often anybody may.

In: the Authorization header and the role that a route needs. Out: nothing, or Unauthenticated, Forbidden, TooOften.
A role includes those before it: viewer looks, operator also operates meters, admin also changes them. This is the only
door: it is passed before a path, a query or a body is looked at.
"""

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, cast
from urllib.parse import urlsplit

from flask import g, request
from werkzeug.exceptions import NotFound

from admin_api import addresses
from admin_api.context import Route, services
from admin_api.listening import is_loopback
from common.errors import Again, Barred
from common.store.model import Role, UserRow

SCHEME: Final = "bearer "
RANK: Final[Mapping[Role, int]] = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
PROXY_HEADERS: Final = (
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"),
    *("CF-Connecting-IP", "True-Client-IP", "X-Client-IP"),
)
RATE, BAD_TOKENS, TOLD = "rate", "bad tokens", "told"  # what is counted of a name in the throttle
TOLD_PER_MINUTE: Final = 1.0  # lines of the audit of one address
ALL_TOLD_PER_MINUTE: Final = 30.0  # of all addresses together: whoever has many of them fills the audit no faster
ALWAYS_TOLD_PER_MINUTE: Final = 0.4  # of all addresses in the long run, half of what the audit keeps in its 400 days:
# nobody pushes out of it who did what
DAY_S: Final = 86_400.0  # as many as that makes in a day may come as fast as the others let them


class Unauthenticated(Barred):
    """There is no bearer token, or it is nobody's."""


class Forbidden(Barred):
    """The token's role may not do this."""


class WrongCredentials(Barred):
    """No user has this name and this password."""


class RemoteActionsOff(Barred):
    """The settings do not allow meters to be written to over the API."""


class TooOften(Again):
    """More requests, or more failures, than are taken; ``retry_s``: when to come again."""

    def __init__(self, detail: str, retry_s: float) -> None:
        super().__init__(detail)
        self.retry_s = max(1, math.ceil(retry_s))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token or, with ``session``, a person who logged in."""

    name: str
    role: Role
    session: int | None = None
    user: UserRow | None = None
    expires_at: int | None = None


def guard(routes: Mapping[str, Route]) -> Callable[[], None]:
    """Return what runs before every request: nobody comes past it to a view, nor to the reading of a body.

    ``routes``: by endpoint. What is served without being in a table is not there.
    """

    def guarded() -> None:
        if request.url_rule is None or request.method == "OPTIONS":  # 404 or 405 follow; or what may be asked for
            return
        route = routes.get(request.endpoint or "")
        if route is None:
            raise NotFound
        if route.role is None or (route.unless is not None and route.unless()):
            hold_rate(addresses.counted(address()))
        else:
            admit(route.role)

    return guarded


def admit(role: Role) -> None:
    """Note whose token the request carries; raise Unauthenticated, Forbidden or TooOften."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith(SCHEME):
        hold_rate(addresses.counted(address()))
        raise Unauthenticated("an Authorization header with a bearer token is needed")
    found = _caller(header[len(SCHEME) :].strip())
    if found is None:
        refuse_token()
    hold_rate(found.name)
    if RANK[found.role] < RANK[role]:
        raise Forbidden(f"the role {role} is needed; this token has {found.role}")
    g.caller = found


def caller() -> Caller:
    """Return who asks."""
    return cast("Caller", g.caller)


def actor() -> str:
    """Return who asks, for the audit."""
    return caller().name


def address() -> str:
    """Return where the request comes from."""
    bridge = services()
    return addresses.source(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), bridge.trusted)


def hold_rate(name: str) -> None:
    """Count a request; raise TooOften when there are more than the settings allow."""
    bridge = services()
    wait = bridge.throttle.take(RATE, name, bridge.settings.api.requests_per_minute)
    if wait:
        raise TooOften(f"more than {bridge.settings.api.requests_per_minute} requests a minute", wait)


def tell(action: str, subject: str, details: Mapping[str, object]) -> None:
    """Write a failure into the audit, once a minute for each address and never faster than the audit can bear."""
    bridge, where = services(), address()
    if bridge.throttle.take(TOLD, addresses.counted(where), TOLD_PER_MINUTE):
        return
    if bridge.throttle.take(TOLD, "", ALL_TOLD_PER_MINUTE):
        return
    if not bridge.throttle.take(TOLD, "always", ALWAYS_TOLD_PER_MINUTE, DAY_S):
        bridge.store.audit.record(f"address {where}", action, subject, details)


def metrics_are_open() -> bool:
    """Return whether the metrics page may be had without a token: by setting, from this host, by no proxy.

    Nor by another name than this host's own: a page in a browser of this host could ask by one that it lets point here.
    """
    if not services().settings.api.open_metrics or any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        named = urlsplit(f"//{request.host}").hostname or ""
        return is_loopback(named) and ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _caller(text: str) -> Caller | None:
    store = services().store
    token = store.tokens.verify(text)
    if token is not None:
        return Caller(f"token {token.id} {token.label}".strip(), token.role, expires_at=token.expires_at)
    session = store.sessions.verify(text)
    if session is None:
        return None
    user = session.user
    return Caller(f"user {user.name}", user.role, session.id, user, session.expires_at)


def refuse_token() -> NoReturn:
    """Count a token that is nobody's, and say so. A good one is let in whatever else its address sends.

    256 random bits are not guessed: what is kept in bounds is what a script with an old token costs.
    """
    where = addresses.counted(address())
    wait = services().throttle.fail(BAD_TOKENS, where)
    tell("token.refused", "", {"address": where})
    if wait:
        raise TooOften("too many tokens that are nobody's", wait)
    raise Unauthenticated("the bearer token is not known, was revoked, or is over")
