"""The store's state as Prometheus metrics: a collector without memory, and a page that is made at most every 2 s.

In: what the store holds. Out: the text of the page. Numbers that nobody reported are left out, never shown as 0. No
multiprocess mode: all numbers come from the store, so that every API process answers the same.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from common import metric_names as names
from common.clock import Clock
from common.meter_state import DesiredState
from common.metric_names import Metric, MetricKind
from common.store.engine import Store
from common.store.model import ComponentRow, Meter, MeterStateRow

FRESH_S: Final = 2.0
MAX_EVENTS: Final = 64  # other counters of one component
METER_DROPPED: Final = "delivery_dropped_"
DROPPED: Final = "dropped_"  # begins the names of counters of readings that are gone, by reason
DISTRIBUTION: Final = "dlms-bridge"
_MILLI: Final = 0.001
Family = CounterMetricFamily | GaugeMetricFamily
Source = tuple[Metric, tuple[str, ...], float]  # where a reported number goes: metric, further label values, factor

METER_SOURCES: Final[Mapping[str, Source]] = {
    "cycles_ok": (names.CYCLES, ("ok",), 1),
    "cycles_partial": (names.CYCLES, ("partial",), 1),
    "cycles_failed": (names.CYCLES, ("failed",), 1),
    "reads_ok": (names.READS, ("ok",), 1),
    "reads_failed": (names.READS, ("failed",), 1),
    "missed_ticks": (names.MISSED, (), 1),
    "cycle_ms_last": (names.CYCLE, ("last",), _MILLI),
    "cycle_ms_avg": (names.CYCLE, ("avg",), _MILLI),
    "cycle_ms_min": (names.CYCLE, ("min",), _MILLI),
    "cycle_ms_max": (names.CYCLE, ("max",), _MILLI),
    "connects": (names.CONNECTS, ("ok",), 1),
    "connect_failures": (names.CONNECTS, ("failed",), 1),
    "reconnects": (names.RECONNECTS, (), 1),
    "associations": (names.ASSOCIATIONS, ("ok",), 1),
    "auth_refusals": (names.ASSOCIATIONS, ("refused",), 1),
    "frames_sent": (names.FRAMES, ("sent",), 1),
    "frames_received": (names.FRAMES, ("received",), 1),
    "octets_sent": (names.OCTETS, ("sent",), 1),
    "octets_received": (names.OCTETS, ("received",), 1),
    "bad_frames": (names.BAD_FRAMES, (), 1),
    "resent": (names.RESENT, (), 1),
    "scaler_hits": (names.SCALERS, ("hit",), 1),
    "scaler_misses": (names.SCALERS, ("miss",), 1),
    "taken": (names.JOURNALED, (), 1),
    "dropped_disk_full": (names.LOST, ("disk_full",), 1),
    "dropped_too_large": (names.LOST, ("too_large",), 1),
    "replayed": (names.REPLAYED, (), 1),
    "backfilled": (names.BACKFILLED, (), 1),
    "backfill_pending_s": (names.BACKFILL_PENDING, (), 1),
    "rss_bytes": (names.WORKER_MEMORY, (), 1),
    "open_fds": (names.WORKER_FILES, (), 1),
    "cpu_s": (names.WORKER_CPU, (), 1),
    "starts": (names.WORKER_UNPLANNED_STARTS, (), 1),
    "delivery_taken": (names.METER_TAKES, (), 1),
    "delivery_delivered": (names.METER_DELIVERED, (), 1),
    "delivery_waiting": (names.METER_WAITING, (), 1),
    "delivery_repeats": (names.METER_REPEATS, (), 1),
    "delivery_gaps": (names.METER_GAPS, (), 1),
    "delivery_set_aside": (names.METER_ASIDE, (), 1),
    "damaged_files": (names.JOURNAL_DAMAGED, (), 1),
}
PUBLISHER_SOURCES: Final[Mapping[str, Source]] = {
    "taken": (names.PUBLISHED, ("taken",), 1),
    "delivered": (names.PUBLISHED, ("delivered",), 1),
    "set_aside": (names.OUTBOX_ASIDE, (), 1),
    "mqtt_messages": (names.MQTT_MESSAGES, (), 1),
    "mqtt_octets": (names.MQTT_OCTETS, (), 1),
    "mqtt_sessions": (names.MQTT_SESSIONS, (), 1),
    "mqtt_disconnects": (names.MQTT_LOST, (), 1),
    "mqtt_delivered": (names.MQTT_ENDED, ("delivered",), 1),
    "mqtt_rejected": (names.MQTT_ENDED, ("rejected",), 1),
    "mqtt_returned": (names.MQTT_ENDED, ("returned",), 1),
    "puback_ms_p50": (names.PUBACK, ("0.5",), _MILLI),
    "puback_ms_p99": (names.PUBACK, ("0.99",), _MILLI),
    "waiting": (names.OUTBOX_ROWS, (), 1),
    "outbox_octets": (names.OUTBOX_OCTETS, (), 1),
    "unrouted_rows": (names.OUTBOX_UNROUTED, (), 1),
}
_TIMES: Final = (
    (names.METER_SEEN, "last_seen_ms"),
    (names.METER_READ, "last_read_ms"),
    (names.METER_TAKEN, "last_taken_ms"),
    (names.METER_ACKNOWLEDGED, "last_acknowledged_ms"),
)


class StoreCollector(Collector):
    """Reads the store once per page."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Family]:
        """Yield every metric that has a sample, in the order of the table of names."""
        families = {metric.name: _family(metric) for metric in names.ALL}
        for metric, labels, value in self._samples():
            families[metric.name].add_metric([str(label) for label in labels], value)
        yield from (family for family in families.values() if family.samples)

    def _samples(self) -> "Iterator[Sample]":
        states = {state.uid: state for state in self._store.states.list()}
        meters = self._store.meters.list()
        yield names.BUILD, (version(DISTRIBUTION),), 1.0
        yield names.METERS, (), float(len(meters))
        for meter in meters:
            yield from _meter(meter, states.get(meter.uid, MeterStateRow(meter.uid)))
        for component in self._store.states.components().values():
            yield from _component(component)
        active: dict[tuple[str, ...], float] = {}
        for alarm in self._store.alarms.active():
            key = (str(alarm.severity), alarm.category)
            active[key] = active.get(key, 0.0) + 1.0
        yield from ((names.ALARMS, key, count) for key, count in active.items())


