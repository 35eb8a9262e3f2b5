"""A meter's own broker tried for real: Mosquitto open, with passwords, stopped, away; and what is no broker."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.broker_check import Broker, check_broker, own_broker
from common.clock import SystemClock
from common.secret import Secret
from common.settings import MqttSettings
from tests.support.installation import document, serving, wish
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.waiting import wait_until

TOKEN = Secret("t0ken")


def _broker(port: int, *, tls: bool = False) -> Broker:
    return Broker("127.0.0.1", port, TOKEN, tls)


@contextmanager
def _answering(octets: bytes) -> Iterator[int]:
    """A server that says this to whoever comes, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(octets)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(5)


def test_a_token_is_taken_refused_or_not_answered(tmp_path: Path) -> None:
    clock = SystemClock()
    with Mosquitto(tmp_path / "open") as broker:
        found = check_broker(_broker(broker.port), clock)
        assert (found.ok, found.kind) == (True, "accepted")
        assert "u't0ken'" in broker.log()
        broker.suspend()
        found = check_broker(_broker(broker.port), clock, 0.5)
        assert (found.ok, found.kind, found.seconds >= 0.5) == (False, "no_answer", True)
        broker.resume()
    with Mosquitto(tmp_path / "guarded", users={"other": "secret"}) as guarded:
        found = check_broker(_broker(guarded.port), clock)
        assert (found.ok, found.kind) == (False, "refused")
        assert "not authori" in found.detail.lower()
    assert check_broker(_broker(free_port()), clock).kind == "unreachable"
    assert check_broker(replace(_broker(1883), host="no-such-host.invalid"), clock).kind in {"unreachable", "no_answer"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves closing to the collector
def test_a_broker_without_tls_is_told_from_one_that_refuses() -> None:
    with _answering(b"\x20\x02\x00\x05") as port:
        assert check_broker(_broker(port, tls=True), SystemClock()).kind == "tls"


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x99", b"\xff" * 64])
def test_what_is_no_broker_is_said_to_be_none(octets: bytes) -> None:
    with _answering(octets) as port:
        found = check_broker(_broker(port), SystemClock(), 2.0)
    assert not found.ok
    assert found.kind in {"not_mqtt", "unreachable", "refused", "no_answer"}


def test_the_api_tries_the_meters_own_broker_and_no_other(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker, serving(tmp_path) as api:
        own = replace(wish(), tb_enabled=True, tb_token=TOKEN, tb_host="127.0.0.1", tb_port=broker.port)
        api.store.meters.add(own, "test")
        response = api.call("POST", "/api/meters/sim-1/thingsboard/test?host=192.0.2.1")
        assert response.status_code == 422
        found = document(api.call("POST", "/api/meters/sim-1/thingsboard/test"))
        assert (found["ok"], found["kind"], found["port"]) == (True, "accepted", broker.port)
        assert "t0ken" not in str(found)
        wait_until(lambda: "disconnected" in broker.log(), 5, "the session to be closed")


def test_a_token_without_a_host_goes_where_all_readings_go() -> None:
    broker = own_broker(replace(wish(), tb_token=TOKEN), MqttSettings(host="mqtt.example"))
    assert (broker.host, broker.port, broker.tls) == ("mqtt.example", 1883, False)
