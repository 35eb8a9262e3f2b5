"""Where the numbers that workers and publisher report go on the metrics page: tables, and nothing else.

In: names of counters and gauges of their heartbeats. Out: metric, sample, further label values, factor to base units.
What is in no table is on no page, or among the events of a component.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from common import metric_names as names
from common.heartbeat import BOUNDS_MS, TOOK
from common.metric_names import Metric

_MILLI: Final = 0.001


class Source(NamedTuple):
    """Where a reported number goes. ``suffix``: which sample of a summary; ``labels`` follow those of the reporter."""

    metric: Metric
    labels: tuple[str, ...] = ()
    factor: float = 1
    suffix: str = ""


METER: Final[Mapping[str, Source]] = {
    "cycles_ok": Source(names.CYCLES, ("ok",)),
    "cycles_partial": Source(names.CYCLES, ("partial",)),
    "cycles_failed": Source(names.CYCLES, ("failed",)),
    "cycle_ms_total": Source(names.CYCLE, (), _MILLI, "_sum"),
    "reads_ok": Source(names.READS, ("ok",)),
    "reads_failed": Source(names.READS, ("failed",)),
    "missed_ticks": Source(names.MISSED),
    "connects": Source(names.CONNECTS, ("ok",)),
    "connect_failures": Source(names.CONNECTS, ("failed",)),
    "reconnects": Source(names.RECONNECTS),
    "associations": Source(names.ASSOCIATIONS, ("ok",)),
    "auth_refusals": Source(names.ASSOCIATIONS, ("refused",)),
    "frames_sent": Source(names.FRAMES, ("sent",)),
    "frames_received": Source(names.FRAMES, ("received",)),
    "octets_sent": Source(names.OCTETS, ("sent",)),
    "octets_received": Source(names.OCTETS, ("received",)),
    "bad_frames": Source(names.BAD_FRAMES, ("damaged",)),
    "out_of_sequence": Source(names.BAD_FRAMES, ("out_of_sequence",)),
    "resent": Source(names.RESENT),
    "scaler_hits": Source(names.SCALERS, ("hit",)),
    "scaler_misses": Source(names.SCALERS, ("miss",)),
    "taken": Source(names.JOURNALED),
    "dropped_disk_full": Source(names.LOST, ("disk_full",)),
    "dropped_too_large": Source(names.LOST, ("too_large",)),
    "replayed": Source(names.REPLAYED),
    "backfilled": Source(names.BACKFILLED),
    "backfill_windows": Source(names.BACKFILL_WINDOWS, ("read",)),
    "backfill_failed": Source(names.BACKFILL_WINDOWS, ("failed",)),
    "backfill_pending_s": Source(names.BACKFILL_PENDING),
    "backfill_pending": Source(names.BACKFILL_RANGES),
    "rss_bytes": Source(names.WORKER_MEMORY),
    "open_fds": Source(names.WORKER_FILES),
    "cpu_s": Source(names.WORKER_CPU),
    "starts_ended": Source(names.WORKER_RESTARTS, ("ended",)),
    "starts_replaced": Source(names.WORKER_RESTARTS, ("replaced",)),
    "starts_refused": Source(names.WORKER_RESTARTS, ("refused",)),
    "delivery_taken": Source(names.METER_TAKES),
    "delivery_delivered": Source(names.METER_DELIVERED),
    "delivery_waiting": Source(names.METER_WAITING),
    "delivery_repeats": Source(names.METER_REPEATS),
    "delivery_gaps": Source(names.METER_GAPS),
    "delivery_set_aside": Source(names.METER_ASIDE),
    "damaged_files": Source(names.JOURNAL_DAMAGED),
}
PUBLISHER: Final[Mapping[str, Source]] = {
    "taken": Source(names.PUBLISHED, ("taken",)),
    "delivered": Source(names.PUBLISHED, ("delivered",)),
    "set_aside": Source(names.OUTBOX_ASIDE),
    "mqtt_messages": Source(names.MQTT_MESSAGES),
    "mqtt_octets": Source(names.MQTT_OCTETS),
    "mqtt_sessions": Source(names.MQTT_SESSIONS),
    "mqtt_disconnects": Source(names.MQTT_LOST),
    "mqtt_delivered": Source(names.MQTT_ENDED, ("delivered",)),
    "mqtt_rejected": Source(names.MQTT_ENDED, ("rejected",)),
    "mqtt_returned": Source(names.MQTT_ENDED, ("returned",)),
    "puback_ms_p50": Source(names.PUBACK, ("0.5",), _MILLI),
    "puback_ms_p99": Source(names.PUBACK, ("0.99",), _MILLI),
    "puback_ms_total": Source(names.PUBACK, (), _MILLI, "_sum"),
    "pubacks": Source(names.PUBACK, (), 1, "_count"),
    "waiting": Source(names.OUTBOX_ROWS),
    "outbox_octets": Source(names.OUTBOX_OCTETS),
    "unrouted_rows": Source(names.OUTBOX_UNROUTED),
}
CYCLES_THAT_BROUGHT: Final = ("cycles_ok", "cycles_partial")  # what the sum of cycle times is the sum of
BUCKETS: Final = tuple(zip(TOOK, [*(repr(bound * _MILLI) for bound in BOUNDS_MS), "+Inf"], strict=True))
TOOK_IN_ALL: Final = "cycle_ms_total"
IN_HISTOGRAM: Final = frozenset((*TOOK, TOOK_IN_ALL))  # counters of the supervisor that are no events
METER_DROPPED: Final = "delivery_dropped_"
DROPPED: Final = "dropped_"  # begins the names of counters of readings that are gone, by reason
WISHED: Final = ("operator", "purged")  # the reasons of readings that a person dropped
