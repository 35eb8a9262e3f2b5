"""For each alert what makes it fire and what does not: a table, and the file of it that ``promtool test rules`` takes.

``python -m tests.house.rule_cases`` prints deploy/prometheus/rules.test.yml. In every case the same series are there
twice: of an installation ``ill`` that has the trouble, and of one ``well`` that just has it not; only ``ill`` may fire,
and only after the time that the rule demands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
FILE: Final = DEPLOY / "rules.test.yml"
JOB: Final = "dlms-bridge"
FLEET: Final = 6
Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """``ill``, ``well``: series (without job and instance) to values, one a minute. ``at``: the minute it fires in;
    ``early``: one in which the trouble lasts and it does not fire yet; None where the rule waits for nothing."""

    alert: str
    ill: Series
    well: Series
    at: int
    early: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def _fleet(metric: str, values: str, bad: int, other: str, extra: str = "") -> dict[str, str]:
    """Return a series for each of six meters, of which the first ``bad`` have ``values``."""
    return {
        f'{metric}{{meter="m{number}"{extra}}}': values if number < bad else other for number in range(1, FLEET + 1)
    }


def _read(bad: int) -> dict[str, str]:
    """Six meters wished running, of which the first ``bad - 1`` are not read from the third minute on."""
    return {
        **_fleet("dlms_meter_enabled", "1x60", 0, "1x60"),
        **_fleet("dlms_meter_staleness_limit_seconds", "90x60", 0, "90x60"),
        **_fleet("dlms_meter_last_read_timestamp_seconds", "0 60 120x60", bad, "0+60x60"),
    }


_ONE: Final = {"meter": "m1"}
_ENABLED: Final = {'dlms_meter_enabled{meter="m1"}': "1x60"}
_SEEN: Final = 'dlms_component_last_heartbeat_timestamp_seconds{component="%s"}'
_READS: Final = 'dlms_meter_reads_total{meter="m1",result="%s"}'
_HALF: Final = {_READS % "ok": "0+90x60", _READS % "failed": "0+10x60"}
_FINE: Final = {_READS % "ok": "0+96x60", _READS % "failed": "0+4x60"}
CASES: Final = (
    Case("DlmsMeterStale", _read(2), _read(0), 6, 4, _ONE),
    Case(
        "DlmsMeterNeverRead",
        _ENABLED,
        {**_ENABLED, 'dlms_meter_last_read_timestamp_seconds{meter="m1"}': "0+60x60"},
        6,
        4,
        _ONE,
    ),
    Case("DlmsMetersStaleTogether", _read(6), _read(5), 6, 4),
    Case(
        "DlmsMeterFlapping",
        {'dlms_worker_restarts_total{meter="m1",reason="ended"}': "0x4 1+1x30"},
        {'dlms_worker_restarts_total{meter="m1",reason="ended"}': "0x4 1x9 2x30"},
        18,
        8,
        _ONE,
    ),
    Case(
        "DlmsMeterReconnecting",
        {'dlms_meter_reconnects_total{meter="m1"}': "0x9 1+1x90"},
        {'dlms_meter_reconnects_total{meter="m1"}': "0x9 1x19 2x19 3x60"},
        60,
        15,
        _ONE,
    ),
    Case(
        "DlmsMeterRefused",
        {'dlms_meter_state{meter="m1",state="auth_failed"}': "1x30"},
        {'dlms_meter_state{meter="m1",state="unreachable"}': "1x30"},
        6,
        4,
        {**_ONE, "state": "auth_failed"},
    ),
    Case(
        "DlmsWorkerBlocked",
        {'dlms_meter_state{meter="m1",state="blocked"}': "1x30"},
        {'dlms_meter_state{meter="m1",state="active"}': "1x30"},
        2,
        0,
        {**_ONE, "state": "blocked"},
    ),
    Case("DlmsMeterReadSuccessLow", _HALF, _FINE, 36, 29, _ONE),
    Case("DlmsFleetReadSuccessLow", _HALF, _FINE, 36, 29),
    Case(
        "DlmsBackfillPending",
        {'dlms_backfill_pending_seconds{meter="m1"}': "900x400", 'dlms_meter_enabled{meter="m1"}': "1x400"},
        {
            'dlms_backfill_pending_seconds{meter="m1"}': "900x300 0 900x100",
            'dlms_meter_enabled{meter="m1"}': "1x400",
            'dlms_backfill_pending_seconds{meter="stopped"}': "900x400",
            'dlms_meter_enabled{meter="stopped"}': "0x400",
        },
        365,
        350,
        _ONE,
    ),
    Case(
        "DlmsWorkerMemoryHigh",
        {'dlms_worker_resident_memory_bytes{meter="m1"}': "70000000x30", **_ENABLED},
        {
            'dlms_worker_resident_memory_bytes{meter="m1"}': "60000000x30",
            **_ENABLED,
            'dlms_worker_resident_memory_bytes{meter="stopped"}': "70000000x30",
            'dlms_meter_enabled{meter="stopped"}': "0x30",
        },
        11,
        9,
        _ONE,
    ),
    Case(
        "DlmsBrokerDown",
        {'dlms_publisher_target_up{target="default"}': "1x4 0x30"},
        {'dlms_publisher_target_up{target="default"}': "1x4 0 1x30"},
        7,
        5,
        {"target": "default"},
    ),
    Case(
        "DlmsOutboxGrowing",
        {"dlms_outbox_readings": "0+60x60", "dlms_outbox_oldest_timestamp_seconds": "60x60"},
        {"dlms_outbox_readings": "9000-60x60", "dlms_outbox_oldest_timestamp_seconds": "60x60"},
        17,
        15,
    ),
    Case(
        "DlmsReadingsLost",
        {"dlms_publisher_readings_lost_total": "5x9 6x60"},
        {"dlms_publisher_readings_lost_total": "5x60"},
        12,
        8,
    ),
    Case(
        "DlmsJournalRefusing",
        {'dlms_meter_readings_dropped_total{meter="m1",reason="disk_full"}': "0x9 1x60"},
        {'dlms_meter_readings_dropped_total{meter="m1",reason="operator"}': "0x9 1x60"},
        12,
        8,
        _ONE,
    ),
    Case(
        "DlmsReadingsSetAside",
        {"dlms_outbox_set_aside_readings": "1x30"},
        {"dlms_outbox_set_aside_readings": "0x30"},
        2,
        0,
    ),
    Case(
        "DlmsReadingsUnrouted",
        {"dlms_outbox_unrouted_readings": "1x30"},
        {"dlms_outbox_unrouted_readings": "1x5 0x30"},
        11,
        9,
    ),
    Case(
        "DlmsPubackSlow",
        {'dlms_publisher_puback_seconds{quantile="0.99"}': "6x30"},
        {
            'dlms_publisher_puback_seconds{quantile="0.5"}': "6x30",
            'dlms_publisher_puback_seconds{quantile="0.99"}': "4x30",
        },
        11,
        9,
        {"quantile": "0.99"},
    ),
    Case(
        "DlmsPublisherSilent",
        {_SEEN % "publisher": "0x30"},
        {_SEEN % "publisher": "0+60x30"},
        3,
        1,
        {"component": "publisher"},
    ),
    Case("DlmsScrapeFailing", {"up": "1x4 0x30"}, {"up": "1x4 0 1x30"}, 8, 6),
    Case(
        "DlmsSupervisorSilent",
        {_SEEN % "supervisor": "0x30"},
        {_SEEN % "supervisor": "0+60x30"},
        3,
        1,
        {"component": "supervisor"},
    ),
    Case("DlmsClockUntrusted", {"dlms_clock_trusted": "0x30"}, {"dlms_clock_trusted": "0x5 1x30"}, 11, 9),
    Case(
        "DlmsClockSkew",
        {"dlms_metrics_page_timestamp_seconds": "40+60x30"},
        {"dlms_metrics_page_timestamp_seconds": "20+60x30"},
        6,
        4,
    ),
    Case(
        "DlmsDiskNearlyFull",
        {"dlms_state_disk_free_bytes": "9x30", "dlms_state_disk_size_bytes": "100x30"},
        {"dlms_state_disk_free_bytes": "11x30", "dlms_state_disk_size_bytes": "100x30"},
        11,
        9,
    ),
    Case(
        "DlmsTokenExpiring",
        {'dlms_api_token_expiry_timestamp_seconds{role="viewer"}': "600000x30"},
        {'dlms_api_token_expiry_timestamp_seconds{role="viewer"}': "700000x30"},
        11,
        9,
        {"role": "viewer"},
    ),
    Case(
        "DlmsCriticalAlarmUnseen",
        {'dlms_alarms_unacknowledged{severity="critical"}': "1x30"},
        {
            'dlms_alarms_unacknowledged{severity="error"}': "1x30",
            'dlms_alarms_unacknowledged{severity="critical"}': "0x30",
        },
        16,
        14,
        {"severity": "critical"},
    ),
)
"""Every alert once; what more has to hold is in ``FURTHER``."""


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alert rules by name."""
    content = yaml.safe_load((DEPLOY / "rules" / "alerts.yml").read_text(encoding="utf-8"))
    return {rule["alert"]: rule for group in content["groups"] for rule in group["rules"]}


