"""Logging in and out; tokens, users and the audit for admins.

A login costs an argon2 comparison whoever asks for it, known or not; after ten failures of an address or a name nothing
is compared for a while. The text of a session or a token is shown once, in the answer that makes it.
"""

from http import HTTPStatus
from typing import Final

from flask import Response

from admin_api import addresses, passwords
from admin_api.answers import answer, location, nothing
from admin_api.auth import TooOften, WrongCredentials, actor, address, caller, tell
from admin_api.context import Area, Route, services
from admin_api.documents import iso, page_document, token_document, user_document
from admin_api.schemas.access import (
    AuditPage,
    AuditQuery,
    CallerAnswer,
    Credentials,
    LoginAnswer,
    MadeToken,
    NewPassword,
    NewToken,
    NewUser,
    TokenAnswer,
    TokenPage,
    TokenPath,
    UserAnswer,
    UserChange,
    UserPage,
    UserPath,
)
from admin_api.schemas.shape import Page
from common.secret import Secret
from common.store.errors import BadWish
from common.store.model import AuditFilter, AuditRow, Role, UserRow

DAY_MS: Final = 86_400_000
BY_ADDRESS, BY_NAME, LOGINS = "login of address", "login of name", "login"
LOGINS_PER_MINUTE: Final = 6.0  # of one person: each is a line of the audit, which pushes out an older one
LOGINS_BURST_S: Final = 600.0  # sixty at once


def login(body: Credentials) -> Response:
    """Begin a session; its text is shown this once."""
    user = _proven(body.name, Secret(body.password))
    wait = services().throttle.take(LOGINS, user.name, LOGINS_PER_MINUTE, LOGINS_BURST_S)
    if wait:
        raise TooOften("more logins than a person needs: a session lasts for hours", wait)
    session, text = services().store.sessions.create(user, f"user {user.name}")
    made = {"token": text.reveal(), "name": user.name, "role": user.role, "expires_at": iso(session.expires_at)}
    return answer(made)


def logout() -> Response:
    """End the session that asks, at once."""
    who = caller()
    if who.session is None:
        raise BadWish("authorization", "a token is no session: DELETE /tokens/{id} revokes it")
    services().store.sessions.end(who.session, who.name)
    return nothing()


def whoami() -> Response:
    """Say who asks, and what that may do."""
    who = caller()
    kind = "token" if who.session is None else "session"
    return answer({"name": who.name, "role": who.role, "kind": kind, "expires_at": iso(who.expires_at)})


def change_password(body: NewPassword) -> Response:
    """Change one's own password; all sessions of this person end."""
    who = caller()
    if who.user is None:
        raise BadWish("authorization", "a token has no password")
    made = passwords.checked(Secret(body.new_password))
    _proven(who.user.name, Secret(body.password))
    services().store.users.change(who.user.name, who.name, password_hash=passwords.hashed(made))
    return nothing()


def _proven(name: str, password: Secret) -> UserRow:
    """Return the user of a name and a password; raise WrongCredentials, TooOften or TooManyLogins."""
    bridge, known, where = services(), name.lower(), addresses.counted(address())
    throttle, users = bridge.throttle, bridge.store.users
    wait = max(throttle.blocked(BY_ADDRESS, where), throttle.blocked(BY_NAME, known))
    if wait:
        raise TooOften("too many failed logins", wait)
    found = users.hash_of(known)
    if not passwords.belongs(password, None if found is None else found[1]) or found is None:
        wait = max(throttle.fail(BY_ADDRESS, where), throttle.fail(BY_NAME, known))
        tell("login.failed", "" if found is None else known, {"address": where, "blocked_s": round(wait)})
        raise WrongCredentials("no user has this name and this password")
    user, kept = found
    throttle.forgive(BY_NAME, known)  # not the address: whoever has one name could go on trying others
    if passwords.is_outdated(kept):
        users.rehash(user.id, kept, passwords.hashed(password))
    return user


def list_tokens(query: Page) -> Response:
    """List tokens, revoked ones too, without their texts."""
    now = services().clock.wall_ms()
    rows = services().store.tokens.list()
    part = [token_document(row, now) for row in rows[query.offset : query.offset + query.limit]]
    return answer(page_document(part, len(rows), query.limit, query.offset))


