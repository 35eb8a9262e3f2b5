"""The store's state as Prometheus metrics: a collector of prometheus_client without memory, and its text.

In: what the store holds, the disk of the state directory. Out: families in the order of the table of names. Numbers
that nobody reported are left out, never shown as 0. No multiprocess mode: all numbers come from the store, so that
every API process answers the same.

The text is written here, not by prometheus_client: 53 000 samples of 1000 meters take it 285 ms of processor time, and
this module 105. Families make their ``Sample`` objects only for those who look at them; tests hold both texts equal.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast, overload

from prometheus_client import Metric as PrometheusMetric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from admin_api import metric_sources as sources
from admin_api.metric_sources import Source
from common import metric_names as names
from common.clock import Clock
from common.metric_names import Metric, MetricKind
from common.settings import SupervisionSettings
from common.store.engine import Store
from common.store.model import ComponentRow, Severity
from common.store.overview import AlarmCount, MeterLook, Snapshot

MAX_EVENTS: Final = 64  # other counters of one component
BETWEEN_PAUSES: Final = 20  # meters: a millisecond of work
DISTRIBUTION: Final = "dlms-bridge"
SUPERVISOR: Final = "supervisor"
PUBLISHER: Final = "publisher"
_UP: Final = frozenset({"draining", "online"})  # states of a connection whose session stands
_LAST_LABEL: Final[Mapping[tuple[MetricKind, str], str]] = {
    (MetricKind.HISTOGRAM, "_bucket"): "le",
    (MetricKind.SUMMARY, ""): "quantile",
}
_TIMES: Final = (
    (names.METER_SEEN, "last_seen_ms"),
    (names.METER_READ, "last_read_ms"),
    (names.METER_TAKEN, "last_taken_ms"),
    (names.METER_ACKNOWLEDGED, "last_acknowledged_ms"),
)
Row = tuple[str, tuple[str, ...], float]  # suffix of the sample's name, label values, value
Reported = tuple[Metric, str, tuple[str, ...], float]
Numbers = Mapping[str, float]


class Samples(Sequence[Sample]):
    """The rows of a family as prometheus_client has them, made when they are looked at."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self.rows: list[Row] = []

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self._sample(row) for row in self.rows[index]]
        return self._sample(self.rows[index])

    def _sample(self, row: Row) -> Sample:
        suffix, values, value = row
        return Sample(
            f"{self._metric.name}{suffix}", dict(zip(_labels(self._metric, suffix), values, strict=True)), value
        )