def document() -> dict[str, object]:
    """Return the file as plain data."""
    rules = alerts()
    tests = [_test(case, rules[case.alert]) for case in CASES]
    return {
        "rule_files": ["rules/recording.yml", "rules/alerts.yml"],
        "evaluation_interval": "1m",
        "tests": [*tests, _inhibited(), _absent(rules["DlmsScrapeFailing"])],
    }


def _test(case: Case, rule: Mapping[str, Any]) -> dict[str, object]:
    expected = _firing(rule, {"instance": "ill", **case.labels})
    checks: list[dict[str, object]] = [{"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": [expected]}]
    if case.early is not None:
        checks.insert(0, {"eval_time": f"{case.early}m", "alertname": case.alert, "exp_alerts": []})
    series = [*_series(case.ill, "ill"), *_series(case.well, "well")]
    return {"name": case.alert, "interval": "1m", "input_series": series, "alert_rule_test": checks}


def _inhibited() -> dict[str, object]:
    """While many meters are stale together, none is told of by itself."""
    quiet: list[object] = [
        {"eval_time": "10m", "alertname": name, "exp_alerts": []} for name in ("DlmsMeterStale", "DlmsMeterNeverRead")
    ]
    series = _series(_read(6), "ill")
    return {"name": "many at once", "interval": "1m", "input_series": series, "alert_rule_test": quiet}