def add_token(body: NewToken) -> Response:
    """Make a token; its text is shown this once."""
    store, now = services().store, services().clock.wall_ms()
    life = None if body.expires_days is None else body.expires_days * DAY_MS
    number, text = store.tokens.create(body.role, body.label or "", actor(), life_ms=life)
    made = token_document(store.tokens.get(number), now) | {"token": text.reveal()}
    return answer(made, HTTPStatus.CREATED, location("access", "show_token", number=number))


def show_token(path: TokenPath) -> Response:
    """Show one token, without its text."""
    return answer(token_document(services().store.tokens.get(path.number), services().clock.wall_ms()))


def revoke_token(path: TokenPath) -> Response:
    """Make a token worthless from now on."""
    services().store.tokens.revoke(path.number, actor())
    return nothing()


def list_users(query: Page) -> Response:
    """List the users by name."""
    rows = services().store.users.list()
    part = [user_document(row) for row in rows[query.offset : query.offset + query.limit]]
    return answer(page_document(part, len(rows), query.limit, query.offset))


def add_user(body: NewUser) -> Response:
    """Add a user."""
    kept = passwords.hashed(passwords.checked(Secret(body.password)))
    made = services().store.users.add(body.name, body.role, kept, actor())
    return answer(user_document(made), HTTPStatus.CREATED, location("access", "show_user", user=made.name))


def show_user(path: UserPath) -> Response:
    """Show one user."""
    return answer(user_document(services().store.users.find(path.user)))


def change_user(path: UserPath, body: UserChange) -> Response:
    """Change role or password of a user, or shut one out; the user's sessions end."""
    given = body.given
    kept = passwords.hashed(passwords.checked(Secret(given["password"]))) if "password" in given else ""
    changed = services().store.users.change(
        path.user, actor(), role=given.get("role"), disabled=given.get("disabled"), password_hash=kept
    )
    return answer(user_document(changed))


def remove_user(path: UserPath) -> Response:
    """Remove a user; the user's sessions end."""
    services().store.users.remove(path.user, actor())
    return nothing()


def list_audit(query: AuditQuery) -> Response:
    """List who changed what, newest first."""
    wanted = AuditFilter(query.actor or "", query.action or "", query.subject or "", query.since, query.until)
    rows, total = services().store.audit.page(wanted, limit=query.limit, offset=query.offset)
    return answer(page_document([_line(row) for row in rows], total, query.limit, query.offset))


def _line(row: AuditRow) -> dict[str, object]:
    return {
        "id": row.id,
        "at": iso(row.at_ms),
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "details": dict(row.details),
    }


_MADE: Final = ("Location",)
_ONE: Final = "/tokens/<int:number>"  # the form says how large: a bound here would make 405 of another method

AREA: Final = Area(
    "access",
    (
        Route("POST", "/login", None, login, answers={200: LoginAnswer}, refuses=(401, 429)),
        Route("POST", "/logout", Role.VIEWER, logout, answers={204: None}, refuses=(422,)),
        Route("POST", "/password", Role.VIEWER, change_password, answers={204: None}),
        Route("GET", "/whoami", Role.VIEWER, whoami, answers={200: CallerAnswer}),
        Route("GET", "/tokens", Role.ADMIN, list_tokens, answers={200: TokenPage}),
        Route("POST", "/tokens", Role.ADMIN, add_token, answers={201: MadeToken}, sends=_MADE, refuses=(409,)),
        Route("GET", _ONE, Role.ADMIN, show_token, answers={200: TokenAnswer}),
        Route("DELETE", _ONE, Role.ADMIN, revoke_token, answers={204: None}),
        Route("GET", "/users", Role.ADMIN, list_users, answers={200: UserPage}),
        Route("POST", "/users", Role.ADMIN, add_user, answers={201: UserAnswer}, sends=_MADE, refuses=(409,)),
        Route("GET", "/users/<user>", Role.ADMIN, show_user, answers={200: UserAnswer}),
        Route("PATCH", "/users/<user>", Role.ADMIN, change_user, answers={200: UserAnswer}, refuses=(409,)),
        Route("DELETE", "/users/<user>", Role.ADMIN, remove_user, answers={204: None}, refuses=(409,)),
        Route("GET", "/audit", Role.ADMIN, list_audit, answers={200: AuditPage}),
    ),
    about="Who may use the API, and who did what.",
)
