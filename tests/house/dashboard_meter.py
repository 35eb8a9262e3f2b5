"""The panels of the dashboard of one meter."""

from typing import Final

from tests.house.dashboard_model import ANY, BAD, SHARE, WARN, Board, Panel, stat

METER: Final = Board(
    "dlms-meter",
    "DLMS: meter",
    "One meter: its state, its reads, its line, its worker, and what became of its readings.",
    (
        Panel(
            "Who it is",
            "Model, address, serial number and firmware, and the state it is in.",
            (("dlms_meter_info{sel}", ""), ("dlms_meter_state{sel}", "")),
            "none",
            "table",
            12,
            4,
        ),
        stat(
            "Last read",
            "How long ago the last cycle brought a value.",
            "time() - dlms_meter_last_read_timestamp_seconds{sel}",
            "s",
            ((20, WARN), (300, BAD)),
        ),
        stat(
            "Read success",
            "Share of the reads of the last five minutes that brought a value.",
            "meter:dlms_meter_reads:ratio_rate5m{sel}",
            "percentunit",
            SHARE,
        ),
        stat(
            "Stale",
            "1: wished running, and not read within its limit.",
            "meter:dlms_meter_stale:bool{sel}",
            "none",
            ((1, BAD),),
        ),
        Panel(
            "How long a cycle takes",
            "Mean time of a cycle that brought a value, and the interval that is wished.",
            (
                (
                    "rate(dlms_meter_cycle_duration_seconds_sum{sel}[$__rate_interval])"
                    " / (rate(dlms_meter_cycle_duration_seconds_count{sel}[$__rate_interval]) > 0)",
                    "mean",
                ),
                ("dlms_meter_poll_interval_seconds{sel}", "interval"),
            ),
            "s",
            limits=((2, WARN),),
        ),
        Panel(
            "Cycles by result",
            "Cycles a second; missed: due while another ran.",
            (
                ("sum by (result) (rate(dlms_meter_cycles_total{sel}[$__rate_interval]))", "{{result}}"),
                ("rate(dlms_meter_missed_ticks_total{sel}[$__rate_interval])", "missed"),
            ),
            "ops",
        ),
        Panel(
            "Reads by result",
            "Reads of single quantities a second.",
            (("sum by (result) (rate(dlms_meter_reads_total{sel}[$__rate_interval]))", "{{result}}"),),
            "reqps",
        ),
        Panel(
            "Connections and associations",
            "Attempts within 15 minutes, by result, and links that were lost and made again.",
            (
                ("increase(dlms_meter_connects_total{sel}[15m])", "connect {{result}}"),
                ("increase(dlms_meter_associations_total{sel}[15m])", "association {{result}}"),
                ("increase(dlms_meter_reconnects_total{sel}[15m])", "reconnected"),
            ),
        ),
        Panel(
            "Trouble on the line",
            "Frames within 15 minutes that were damaged, out of sequence, or had to be sent again.",
            (
                ("increase(dlms_meter_frame_errors_total{sel}[15m])", "{{kind}}"),
                ("increase(dlms_meter_frames_resent_total{sel}[15m])", "sent again"),
            ),
            limits=((5, WARN),),
        ),
        Panel(
            "Octets on the line",
            "Octets a second, by direction.",
            (("rate(dlms_meter_network_bytes_total{sel}[$__rate_interval])", "{{direction}}"),),
            "Bps",
        ),
        Panel(
            "What became of its readings",
            "Readings within 15 minutes that were taken into the outbox, acknowledged by the broker, lost.",
            (
                ("increase(dlms_meter_readings_taken_total{sel}[15m])", "taken"),
                ("increase(dlms_meter_readings_delivered_total{sel}[15m])", "delivered"),
                ("increase(dlms_meter_readings_dropped_total{sel}[15m])", "lost: {{reason}}"),
            ),
        ),
        Panel(
            "What waits",
            "Readings in the outbox that wait for the broker, or are set aside.",
            (
                ("dlms_meter_readings_waiting{sel}", "waiting"),
                ("dlms_meter_readings_set_aside{sel}", "set aside"),
            ),
            limits=((1000, WARN),),
        ),
        Panel(
            "Backfill",
            "Time that was missed and is still to be read from the load profile, and rows read from it.",
            (
                ("dlms_backfill_pending_seconds{sel}", "pending"),
                ("increase(dlms_backfill_rows_total{sel}[15m])", "rows in 15 min"),
            ),
            "s",
        ),
        Panel(
            "Memory of the worker",
            "Resident memory.",
            (("dlms_worker_resident_memory_bytes{sel}", "resident"),),
            "bytes",
            limits=((67108864, WARN),),
        ),
        Panel(
            "Processor time of the worker",
            "Share of one core.",
            (("rate(dlms_worker_cpu_seconds_total{sel}[$__rate_interval])", "cpu"),),
            "percentunit",
        ),
        Panel(
            "Unplanned starts",
            "Starts of the worker within 15 minutes that nobody asked for, by reason.",
            (("increase(dlms_worker_restarts_total{sel}[15m])", "{{reason}}"),),
            limits=ANY,
        ),
    ),
    per_meter=True,
)