def _absent(rule: Mapping[str, Any]) -> dict[str, object]:
    """Nothing is scraped at all."""
    expected = _firing(rule, {})
    checks = [{"eval_time": "3m", "alertname": rule["alert"], "exp_alerts": [expected]}]
    return {"name": "nothing is scraped", "interval": "1m", "input_series": [], "alert_rule_test": checks}


def _series(given: Series, instance: str) -> list[dict[str, str]]:
    own = f'job="{JOB}",instance="{instance}"'
    found = []
    for name, values in given.items():
        metric, _, labels = name.partition("{")
        inner = labels.removesuffix("}")
        found.append({"series": f"{metric}{{{own}{',' if inner else ''}{inner}}}", "values": values})
    return found


def _firing(rule: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, object]:
    known = {"job": JOB, **labels}
    notes = {
        name: re.sub(r"\{\{ \$labels\.(\w+) }}", lambda m: known[m[1]], text)
        for name, text in rule["annotations"].items()
    }
    return {"exp_labels": {**rule["labels"], **known}, "exp_annotations": notes}


def main() -> None:
    """Print the file."""
    print("# Made by `make prometheus` from tests/house/rule_cases.py; `promtool test rules` takes it.")
    print(yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=4096), end="")


if __name__ == "__main__":
    main()