class Family(PrometheusMetric):
    """One metric with its rows."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric.name.removesuffix("_total"), metric.help, str(metric.kind))
        self.metric = metric
        self.made = Samples(metric)
        self.samples = cast("list[Sample]", self.made)


def go_on() -> None:
    """Do not rest: somebody waits."""


class StoreCollector(Collector):
    """Reads the store once per page. ``took_s``: what the page before took, None before the second."""

    def __init__(self, store: Store, clock: Clock, state: Path, supervision: SupervisionSettings) -> None:
        self._store = store
        self._clock = clock
        self._state = state
        self._supervision = supervision
        self.took_s: float | None = None

    def collect(self, pause: Callable[[], None] = go_on) -> Iterator[Family]:
        """Give every metric that has a sample, in the order of the table of names; raise what the store raises.

        ``pause`` is called again and again meanwhile: whoever makes a page beside other work rests there.
        """
        now_ms = self._clock.wall_ms()
        families = {metric.name: Family(metric) for metric in names.ALL}
        rows = {name: family.made.rows for name, family in families.items()}
        for metric, suffix, values, value in self._reported(self._store.overview.look(now_ms), now_ms, pause):
            rows[metric.name].append((suffix, values, value))
        yield from (family for family in families.values() if family.made.rows)

    def _reported(self, seen: Snapshot, now_ms: int, pause: Callable[[], None]) -> Iterator[Reported]:
        yield names.BUILD, "", (version(DISTRIBUTION),), 1.0
        yield names.METERS, "", (), float(len(seen.meters))
        for place, meter in enumerate(seen.meters):
            if place % BETWEEN_PAUSES == 0:
                pause()
            yield from self._of_meter(meter)
        for component in seen.components:
            yield from _of_component(component)
        yield from _of_alarms(seen.alarms)
        for role in seen.tokens:
            yield names.TOKENS, "", (role.role,), float(role.valid)
            if role.first_end_ms is not None:
                yield names.TOKEN_EXPIRY, "", (role.role,), role.first_end_ms / 1000
        with suppress(OSError):  # a disk that is away is told of by those who need it
            disk = shutil.disk_usage(self._state)
            yield names.DISK_SIZE, "", (), float(disk.total)
            yield names.DISK_FREE, "", (), float(disk.free)
        yield names.PAGE_MADE, "", (), now_ms / 1000
        if self.took_s is not None:
            yield names.PAGE_TOOK, "", (), self.took_s

    def _of_meter(self, meter: MeterLook) -> Iterator[Reported]:
        name, given = meter.name, self._supervision
        address = f"{meter.ip_address}:{meter.port}"
        who = (name, meter.uid.hex(), meter.model, address, meter.serial_number, meter.firmware_version)
        yield names.METER_INFO, "", who, 1.0
        yield names.METER_STATE, "", (name, meter.status), 1.0
        yield names.METER_ENABLED, "", (name,), float(meter.wanted)
        yield names.METER_INTERVAL, "", (name,), meter.interval_s
        limit_s = max(given.stale_floor_s, given.stale_intervals * meter.interval_s)
        yield names.METER_STALENESS, "", (name,), limit_s
        for metric, column in _TIMES:
            at_ms = getattr(meter, column)
            if at_ms is not None:
                yield metric, "", (name,), at_ms / 1000
        yield from _told(meter.network, sources.METER, (name,))
        yield from _told(meter.metrics, sources.METER, (name,))
        yield from _cycles(name, meter.metrics)
        yield from _losses(name, meter.metrics)


def text(families: Iterable[Family], pause: Callable[[], None] = go_on) -> str:
    """Return families in Prometheus's text format 0.0.4; ``pause`` is called after each."""
    escaped = _Escaped()
    parts: list[str] = []
    for family in families:
        metric = family.metric
        help_ = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        parts.append(f"# HELP {metric.name} {help_}\n# TYPE {metric.name} {metric.kind}\n")
        templates: dict[str, str] = {}
        for suffix, values, value in family.made.rows:
            template = templates.get(suffix) or templates.setdefault(suffix, _template(metric, suffix))
            parts.append(template % (*[escaped[item] for item in values], value))
        pause()
    return "".join(parts)


class _Escaped(dict[str, str]):
    """Label values as the format wants them, each made once per page."""

    def __missing__(self, value: str) -> str:
        made = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        self[value] = made
        return made


def _template(metric: Metric, suffix: str) -> str:
    labels = ",".join(f'{label}="%s"' for label in _labels(metric, suffix))
    return f"{metric.name}{suffix}{{{labels}}} %r\n" if labels else f"{metric.name}{suffix} %r\n"


def _labels(metric: Metric, suffix: str) -> tuple[str, ...]:
    last = _LAST_LABEL.get((metric.kind, suffix))
    return metric.labels if last is None else (*metric.labels, last)


def _told(told: Numbers, table: Mapping[str, Source], own: tuple[str, ...]) -> Iterator[Reported]:
    for key, value in told.items():
        source = table.get(key)
        if source is not None:
            yield source.metric, source.suffix, (*own, *source.labels), value * source.factor


def _cycles(name: str, told: Numbers) -> Iterator[Reported]:
    """Give how many cycles the sum of their times is of."""
    if sources.TOOK_IN_ALL in told:
        count = sum(told.get(key, 0.0) for key in sources.CYCLES_THAT_BROUGHT)
        yield names.CYCLE, "_count", (name,), count


