"""Metrics: the page, and the numbers as JSON."""

import gzip
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from admin_api import metric_sources
from admin_api.exposition import Family, StoreCollector, text
from common import metric_names
from common.meter_state import MeterState
from common.metric_names import MetricKind
from common.settings import SupervisionSettings
from common.store.model import MeterStateRow, Role, Severity
from tests.support.installation import NOON_MS, Api, wish

ALWAYS = {
    *("dlms_meters", "dlms_bridge_build_info", "dlms_alarms_unacknowledged"),
    *("dlms_api_tokens", "dlms_api_token_expiry_timestamp_seconds"),
    *("dlms_state_disk_size_bytes", "dlms_state_disk_free_bytes"),
    *("dlms_metrics_page_timestamp_seconds", "dlms_metrics_page_render_seconds"),
}
METRICS = {
    "cycles_ok": 8.0,
    "cycles_partial": 2.0,
    "cycle_ms_total": 1200.0,
    "starts_ended": 1.0,
    "reads_ok": 99.0,
    "reads_failed": 1.0,
    "scaler_hits": 3.0,
    "scaler_misses": 1.0,
    "cycle_ms_avg": 120.0,
    "delivery_delivered": 20.0,
    "delivery_waiting": 2.0,
    "delivery_dropped": 1.0,
    "dropped_disk_full": 4.0,
}


