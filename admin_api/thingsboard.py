"""ThingsBoard's REST API, as far as it takes to make a device and learn its access token.

In: a server's URL, a tenant's user and password. Out: devices by their names, and tokens; or a typed error. One request
at a time, no redirection is followed: a password goes to nobody but the server that was named. Written from its
documentation; it has never spoken with a ThingsBoard.
"""

import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import quote, urlsplit

from common.errors import Again, Barred, Hopeless
from common.secret import Secret

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 1 << 20  # octets; a device has some hundred
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class BadUrl(Hopeless):
    """A URL that is none of a server, or would carry a password in the clear."""


class ThingsBoardAway(Again):
    """The server cannot be reached, or is not able to answer just now."""


class ThingsBoardRefused(Barred):
    """The server does not accept the user, or what the user wants."""


class ThingsBoardAnswer(Hopeless):
    """The server answers, but not as ThingsBoard does."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device, by its name within the tenant."""

    id: str
    name: str


class ThingsBoard:
    """A server, and who asks it."""

    def __init__(self, url: str, *, insecure: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        """Raise BadUrl; connects to nothing."""
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not self.host or parts.username or parts.query or parts.fragment:
            raise BadUrl(f"{url[:100]!r}: http(s)://HOST[:PORT] was expected")
        if parts.scheme == "http" and self.host not in LOOPBACK and not insecure:
            raise BadUrl(f"{self.host}: http would carry the password in the clear; https, or --insecure")
        self._path = parts.path.rstrip("/")
        self._token = Secret("")
        try:
            self._connection = (
                HTTPSConnection(self.host, parts.port, timeout=timeout_s, context=ssl.create_default_context())
                if parts.scheme == "https"
                else HTTPConnection(self.host, parts.port, timeout=timeout_s)
            )
        except ValueError:
            raise BadUrl(f"{url[:100]!r}: no port") from None

    def log_in(self, user: str, password: Secret) -> None:
        """Log a tenant's user in; raise ThingsBoardRefused, ThingsBoardAway or ThingsBoardAnswer."""
        found = self._ask("POST", "/api/auth/login", {"username": user, "password": password.reveal()})
        self._token = Secret(_text(found, "token"))

    def device(self, name: str) -> Device | None:
        """Return the device of that name; None where there is none."""
        found = self._ask("GET", f"/api/tenant/devices?deviceName={quote(name, safe='')}")
        return None if found is None else _device(found)

    def create(self, name: str, profile: str) -> Device:
        """Make a device of that name and profile."""
        return _device(self._ask("POST", "/api/device", {"name": name, "type": profile}))

    def access_token(self, device: Device) -> Secret:
        """Return the token by which a device speaks MQTT."""
        found = self._ask("GET", f"/api/device/{quote(device.id, safe='')}/credentials")
        kind = _text(found, "credentialsType")
        if kind != "ACCESS_TOKEN":
            raise ThingsBoardAnswer(f"the device {device.name!r} has {kind[:32]} instead of an access token")
        return Secret(_text(found, "credentialsId"))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: object = None) -> object:
        """Return what a request is answered; None where there is no such thing."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["X-Authorization"] = f"Bearer {self._token.reveal()}"
        data = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, self._path + path, data, headers)
            response = self._connection.getresponse()
            octets = response.read(MAX_ANSWER)
        except ssl.SSLCertVerificationError as error:
            raise ThingsBoardRefused(f"{self.host}: no certificate that we trust: {error.verify_message}") from None
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ThingsBoardAway(f"{self.host}: {error}") from None
        return self._answer(method, path, response.status, octets)

    def _answer(self, method: str, path: str, status: int, octets: bytes) -> object:
        where = f"{method} {path.partition('?')[0]}"
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status in _REFUSED:
            raise ThingsBoardRefused(f"{self.host} does not accept {where}: {status}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ThingsBoardAway(f"{self.host} cannot answer {where}: {status}")
        if status != HTTPStatus.OK:
            raise ThingsBoardAnswer(f"{self.host} answers {where} with {status}: {_message(octets)}")
        try:
            return json.loads(octets)
        except (ValueError, RecursionError):
            raise ThingsBoardAnswer(f"{self.host} answers {where} with what is no JSON") from None


def _device(found: object) -> Device:
    inner = found.get("id") if isinstance(found, dict) else None
    return Device(_text(inner, "id"), _text(found, "name"))


def _text(found: object, name: str) -> str:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise ThingsBoardAnswer(f"the answer has no {name}: is this a ThingsBoard?")
    return value


def _message(octets: bytes) -> str:
    """Return what an error's answer says, bounded."""
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        return ""
    return str(found.get("message", ""))[:200] if isinstance(found, dict) else ""