def _losses(name: str, told: Numbers) -> Iterator[Reported]:
    for key, value in told.items():
        if key.startswith(sources.METER_DROPPED):
            yield names.LOST, "", (name, key.removeprefix(sources.METER_DROPPED)), value
        elif key.startswith(sources.DROPPED) and key not in sources.METER:
            yield names.JOURNAL_LOST, "", (name, key.removeprefix(sources.DROPPED)), value


def _of_component(component: ComponentRow) -> Iterator[Reported]:
    name, state = component.name, component.state
    counters, gauges = _numbers(state.get("counters")), _numbers(state.get("gauges"))
    yield names.COMPONENT_SEEN, "", (name,), component.updated_ms / 1000
    if "rss_bytes" in gauges:
        yield names.COMPONENT_MEMORY, "", (name,), gauges["rss_bytes"]
    if "cpu_s" in gauges:
        yield names.COMPONENT_CPU, "", (name,), gauges["cpu_s"]
    if name == PUBLISHER:
        yield from _of_publisher(component, counters, gauges)
    elif name == SUPERVISOR:
        yield from _of_supervisor(state.get("clock_synchronised"), counters)
    events = sorted(key for key in counters if not _is_shown(key, name))
    for event in events[:MAX_EVENTS]:
        yield names.COMPONENT_EVENTS, "", (name, event), counters[event]


def _is_shown(key: str, component: str) -> bool:
    """Return whether a counter has a metric of its own."""
    if component == PUBLISHER:
        return key in sources.PUBLISHER or key.startswith(sources.DROPPED)
    return component == SUPERVISOR and key in sources.IN_HISTOGRAM


def _of_supervisor(synchronised: object, counters: Numbers) -> Iterator[Reported]:
    if isinstance(synchronised, bool):
        yield names.CLOCK_TRUSTED, "", (), float(synchronised)
    if sources.TOOK_IN_ALL not in counters:
        return
    total = 0.0
    for key, bound in sources.BUCKETS:
        total += counters.get(key, 0.0)
        yield names.READ_DURATION, "_bucket", (bound,), total
    yield names.READ_DURATION, "_sum", (), counters[sources.TOOK_IN_ALL] / 1000
    yield names.READ_DURATION, "_count", (), total


def _of_publisher(component: ComponentRow, counters: Numbers, gauges: Numbers) -> Iterator[Reported]:
    yield from _told({**counters, **gauges}, sources.PUBLISHER, ())
    dropped = {
        key.removeprefix(sources.DROPPED): value for key, value in counters.items() if key.startswith(sources.DROPPED)
    }
    for reason, value in dropped.items():
        yield names.PUBLISHER_DROPPED, "", (reason,), value
    if counters:
        yield names.PUBLISHED, "", ("dropped",), sum(dropped.values())
        lost = sum(value for reason, value in dropped.items() if reason not in sources.WISHED)
        yield names.PUBLISHER_LOST, "", (), lost
    if gauges.get("outbox_rows") and "oldest_age_s" in gauges:
        yield names.OUTBOX_OLDEST, "", (), component.updated_ms / 1000 - gauges["oldest_age_s"]
    targets = component.state.get("targets")
    for target, pair in targets.items() if isinstance(targets, Mapping) else ():
        state = str(pair[0] if isinstance(pair, list | tuple) and pair else pair)
        yield names.TARGET_STATE, "", (str(target), state), 1.0
        yield names.TARGET_UP, "", (str(target),), float(state in _UP)


def _of_alarms(counts: Sequence[AlarmCount]) -> Iterator[Reported]:
    unseen = {str(severity): 0 for severity in Severity}
    for count in counts:
        unseen[count.severity] += count.unseen
        yield names.ALARMS, "", (count.severity, count.category), float(count.active)
    yield from ((names.ALARMS_UNSEEN, "", (severity,), float(number)) for severity, number in unseen.items())


def _numbers(value: object) -> dict[str, float]:
    found = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {}
    return {str(name): float(item) for name, item in found.items() if isinstance(item, int | float)}