def _samples(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    api.clock.sleep(3)
    page = api.call("GET", "/metrics", role=None).get_data(as_text=True)
    return {_key(sample): sample.value for family in text_string_to_metric_families(page) for sample in family.samples}


def _value(api: Api, name: str, **labels: str) -> float | None:
    return _samples(api).get((name, frozenset(labels.items())))


def _fill(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    state = MeterStateRow(
        meter.uid,
        MeterState.ACTIVE,
        serial_number="0123",
        last_read_ms=NOON_MS,
        metrics=METRICS,
        network={"frames_sent": 7.0, "octets_received": 70.0},
    )
    api.store.states.write([state])


def test_the_page_of_an_empty_installation_is_a_page(api: Api) -> None:
    assert _value(api, "dlms_meters") == 0.0
    assert {name for name, _ in _samples(api)} == ALWAYS


def test_a_meter_is_on_the_page_with_what_it_reported_and_nothing_else(api: Api) -> None:
    _fill(api)
    assert _value(api, "dlms_meter_reads_total", meter="sim-1", result="ok") == 99.0
    assert _value(api, "dlms_meter_staleness_limit_seconds", meter="sim-1") == 20.0
    assert _value(api, "dlms_worker_restarts_total", meter="sim-1", reason="ended") == 1.0
    assert _value(api, "dlms_meter_state", meter="sim-1", state="active") == 1.0
    assert _value(api, "dlms_meter_enabled", meter="sim-1") == 1.0
    assert _value(api, "dlms_meter_cycle_duration_seconds_sum", meter="sim-1") == 1.2
    assert _value(api, "dlms_meter_cycle_duration_seconds_count", meter="sim-1") == 10.0
    assert _value(api, "dlms_meter_last_read_timestamp_seconds", meter="sim-1") == NOON_MS / 1000
    assert _value(api, "dlms_meter_last_taken_timestamp_seconds", meter="sim-1") is None
    assert _value(api, "dlms_meter_network_bytes_total", meter="sim-1", direction="received") == 70.0
    assert _value(api, "dlms_meter_readings_dropped_total", meter="sim-1", reason="disk_full") == 4.0
    names = {name for name, _ in _samples(api)}
    assert "dlms_meter_missed_ticks_total" not in names


def test_components_and_alarms_are_on_the_page(api: Api) -> None:
    state = {
        "counters": {"taken": 9, "dropped_age": 2, "dropped_purged": 3, "odd": 1, "waiting": 5, "pubacks": 4},
        "gauges": {"outbox_rows": 5, "oldest_age_s": 10.0, "puback_ms_p99": 8.0, "rss_bytes": 1e6},
        "targets": {"default": ["online", ""]},
    }
    api.store.states.write_component("publisher", state, NOON_MS)
    api.store.states.write_component("supervisor", {"counters": "nonsense", "gauges": {"cpu_s": 1.5}}, NOON_MS)
    api.store.alarms.raise_("disk:x", Severity.ERROR, "disk", "x")
    assert _value(api, "dlms_publisher_readings_total", stage="taken") == 9.0
    assert _value(api, "dlms_publisher_readings_total", stage="dropped") == 5.0
    assert _value(api, "dlms_publisher_readings_lost_total") == 2.0
    assert _value(api, "dlms_publisher_readings_dropped_total", reason="age") == 2.0
    assert _value(api, "dlms_publisher_puback_seconds_count") == 4.0
    assert _value(api, "dlms_publisher_target_up", target="default") == 1.0
    assert _value(api, "dlms_alarms_unacknowledged", severity="error") == 1.0
    assert _value(api, "dlms_alarms_unacknowledged", severity="critical") == 0.0
    assert _value(api, "dlms_component_events_total", component="publisher", event="odd") == 1.0
    assert _value(api, "dlms_component_events_total", component="publisher", event="waiting") is None
    assert _value(api, "dlms_outbox_oldest_timestamp_seconds") == NOON_MS / 1000 - 10
    assert _value(api, "dlms_publisher_puback_seconds", quantile="0.99") == 0.008
    assert _value(api, "dlms_publisher_target_state", target="default", state="online") == 1.0
    assert _value(api, "dlms_component_last_heartbeat_timestamp_seconds", component="supervisor") == NOON_MS / 1000
    assert _value(api, "dlms_component_cpu_seconds_total", component="supervisor") == 1.5
    assert _value(api, "dlms_alarms_active", severity="error", category="disk") == 1.0


def test_how_long_all_cycles_took_is_a_histogram(api: Api) -> None:
    counters = {"took_50_ms": 3, "took_2000_ms": 1, "took_longer": 1, "cycle_ms_total": 41_000, "own_gaps": 2}
    state = {"counters": counters, "clock_synchronised": False}
    api.store.states.write_component("supervisor", state, NOON_MS)
    assert _value(api, "dlms_meter_read_duration_seconds_bucket", le="0.05") == 3.0
    assert _value(api, "dlms_meter_read_duration_seconds_bucket", le="1.0") == 3.0
    assert _value(api, "dlms_meter_read_duration_seconds_bucket", le="2.0") == 4.0
    assert _value(api, "dlms_meter_read_duration_seconds_bucket", le="+Inf") == 5.0
    assert _value(api, "dlms_meter_read_duration_seconds_count") == 5.0
    assert _value(api, "dlms_meter_read_duration_seconds_sum") == 41.0
    assert _value(api, "dlms_clock_trusted") == 0.0
    events = {dict(labels)["event"] for name, labels in _samples(api) if name == "dlms_component_events_total"}
    assert events == {"own_gaps"}


def test_labels_are_escaped(api: Api) -> None:
    api.store.meters.add(wish('a "b" \\c'), "test")
    assert _value(api, "dlms_meter_enabled", meter='a "b" \\c') == 1.0


def test_the_page_is_what_prometheus_client_makes_of_the_collector(api: Api) -> None:
    _fill(api)
    api.store.meters.add(wish('a "b" \\c', "10.0.0.2"), "test")
    api.store.alarms.raise_("disk:x", Severity.ERROR, "disk", "x")
    api.store.states.write_component("supervisor", {"counters": {"cycle_ms_total": 1, "took_50_ms": 1}}, NOON_MS)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreCollector(api.store, api.clock, Path("away"), SupervisionSettings()))
    families = list(registry.collect())
    assert _told(text(map(_ours, families))) == _told(generate_latest(registry).decode())
    assert families[0].samples[0] == families[0].samples[0:1][0]


def _ours(family: object) -> Family:
    assert isinstance(family, Family)
    return family


def _told(page: str) -> list[tuple[str, str, str, set[tuple[object, ...]]]]:
    families = text_string_to_metric_families(page)
    return [
        (family.name, family.type, family.documentation, {(*_key(sample), sample.value) for sample in family.samples})
        for family in families
    ]


def _key(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())


def test_who_takes_gzip_gets_the_same_page_packed(api: Api) -> None:
    _fill(api)
    plain = api.call("GET", "/metrics")
    packed = api.call("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    refused = api.call("GET", "/metrics", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert gzip.decompress(packed.get_data()) == plain.get_data() == refused.get_data()
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.content_type == plain.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_tokens_are_counted_by_role_with_the_first_that_ends(api: Api) -> None:
    api.store.tokens.create(Role.VIEWER, "soon", life_ms=60_000)
    api.store.tokens.create(Role.VIEWER, "later", life_ms=90_000)
    api.store.tokens.create(Role.ADMIN, "never", life_ms=None)
    api.store.tokens.revoke(api.store.tokens.create(Role.VIEWER, "gone", life_ms=30_000)[0])
    assert _value(api, "dlms_api_tokens", role="viewer") == 3.0
    assert _value(api, "dlms_api_token_expiry_timestamp_seconds", role="viewer") == NOON_MS / 1000 + 60
    api.clock.sleep(70)
    assert _value(api, "dlms_api_tokens", role="viewer") == 2.0
    assert _value(api, "dlms_api_token_expiry_timestamp_seconds", role="viewer") == NOON_MS / 1000 + 90
    assert _value(api, "dlms_api_tokens", role="admin") == 2.0


def test_the_page_is_made_at_most_every_two_seconds(api: Api) -> None:
    assert _value(api, "dlms_meters") == 0.0
    api.store.meters.add(wish(), "test")
    assert b"dlms_meters 0.0" in api.call("GET", "/metrics").get_data()
    api.clock.sleep(2.1)
    assert b"dlms_meters 1.0" in api.call("GET", "/metrics").get_data()


def test_names_follow_the_conventions() -> None:
    for metric in metric_names.ALL:
        assert metric.name.startswith("dlms_")
        assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER), metric.name
        assert not any(part in {"ms", "milliseconds", "age"} for part in metric.name.split("_")), metric.name
        assert metric.help.endswith("."), metric.name
    assert len({metric.name for metric in metric_names.ALL}) == len(metric_names.ALL) > 40


def test_every_source_fills_the_labels_of_its_metric() -> None:
    for sources, own in ((metric_sources.METER, 1), (metric_sources.PUBLISHER, 0)):
        for key, source in sources.items():
            quantile = source.metric.kind is MetricKind.SUMMARY and not source.suffix
            assert len(source.metric.labels) + quantile == own + len(source.labels), key


def test_a_meters_numbers_as_json(api: Api) -> None:
    _fill(api)
    found = api.get("/api/metrics/1")
    assert found == api.get("/api/meters/sim-1/metrics")
    expected = {
        "meter_id": 1,
        "avg_read_time": 0.12,
        "min_read_time": None,
        "reads_total": 100.0,
        "success_rate": 99.0,
        "messages_sent": 20.0,
        "messages_buffered": 2.0,
        "messages_dropped": 5.0,
        "cache_hit_rate": 75.0,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_meter_that_never_read_has_no_rates(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    found = api.get("/api/metrics/1")
    assert (found["success_rate"], found["cache_hit_rate"], found["avg_read_time"]) == (None, None, None)


def test_the_summary_sums(api: Api) -> None:
    _fill(api)
    other = api.store.meters.add(wish("sim-2", port=3334), "test")
    api.store.states.write([MeterStateRow(other.uid, MeterState.UNREACHABLE, metrics={"reads_failed": 100.0})])
    api.store.alarms.raise_("disk:x", Severity.ERROR, "disk", "x")
    found = api.get("/api/metrics/summary")
    assert (found["meters"], found["by_state"]) == (2, {"active": 1, "unreachable": 1})
    assert (found["success_rate"], found["messages_sent"], found["active_alarms"]) == (49.5, 20.0, {"error": 1})
