"""TLS to a real Mosquitto: a CA of our own, a client certificate, and the refusals that have names."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from common.routes import Target
from tests.support.authority import Authority
from tests.support.mosquitto import Mosquitto, Subscriber, free_port
from tests.support.publishing import Meters, Publisher, generic_routes
from tests.support.waiting import wait_until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterable[tuple[Mosquitto, int]]:
    """A broker with a plain port for the test's subscriber, and one that wants certificates."""
    port, (certificate, key) = free_port(), authority.issue("server")
    secured = (
        f"listener {port} 127.0.0.1",
        f"cafile {authority.file}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "require_certificate true",
    )
    with Mosquitto(tmp_path / "broker", extra=secured) as running:
        yield running, port


@pytest.fixture
def publisher(tmp_path: Path) -> Iterable[Publisher]:
    with Publisher(tmp_path / "state") as running:
        yield running


def target(port: int, authority: Authority) -> Target:
    certificate, key = authority.issue("bridge")
    base = Target("default", "127.0.0.1", port, client_id="bridge", tls=True)
    return replace(base, ca_file=str(authority.file), cert_file=str(certificate), key_file=str(key))


def test_readings_arrive_over_tls_with_a_client_certificate(
    broker: tuple[Mosquitto, int], authority: Authority, publisher: Publisher
) -> None:
    running, port = broker
    publisher.route(generic_routes(target(port, authority), 20))
    with Subscriber(running.port) as seen, Meters(publisher.paths, range(1, 21), 0.05) as meters:
        seen.wait_for(200, 20)
        seen.wait_for(meters.quiet(), 10)
        wait_until(lambda: publisher.wait_for_beat().counters["waiting"] == 0, 10, "everything acknowledged")


def test_a_broker_of_another_authority_is_refused(
    broker: tuple[Mosquitto, int], authority: Authority, publisher: Publisher, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "other", "other")
    publisher.route(generic_routes(replace(target(broker[1], authority), ca_file=str(stranger.file)), 1))
    assert "TLS: CERTIFICATE_VERIFY_FAILED" in publisher.wait_for_condition("auth", 10)


def test_a_missing_certificate_file_is_named(
    broker: tuple[Mosquitto, int], authority: Authority, publisher: Publisher
) -> None:
    gone = replace(target(broker[1], authority), cert_file="/nonexistent/bridge.crt")
    publisher.route(generic_routes(gone, 1))
    assert "/nonexistent/bridge.crt: No such file" in publisher.wait_for_condition("auth", 10)


def test_a_broker_of_another_name_is_refused_whatever_its_authority(
    broker: tuple[Mosquitto, int], authority: Authority, publisher: Publisher
) -> None:
    publisher.route(generic_routes(replace(target(broker[1], authority), host="localhost"), 1))
    assert "TLS: CERTIFICATE_VERIFY_FAILED" in publisher.wait_for_condition("auth", 10)


def test_a_key_that_others_may_read_is_refused(
    broker: tuple[Mosquitto, int], authority: Authority, publisher: Publisher
) -> None:
    found = target(broker[1], authority)
    Path(found.key_file).chmod(0o644)
    publisher.route(generic_routes(found, 1))
    assert "(mode 644); chmod 0600" in publisher.wait_for_condition("auth", 10)
