"""A real Prometheus scrapes a live system: every rule is evaluated, every panel has something to show."""

import json
import math
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.house.dashboards import BOARDS, document
from tests.house.rule_cases import DEPLOY
from tests.support.mosquitto import free_port, program
from tests.support.prometheus import Prometheus
from tests.support.system import BIN, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
JOB: Final = "dlms-bridge"
OPEN_JOB: Final = "dlms-bridge-open"
CLOSED_JOB: Final = "dlms-bridge-closed"
FULL_S: Final = 60.0  # heartbeats come every 5 s, and a rate wants two of them
VARIABLES: Final = {"$meter": "sim-1", "$__rate_interval": "20s"}  # and the installation that is asked for
METERS: Final = 3
ROOT: Final = Path(__file__).parents[2]


def test_a_real_prometheus_gets_something_from_every_rule_and_every_panel(tmp_path: Path) -> None:
    with (
        System(tmp_path, meters=METERS, settings={"api": {"open_metrics": False}}) as system,
        _open_api(system) as port,
        Prometheus(tmp_path / "prometheus", _configuration(tmp_path, system, port)) as prometheus,
    ):
        _check_page(port)
        with suppress(AssertionError):  # what is missing says more than that something is
            wait_until(lambda: not _empty(prometheus, system), FULL_S, "data for every panel and rule")
        assert _empty(prometheus, system) == []
        wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 10, "all rules to be evaluated")
        assert prometheus.value(f'up{{job="{JOB}"}}') == prometheus.value(f'up{{job="{OPEN_JOB}"}}') == 1
        assert prometheus.value(f'up{{job="{CLOSED_JOB}"}}') == 0
        _check_numbers(prometheus)
        assert _alerts(prometheus) == {}, "nothing is wrong"
        system.broker.kill()
        wait_until(lambda: "DlmsBrokerDown" in _alerts(prometheus), 20, "the alert that the broker is away")
        oldest = f'dlms_outbox_oldest_timestamp_seconds{{job="{JOB}"}}'
        wait_until(lambda: prometheus.query(oldest), 10, "readings that wait")


def _empty(prometheus: Prometheus, system: System) -> list[str]:
    """Return what has no answer, or no number, among panels and recording rules."""
    address = f"127.0.0.1:{system.api_port}"
    return [expression for expression in _expressions(address) if not _answers(prometheus, expression)]


def _answers(prometheus: Prometheus, expression: str) -> bool:
    found = prometheus.query(expression)
    return bool(found) and not all(math.isnan(float(sample["value"][1])) for sample in found)


def _expressions(instance: str) -> Iterator[str]:
    targets = (target for board in BOARDS for panel in document(board)["panels"] for target in panel["targets"])
    for target in targets:
        made = str(target["expr"])
        for name, value in {**VARIABLES, "$instance": instance}.items():
            made = made.replace(name, value)
        assert "$" not in made, made
        yield made
    for group in yaml.safe_load((DEPLOY / "rules" / "recording.yml").read_text(encoding="utf-8"))["groups"]:
        yield from (f'{rule["record"]}{{instance="{instance}"}}' for rule in group["rules"])


def _alerts(prometheus: Prometheus) -> dict[str, list[Any]]:
    """Return the alerts that pend or fire of the scrape that needs a token."""
    found: dict[str, list[Any]] = {}
    for alert in prometheus.ask("alerts")["alerts"]:
        if alert["labels"].get("job") == JOB:
            found.setdefault(alert["labels"]["alertname"], []).append(alert)
    return found


def _check_numbers(prometheus: Prometheus) -> None:
    """Some answers are known."""
    own = f'job="{JOB}"'
    assert prometheus.value(f"dlms_meters{{{own}}}") == METERS
    assert prometheus.value(f"instance:dlms_meters_enabled:sum{{{own}}}") == METERS
    assert prometheus.value(f"instance:dlms_meters_stale:sum{{{own}}}") == 0
    assert prometheus.value(f"instance:dlms_meter_reads:ratio_rate5m{{{own}}}") == 1
    assert prometheus.value(f"sum(dlms_publisher_target_up{{{own}}})") == 1
    timed = f"dlms_meter_read_duration_seconds_count{{{own}}}"
    assert prometheus.value(timed)
    more = prometheus.value(f'sum({timed}) - sum(dlms_meter_cycles_total{{{own},result="ok"}})')
    assert more is not None
    assert more <= 1
    age = prometheus.value(
        f"timestamp(dlms_metrics_page_timestamp_seconds{{{own}}}) - dlms_metrics_page_timestamp_seconds"
    )
    assert age is not None
    assert age < 5, "the page is at most 2 s old, plus the time to make it"


def _check_page(port: int) -> None:
    """Promtool has nothing to say against the page of a live system."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def _configuration(directory: Path, system: System, open_port: int) -> dict[str, Any]:
    """Return the example's configuration, in a hurry, with a token, and jobs that have none."""
    token = directory / "token"
    made = system.cli_json("token", "create", "--role", "viewer", "--label", "prometheus")
    assert isinstance(made, dict)
    token.write_text(str(made["token"]), encoding="utf-8")
    example = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = example["scrape_configs"]
    assert job["job_name"] == JOB
    address, other = [f"127.0.0.1:{system.api_port}"], [f"127.0.0.1:{open_port}"]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DEPLOY / name) for name in example["rule_files"]],
        "scrape_configs": [
            {**job, "static_configs": [{"targets": address}], "authorization": {"credentials_file": str(token)}},
            {**job, "job_name": OPEN_JOB, "static_configs": [{"targets": other}]},
            {**job, "job_name": CLOSED_JOB, "static_configs": [{"targets": address}]},
        ],
    }


@contextmanager
def _open_api(system: System) -> Iterator[int]:
    """An API apart from the rest, which lets this host scrape without a token, as the example for gunicorn has it."""
    port = free_port()
    empty = system.paths.run / "empty"
    empty.mkdir(exist_ok=True)
    environment = {**os.environ, "DLMS_BRIDGE_STATE": str(system.state), "DLMS_BRIDGE_API_OPEN_METRICS": "true"}
    words = ["--config", str(ROOT / "deploy" / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    process = subprocess.Popen(
        [str(BIN / "gunicorn"), *words, "admin_api.wsgi:app"],
        cwd=empty,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _is_up(port), 60, "the open API")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(json.load(answer))
    except OSError:
        return False
