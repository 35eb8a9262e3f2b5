"""The API as it is deployed: gunicorn, preloaded, two processes with threads, on a loopback port of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import Role
from common.vault import Vault
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

START_S = 60.0  # on a busy machine


@dataclass
class _Served:
    port: int
    store: Store
    token: str
    process: "subprocess.Popen[bytes]"

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.call("GET", "/health")[0] == 200
        except OSError:
            return False


def _command(port: int) -> list[str]:
    options = ["--preload", "--workers=2", "--threads=8", "--worker-class=gthread", f"--bind=127.0.0.1:{port}"]
    return [sys.executable, "-P", "-m", "gunicorn", *options, "admin_api.wsgi:app"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[_Served]:
    """The API over a store in a temporary state directory."""
    empty = tmp_path / "empty"
    empty.mkdir()
    settings = load(str(tmp_path), {})
    Vault.create(settings.paths.master_key)
    store = open_from_settings(settings)
    store.upgrade()
    token = store.tokens.create(Role.ADMIN, "test")[1].reveal()
    port = free_port()
    environment = os.environ | {"DLMS_BRIDGE_STATE": str(tmp_path)}
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(_command(port), cwd=empty, env=environment, stdout=log, stderr=log)
    found = _Served(port, store, token, process)
    try:
        wait_until(found.answers, START_S, "the API answers")
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        store.close()


def test_a_meter_lives_its_life_over_http(served: _Served) -> None:
    status, text = served.call("POST", "/api/meters", {"name": "m1", "ip_address": "127.0.0.1", "tb_token": "s3cret"})
    assert status == 201, text
    assert "s3cret" not in text
    assert served.store.meters.by_name("m1").wish.tb_token.reveal() == "s3cret"
    assert served.call("PATCH", "/api/v1/meters/m1", {"interval_s": 5})[0] == 200
    assert served.call("POST", "/api/meters/m1/pause")[0] == 200
    assert served.call("POST", "/api/meters", {"name": "m2", "ip_address": "localhost"})[0] == 409
    assert "dlms_meters 1.0" in served.call("GET", "/metrics")[1]
    assert served.call("DELETE", "/api/meters/m1")[0] == 204
    assert served.call("GET", "/api/meters/m1")[0] == 404
    assert served.call("GET", "/api/meters", token="dbt_nobody")[0] == 401


def test_a_result_reaches_whoever_waits_whichever_process_answers(served: _Served) -> None:
    served.call("POST", "/api/meters", {"name": "m1", "ip_address": "127.0.0.1"})
    answers: list[tuple[int, str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(served.call("POST", "/api/meters/m1/read?wait=20")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(served.store.commands.pending()) == 4, 20, "four commands are pending")
    for row in served.store.commands.pending():
        served.store.commands.finish(row.id, ok=True, result={"from": row.id})
    for thread in threads:
        thread.join(30)
    assert [status for status, _ in answers] == [200] * 4
    assert all(json.loads(text)["result"] == {"from": json.loads(text)["id"]} for _, text in answers)


def test_many_clients_at_once_lose_nothing(served: _Served) -> None:
    statuses: list[int] = []

    def add(number: int) -> None:
        for turn in range(5):
            body = {"name": f"m{number}-{turn}", "ip_address": "127.0.0.1", "port": 5000 + number * 5 + turn}
            statuses.append(served.call("POST", "/api/meters", body)[0])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [201] * 40
    assert len(served.store.meters.list()) == 40


def test_a_too_large_or_endless_body_costs_nothing(served: _Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    headers = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/json"}
    chunks = (b"x" * 65536 for _ in range(32))
    try:
        connection.request("POST", "/api/meters", chunks, headers, encode_chunked=True)
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # refused while we were still sending
    finally:
        connection.close()
    assert status == 413
    assert served.answers()


def test_without_a_master_key_it_does_not_start_and_says_why(tmp_path: Path) -> None:
    environment = os.environ | {"DLMS_BRIDGE_STATE": str(tmp_path)}
    command = _command(free_port())
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=START_S, check=False)
    assert done.returncode == 78
    assert b"bad_key" in done.stderr
    assert b"meterctl init" in done.stderr
