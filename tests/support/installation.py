"""A store in a temporary directory, a clock that only moves when told to, and the API over both."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from common.settings import Settings, load
from common.store.engine import Store, open_store
from common.store.model import MeterWish, Role
from common.store.rules import measurements_of
from common.vault import Vault

NOON_MS = 1_795_262_400_000  # 2026-11-21T12:00:00Z


class StillClock:
    """Time stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def boottime_ms(self) -> int:
        return round(self.passed_s * 1000)

    def wall_ms(self) -> int:
        return NOON_MS + round(self.passed_s * 1000)

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


def unresolved(hosts: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Look nothing up; only ``alias.test`` is known."""
    return {host: frozenset({"10.0.0.1"}) for host in hosts if host == "alias.test"}


@cache
def _upgraded() -> bytes:
    """Return the file of a store at the newest schema, made once per run: migrations take their time."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        store = open_store(f"sqlite:///{path}", Vault(bytes(32)))
        store.upgrade()
        store.close()
        return path.read_bytes()


@contextmanager
def opened(directory: Path, clock: StillClock, url: str = "") -> Iterator[Store]:
    """Give a new store at the newest schema; ``url``: a database of that schema elsewhere."""
    vault = Vault.create(directory / "master.key")
    path = directory / "store.db"
    if not url or url.startswith("sqlite"):
        path.touch(mode=0o600)
        path.write_bytes(_upgraded())
    store = open_store(url or f"sqlite:///{path}", vault, clock=clock, resolve_hosts=unresolved)
    try:
        yield store
    finally:
        store.close()


def wish(name: str = "sim-1", ip_address: str = "10.0.0.1", port: int = 3333) -> MeterWish:
    """Return a meter that breaks no rule."""
    return MeterWish(name, ip_address, port, measurements=measurements_of("microstar"))


class Api:
    """A client of the API for each role, and one for nobody."""

    def __init__(self, store: Store, settings: Settings, clock: StillClock) -> None:
        self.store = store
        self.clock = clock
        from admin_api.app import create_app  # tests of the store alone need no web

        self.app: Flask = create_app(store, settings, clock, check_answers=True)
        self._client: FlaskClient = self.app.test_client()
        self.tokens = {role: store.tokens.create(role, str(role))[1].reveal() for role in Role}

    def call(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = Role.ADMIN,
        json: object = None,
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Send one request."""
        sent = dict(headers or {})
        if role is not None:
            sent["Authorization"] = f"Bearer {self.tokens[role]}"
        return self._client.open(path, method=method, json=json, data=data, headers=sent)

    def get(self, path: str, role: Role | None = Role.VIEWER) -> dict[str, object]:
        """Return the JSON object behind a path; 200 is expected."""
        response = self.call("GET", path, role=role)
        assert response.status_code == 200, response.get_data(as_text=True)
        return document(response)


def document(response: TestResponse) -> dict[str, object]:
    """Return a response's JSON object."""
    return cast("dict[str, object]", response.get_json(force=True))


@contextmanager
def serving(directory: Path, environment: Mapping[str, str] | None = None) -> Iterator[Api]:
    """Give the API over a new store."""
    clock = StillClock()
    with opened(directory, clock) as store:
        yield Api(store, load(str(directory), environment or {}), clock)
