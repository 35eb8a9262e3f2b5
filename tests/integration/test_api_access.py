"""Who may use the API as it is deployed: gunicorn with two processes, configured as `meterctl run` does, over TLS."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from admin_api.cli.programs import gunicorn_conf
from admin_api.passwords import hashed
from admin_api.throttle import FAILURES
from common.paths import make_private
from common.secret import Secret
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import Role
from common.vault import Vault
from tests.support.authority import Authority
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

START_S = 60.0  # on a busy machine
PASSWORD = "a sentence of words"
RATE = 180  # a minute: little beside what a busy machine does, enough for everybody else here


@dataclass
class Served:
    """An API that runs."""

    port: int
    store: Store
    token: str
    authority: Authority

    def call(self, method: str, path: str, body: object = None, token: str = "") -> http.client.HTTPResponse:
        """Send one request over a connection of its own: the kernel gives it to either process."""
        context = ssl.create_default_context(cafile=self.authority.file)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def answers(self) -> bool:
        try:
            return self.call("GET", "/health").status == 200
        except OSError:
            return False


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The API over TLS, two processes."""
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("api")
    port = free_port()
    settings = load(
        str(tmp_path),
        {
            "DLMS_BRIDGE_API_PORT": str(port),
            "DLMS_BRIDGE_API_TLS_CERT_FILE": str(certificate),
            "DLMS_BRIDGE_API_TLS_KEY_FILE": str(key),
        },
    )
    Vault.create(settings.paths.master_key)
    store = open_from_settings(settings)
    store.upgrade()
    store.users.add("ann", Role.OPERATOR, hashed(Secret(PASSWORD)), "test")
    token = store.tokens.create(Role.ADMIN, "test")[1].reveal()
    settings.paths.make()
    make_private(settings.paths.run / "api")
    conf = settings.paths.run / "gunicorn.conf.py"
    conf.write_text(gunicorn_conf(settings), encoding="utf-8")
    environment = os.environ | {"DLMS_BRIDGE_STATE": str(tmp_path), "DLMS_BRIDGE_API_REQUESTS_PER_MINUTE": str(RATE)}
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gunicorn", "--config", str(conf), "admin_api.wsgi:app"],
            cwd=settings.paths.run / "api",
            env=environment,
            stdout=log,
            stderr=log,
        )
    found = Served(port, store, token, authority)
    try:
        wait_until(found.answers, START_S, "the API answers")
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        store.close()


def test_processes_count_failures_and_rates_together_over_tls(served: Served, tmp_path: Path) -> None:
    credentials = {"name": "ann", "password": PASSWORD}
    assert served.call("POST", "/api/login", credentials).status == 200
    assert served.call("GET", "/api/whoami", token=served.token).headers["Strict-Transport-Security"]

    statuses = [served.call("GET", "/api/meters", token="dbt_" + "x" * 43).status for _ in range(FAILURES + 3)]
    assert statuses == [401] * (FAILURES - 1) + [429] * 4
    assert served.call("GET", "/api/meters", token=served.token).status == 200

    wrong = credentials | {"password": "wrong"}
    statuses = [served.call("POST", "/api/login", wrong).status for _ in range(FAILURES)]
    assert statuses == [401] * FAILURES
    blocked = served.call("POST", "/api/login", credentials)
    assert (blocked.status, int(blocked.headers["Retry-After"]) > 20) == (429, True)

    taken = [served.call("GET", "/api/whoami", token=served.token).status for _ in range(120)]
    assert 429 in taken
    assert taken.count(200) >= RATE // 60 * 10 - 2
    assert "Traceback" not in (tmp_path / "api.log").read_text()

    old = ssl.create_default_context(cafile=served.authority.file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE+AES256+SHA384:ECDHE+AES128+SHA256:!AESGCM:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        http.client.HTTPSConnection("127.0.0.1", served.port, timeout=10, context=old).request("GET", "/health")


def test_beyond_loopback_without_tls_it_does_not_start(tmp_path: Path) -> None:
    Vault.create(load(str(tmp_path), {}).paths.master_key)
    environment = os.environ | {"DLMS_BRIDGE_STATE": str(tmp_path), "DLMS_BRIDGE_API_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import admin_api.wsgi"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert "insecure = true" in done.stderr
