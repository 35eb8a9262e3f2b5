"""Every metric that the system exports: name, kind, help, labels. An interface: names change with a major version only.

Base units are in the names; times are timestamps, never ages; counters end in ``_total`` and begin anew with their
process. Pure data.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class MetricKind(StrEnum):
    """What Prometheus may do with the numbers."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``labels`` in the order of its label values.

    A histogram's samples are ``_bucket`` (with ``le`` as last label), ``_sum``, ``_count``; a summary's are ``_sum``,
    ``_count`` and, where they are known, those of its name with ``quantile`` as last label.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.GAUGE, text, labels)


def _histogram(name: str, text: str) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, text)


def _summary(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.SUMMARY, text, labels)


BUILD: Final = _gauge("dlms_bridge_build_info", "Version of the product; always 1.", "version")
METER_INFO: Final = _gauge(
    "dlms_meter_info",
    "Who a meter is; always 1.",
    "meter",
    "uid",
    "model",
    "address",
    "serial",
    "firmware",
)
METER_STATE: Final = _gauge("dlms_meter_state", "1 for the state a meter is in.", "meter", "state")
METER_ENABLED: Final = _gauge("dlms_meter_enabled", "1 if the meter is wished running, else 0.", "meter")
METER_INTERVAL: Final = _gauge("dlms_meter_poll_interval_seconds", "Wished time between two cycles.", "meter")
METER_STALENESS: Final = _gauge(
    "dlms_meter_staleness_limit_seconds", "The age from which the meter's last read is too old.", "meter"
)
METER_SEEN: Final = _gauge("dlms_meter_last_heartbeat_timestamp_seconds", "Last heartbeat of the worker.", "meter")
METER_READ: Final = _gauge("dlms_meter_last_read_timestamp_seconds", "Last successful cycle.", "meter")
METER_TAKEN: Final = _gauge("dlms_meter_last_taken_timestamp_seconds", "Last reading taken into the outbox.", "meter")
METER_ACKNOWLEDGED: Final = _gauge(
    "dlms_meter_last_acknowledged_timestamp_seconds", "Last reading that the broker acknowledged.", "meter"
)
CYCLES: Final = _counter("dlms_meter_cycles_total", "Cycles by result: ok, partial, failed.", "meter", "result")
READS: Final = _counter("dlms_meter_reads_total", "Reads of single quantities by result.", "meter", "result")
MISSED: Final = _counter("dlms_meter_missed_ticks_total", "Cycles that were due while another ran.", "meter")
CYCLE: Final = _summary("dlms_meter_cycle_duration_seconds", "Time that cycles took that brought a value.", "meter")
READ_DURATION: Final = _histogram(
    "dlms_meter_read_duration_seconds",
    "Time that cycles took that brought a value, of all meters together, since the supervisor's start.",
)
CONNECTS: Final = _counter("dlms_meter_connects_total", "Attempts to connect by result.", "meter", "result")
RECONNECTS: Final = _counter("dlms_meter_reconnects_total", "Links lost and established again.", "meter")
ASSOCIATIONS: Final = _counter(
    "dlms_meter_associations_total", "Associations by result: ok, refused.", "meter", "result"
)
FRAMES: Final = _counter("dlms_meter_frames_total", "Frames by direction.", "meter", "direction")
OCTETS: Final = _counter(
    "dlms_meter_network_bytes_total", "Octets on the meter's line by direction.", "meter", "direction"
)
BAD_FRAMES: Final = _counter(
    "dlms_meter_frame_errors_total",
    "Frames that were not as they should be, by kind: damaged, out_of_sequence.",
    "meter",
    "kind",
)
RESENT: Final = _counter("dlms_meter_frames_resent_total", "Frames sent again or polled for.", "meter")
SCALERS: Final = _counter(
    "dlms_meter_scaler_cache_total", "Look-ups of scaler and unit by result: hit, miss.", "meter", "result"
)
JOURNALED: Final = _counter("dlms_meter_readings_journaled_total", "Readings written to the worker's journal.", "meter")
LOST: Final = _counter("dlms_meter_readings_dropped_total", "Readings lost, by reason.", "meter", "reason")
JOURNAL_LOST: Final = _counter(
    "dlms_meter_journal_dropped_total",
    "Readings that a full or old journal let go, by reason; dropped once more in the outbox's books when it learns.",
    "meter",
    "reason",
)
JOURNAL_DAMAGED: Final = _counter(
    "dlms_meter_journal_damaged_files_total", "Damaged files found in the journal since the worker's start.", "meter"
)
REPLAYED: Final = _counter("dlms_meter_readings_replayed_total", "Readings handed over again on request.", "meter")
METER_TAKES: Final = _counter("dlms_meter_readings_taken_total", "Readings taken into the outbox.", "meter")
METER_DELIVERED: Final = _counter(
    "dlms_meter_readings_delivered_total", "Readings acknowledged by the broker.", "meter"
)
METER_WAITING: Final = _gauge(
    "dlms_meter_readings_waiting", "Readings in the outbox that wait for the broker.", "meter"
)
METER_ASIDE: Final = _gauge("dlms_meter_readings_set_aside", "Readings on disk that the broker never takes.", "meter")
METER_REPEATS: Final = _counter("dlms_meter_handover_repeats_total", "Readings handed over more than once.", "meter")
METER_GAPS: Final = _counter(
    "dlms_meter_handover_gaps_total", "Holes in the sequence that were asked to be filled.", "meter"
)
BACKFILLED: Final = _counter(
    "dlms_backfill_rows_total", "Rows read from the load profile for what was missed.", "meter"
)
BACKFILL_PENDING: Final = _gauge(
    "dlms_backfill_pending_seconds", "Time that was missed and is still to be read from the load profile.", "meter"
)
BACKFILL_RANGES: Final = _gauge(
    "dlms_backfill_pending_windows",
    "Stretches of time (gaps, ranges that a person asked for) still to be read from the load profile.",
    "meter",
)
BACKFILL_WINDOWS: Final = _counter(
    "dlms_backfill_windows_total", "Requests to the load profile by result: read, failed.", "meter", "result"
)
WORKER_MEMORY: Final = _gauge("dlms_worker_resident_memory_bytes", "Resident memory of the worker.", "meter")
WORKER_FILES: Final = _gauge("dlms_worker_open_fds", "Open file descriptors of the worker.", "meter")
WORKER_CPU: Final = _counter("dlms_worker_cpu_seconds_total", "CPU time of the worker.", "meter")
WORKER_RESTARTS: Final = _counter(
    "dlms_worker_restarts_total",
    "Starts of the meter's worker that nobody asked for, by reason: ended (by itself), replaced (it was silent or "
    "hung), refused (it could not be started).",
    "meter",
    "reason",
)
COMPONENT_SEEN: Final = _gauge(
    "dlms_component_last_heartbeat_timestamp_seconds", "Last word of supervisor and publisher.", "component"
)
COMPONENT_EVENTS: Final = _counter(
    "dlms_component_events_total", "What a component counts besides.", "component", "event"
)
TARGET_STATE: Final = _gauge("dlms_publisher_target_state", "1 for the state of an MQTT connection.", "target", "state")
TARGET_UP: Final = _gauge("dlms_publisher_target_up", "1 while an MQTT session stands, else 0.", "target")
PUBLISHED: Final = _counter("dlms_publisher_readings_total", "Readings by stage: taken, delivered, dropped.", "stage")
PUBLISHER_DROPPED: Final = _counter("dlms_publisher_readings_dropped_total", "Readings dropped, by reason.", "reason")
PUBLISHER_LOST: Final = _counter(
    "dlms_publisher_readings_lost_total",
    "Readings dropped though no person said so: for all reasons but operator and purged.",
)
MQTT_MESSAGES: Final = _counter("dlms_publisher_mqtt_messages_total", "MQTT packets sent with readings.")
MQTT_OCTETS: Final = _counter("dlms_publisher_mqtt_payload_bytes_total", "Octets of their payloads.")
MQTT_SESSIONS: Final = _counter("dlms_publisher_mqtt_sessions_total", "MQTT sessions established.")
MQTT_LOST: Final = _counter("dlms_publisher_mqtt_disconnects_total", "MQTT sessions lost.")
MQTT_ENDED: Final = _counter(
    "dlms_publisher_mqtt_packets_ended_total",
    "How packets ended: delivered, rejected, returned (the session ended first: sent again).",
    "result",
)
PUBACK: Final = _summary(
    "dlms_publisher_puback_seconds", "Time from sending to PUBACK; the quantiles are those of the last minute."
)
OUTBOX_ROWS: Final = _gauge("dlms_outbox_readings", "Readings on disk that wait for the broker.")
OUTBOX_ASIDE: Final = _gauge("dlms_outbox_set_aside_readings", "Readings on disk that the broker never takes.")
OUTBOX_OCTETS: Final = _gauge("dlms_outbox_bytes", "The size of all of them.")
OUTBOX_OLDEST: Final = _gauge("dlms_outbox_oldest_timestamp_seconds", "When the oldest of them was taken.")
OUTBOX_UNROUTED: Final = _gauge("dlms_outbox_unrouted_readings", "Readings of meters without a route.")
COMPONENT_MEMORY: Final = _gauge("dlms_component_resident_memory_bytes", "Resident memory.", "component")
COMPONENT_CPU: Final = _counter("dlms_component_cpu_seconds_total", "CPU time.", "component")
ALARMS: Final = _gauge("dlms_alarms_active", "Alarms that last, by severity and category.", "severity", "category")
ALARMS_UNSEEN: Final = _gauge(
    "dlms_alarms_unacknowledged", "Alarms that last and that nobody has acknowledged, by severity.", "severity"
)
METERS: Final = _gauge("dlms_meters", "Meters that are not deleted.")
CLOCK_TRUSTED: Final = _gauge(
    "dlms_clock_trusted", "1 while the system clock is synchronised, or vouched for by [clock] trusted, else 0."
)
DISK_SIZE: Final = _gauge("dlms_state_disk_size_bytes", "Size of the disk of the state directory.")
DISK_FREE: Final = _gauge("dlms_state_disk_free_bytes", "What is free of it for us.")
TOKENS: Final = _gauge("dlms_api_tokens", "API tokens that are valid, by role.", "role")
TOKEN_EXPIRY: Final = _gauge(
    "dlms_api_token_expiry_timestamp_seconds", "When the first of them ends; nothing where none ever does.", "role"
)
PAGE_MADE: Final = _gauge("dlms_metrics_page_timestamp_seconds", "When this page was made.")
PAGE_TOOK: Final = _gauge("dlms_metrics_page_render_seconds", "How long it took to make the page before this one.")

ALL: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
