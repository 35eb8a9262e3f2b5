"""The panels of the dashboard of all meters."""

from typing import Final

from tests.house.dashboard_model import ANY, BAD, SHARE, WARN, Board, Panel, stat

FLEET: Final = Board(
    "dlms-fleet",
    "DLMS: fleet",
    "All meters: which are read, how well, and which are not.",
    (
        stat("Meters", "Meters that are not deleted.", "sum(dlms_meters{sel})"),
        stat("Wished running", "Meters that are wished running.", "sum(dlms_meter_enabled{sel})"),
        stat(
            "Stale",
            "Wished running, and the last read is older than the meter's limit, or there is none.",
            "sum(instance:dlms_meters_stale:sum{sel})",
            limits=ANY,
        ),
        stat(
            "Read success",
            "Share of the reads of the last five minutes that brought a value.",
            "avg(instance:dlms_meter_reads:ratio_rate5m{sel})",
            "percentunit",
            SHARE,
        ),
        stat(
            "Active alarms",
            "Alarms of the system that last, of all severities.",
            "sum(dlms_alarms_active{sel}) or vector(0)",
            limits=ANY,
        ),
        stat(
            "Not acknowledged",
            "Alarms that last and that nobody has acknowledged.",
            "sum(dlms_alarms_unacknowledged{sel})",
            limits=ANY,
        ),
        Panel(
            "Meters by state",
            "How many meters are in each state; docs/OPERATIONS.md says what the states mean.",
            (("count by (state) (dlms_meter_state{sel})", "{{state}}"),),
            width=12,
        ),
        Panel(
            "How long cycles take",
            "Quantiles over all meters of the time of a cycle that brought a value, last five minutes.",
            (
                ("instance:dlms_meter_read_duration_seconds:p50_rate5m{sel}", "half"),
                ("instance:dlms_meter_read_duration_seconds:p95_rate5m{sel}", "95 %"),
                ("instance:dlms_meter_read_duration_seconds:p99_rate5m{sel}", "99 %"),
            ),
            "s",
            width=12,
            limits=((2, WARN), (5, BAD)),
        ),
        Panel(
            "Reads by result",
            "Reads of single quantities a second.",
            (("sum by (result) (rate(dlms_meter_reads_total{sel}[$__rate_interval]))", "{{result}}"),),
            "reqps",
        ),
        Panel(
            "Cycles by result",
            "Cycles a second: ok, partial (something was missing), failed (nothing came).",
            (("sum by (result) (rate(dlms_meter_cycles_total{sel}[$__rate_interval]))", "{{result}}"),),
            "ops",
        ),
        Panel(
            "Damaged frames",
            "Frames a second that were damaged or out of sequence, all meters.",
            (("sum by (kind) (rate(dlms_meter_frame_errors_total{sel}[$__rate_interval]))", "{{kind}}"),),
            "cps",
        ),
        Panel(
            "Connections",
            "Attempts to connect by result, and reconnections, within five minutes.",
            (
                ("sum by (result) (increase(dlms_meter_connects_total{sel}[5m]))", "connect {{result}}"),
                ("sum(increase(dlms_meter_reconnects_total{sel}[5m]))", "reconnected"),
            ),
        ),
        Panel(
            "Unplanned starts of workers",
            "Starts within 15 minutes that nobody asked for, by reason.",
            (("sum by (reason) (increase(dlms_worker_restarts_total{sel}[15m]))", "{{reason}}"),),
            limits=ANY,
        ),
        Panel(
            "Octets on the meters' lines",
            "Octets a second, by direction.",
            (("sum by (direction) (rate(dlms_meter_network_bytes_total{sel}[$__rate_interval]))", "{{direction}}"),),
            "Bps",
        ),
        Panel(
            "Longest without a read",
            "The ten meters whose last read is the oldest.",
            (("topk(10, time() - dlms_meter_last_read_timestamp_seconds{sel})", "{{meter}}"),),
            "s",
            width=12,
            limits=((20, WARN), (300, BAD)),
        ),
        Panel(
            "Least successful",
            "The ten meters with the lowest share of reads that brought a value, last five minutes.",
            (("bottomk(10, meter:dlms_meter_reads:ratio_rate5m{sel})", "{{meter}}"),),
            "percentunit",
            width=12,
            limits=SHARE,
        ),
    ),
)