class MetricsPage:
    """The page of one process, made anew when it is older than 2 s and asked for."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StoreCollector(store))
        self._clock = clock
        self._lock = threading.Lock()
        self._made_at = float("-inf")
        self._page = b""

    def text(self) -> bytes:
        """Return the page in Prometheus's text format."""
        with self._lock:
            if self._clock.monotonic() - self._made_at > FRESH_S:
                self._page = generate_latest(self._registry)
                self._made_at = self._clock.monotonic()
            return self._page


Sample = tuple[Metric, tuple[str, ...], float]


def _family(metric: Metric) -> Family:
    if metric.kind is MetricKind.COUNTER:
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _meter(meter: Meter, state: MeterStateRow) -> Iterator[Sample]:
    wish = meter.wish
    name = wish.name
    address = f"{wish.ip_address}:{wish.port}"
    who = (name, meter.uid.hex(), wish.model, address, state.serial_number, state.firmware_version)
    yield names.METER_INFO, who, 1.0
    yield names.METER_STATE, (name, str(state.status)), 1.0
    yield names.METER_ENABLED, (name,), float(wish.desired_state is DesiredState.RUNNING)
    yield names.METER_INTERVAL, (name,), wish.interval_s
    for metric, column in _TIMES:
        at_ms = getattr(state, column)
        if at_ms is not None:
            yield metric, (name,), at_ms / 1000
    reported = {**state.network, **state.metrics}
    yield from _reported(reported.items(), METER_SOURCES, (name,))
    for key, value in reported.items():
        if key.startswith(METER_DROPPED):
            yield names.LOST, (name, key.removeprefix(METER_DROPPED)), value
    for key, value in reported.items():
        if key.startswith(DROPPED) and key not in METER_SOURCES:
            yield names.JOURNAL_LOST, (name, key.removeprefix(DROPPED)), value


def _component(component: ComponentRow) -> Iterator[Sample]:
    name, state = component.name, component.state
    counters, gauges = _numbers(state.get("counters")), _numbers(state.get("gauges"))
    yield names.COMPONENT_SEEN, (name,), component.updated_ms / 1000
    if "rss_bytes" in gauges:
        yield names.COMPONENT_MEMORY, (name,), gauges["rss_bytes"]
    if "cpu_s" in gauges:
        yield names.COMPONENT_CPU, (name,), gauges["cpu_s"]
    if name == "publisher":
        yield from _publisher(component, counters, gauges)
        counters = {key: value for key, value in counters.items() if not _is_known(key)}
    for event in sorted(counters)[:MAX_EVENTS]:
        yield names.COMPONENT_EVENTS, (name, event), counters[event]


def _publisher(component: ComponentRow, counters: Mapping[str, float], gauges: Mapping[str, float]) -> Iterator[Sample]:
    yield from _reported({**counters, **gauges}.items(), PUBLISHER_SOURCES, ())
    for key, value in counters.items():
        if key.startswith(DROPPED):
            yield names.PUBLISHER_DROPPED, (key.removeprefix(DROPPED),), value
    if gauges.get("outbox_rows") and "oldest_age_s" in gauges:
        yield names.OUTBOX_OLDEST, (), component.updated_ms / 1000 - gauges["oldest_age_s"]
    targets = component.state.get("targets")
    for target, pair in targets.items() if isinstance(targets, Mapping) else ():
        state = pair[0] if isinstance(pair, list | tuple) and pair else pair
        yield names.TARGET_STATE, (str(target), str(state)), 1.0


def _reported(
    reported: Iterable[tuple[str, float]], sources: Mapping[str, Source], labels: tuple[str, ...]
) -> Iterator[Sample]:
    for key, value in reported:
        if key in sources:
            metric, more, factor = sources[key]
            yield metric, (*labels, *more), value * factor


def _is_known(key: str) -> bool:
    return key in PUBLISHER_SOURCES or key.startswith(DROPPED)


def _numbers(value: object) -> dict[str, float]:
    found = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {}
    return {str(name): float(item) for name, item in found.items() if isinstance(item, int | float)}
