"""The panels of the dashboard of outbox, broker and processes."""

from typing import Final

from tests.house.dashboard_model import ANY, BAD, GOOD, WARN, Board, Panel, stat

PIPELINE: Final = Board(
    "dlms-pipeline",
    "DLMS: pipeline",
    "From the workers to the broker: outbox, MQTT, the processes behind them, the page itself.",
    (
        stat(
            "Sessions",
            "MQTT connections whose session stands.",
            "sum(dlms_publisher_target_up{sel})",
            limits=((0, BAD), (1, GOOD)),
        ),
        stat(
            "Waiting",
            "Readings on disk that wait for the broker.",
            "sum(dlms_outbox_readings{sel})",
            limits=((1000, WARN), (100000, BAD)),
        ),
        stat(
            "Oldest waits for",
            "How long ago the oldest of them was taken; 0 when none waits.",
            "max(time() - dlms_outbox_oldest_timestamp_seconds{sel}) or vector(0)",
            "s",
            ((60, WARN), (600, BAD)),
        ),
        stat(
            "Set aside",
            "Readings that the broker never takes: a person has to decide.",
            "sum(dlms_outbox_set_aside_readings{sel})",
            limits=ANY,
        ),
        stat(
            "Lost in a day",
            "Readings dropped though no person said so.",
            "sum(increase(dlms_publisher_readings_lost_total{sel}[1d]))",
            limits=((1, BAD),),
        ),
        stat(
            "Disk free",
            "Share of the disk of the state directory.",
            "min(dlms_state_disk_free_bytes{sel} / dlms_state_disk_size_bytes{sel})",
            "percentunit",
            ((0.1, WARN), (0.2, GOOD)),
        ),
        Panel(
            "Readings in and out",
            "Readings a second that were taken, delivered, dropped; over five minutes.",
            (("sum by (stage) (instance:dlms_publisher_readings:rate5m{sel})", "{{stage}}"),),
            "cps",
            width=12,
        ),
        Panel(
            "What waits for the broker",
            "Readings in the outbox, and those of meters without a route.",
            (
                ("dlms_outbox_readings{sel}", "waiting"),
                ("dlms_outbox_unrouted_readings{sel}", "without a route"),
                ("dlms_outbox_set_aside_readings{sel}", "set aside"),
            ),
            width=12,
        ),
        Panel(
            "Time to PUBACK",
            "Quantiles of the last minute.",
            (("dlms_publisher_puback_seconds{sel}", "{{quantile}}"),),
            "s",
            limits=((1, WARN), (5, BAD)),
        ),
        Panel(
            "MQTT packets",
            "Packets with readings a second, and how they ended.",
            (
                ("rate(dlms_publisher_mqtt_messages_total{sel}[$__rate_interval])", "sent"),
                ("rate(dlms_publisher_mqtt_packets_ended_total{sel}[$__rate_interval])", "{{result}}"),
            ),
            "pps",
        ),
        Panel(
            "MQTT sessions",
            "Sessions established and lost within an hour.",
            (
                ("increase(dlms_publisher_mqtt_sessions_total{sel}[1h])", "established"),
                ("increase(dlms_publisher_mqtt_disconnects_total{sel}[1h])", "lost"),
            ),
            limits=((2, WARN),),
        ),
        Panel(
            "Outbox on disk",
            "The size of the readings in it.",
            (("dlms_outbox_bytes{sel}", "octets"),),
            "bytes",
        ),
        Panel(
            "Losses by reason",
            "Readings dropped within an hour: in the outbox, and before they were on disk. 0 when there are none.",
            (
                (
                    "sum by (reason) (increase(dlms_publisher_readings_dropped_total{sel}[1h])) or vector(0)",
                    "{{reason}}",
                ),
                (
                    "sum by (reason)"
                    ' (increase(dlms_meter_readings_dropped_total{sel, reason=~"disk_full|too_large"}[1h]))',
                    "journal: {{reason}}",
                ),
            ),
            limits=((1, BAD),),
        ),
        Panel(
            "Handed over again",
            "Readings within 15 minutes that came twice from a worker, and holes that were asked to be filled.",
            (
                ("sum(increase(dlms_meter_handover_repeats_total{sel}[15m]))", "repeats"),
                ("sum(increase(dlms_meter_handover_gaps_total{sel}[15m]))", "holes"),
            ),
        ),
        Panel(
            "Last word of each part",
            "How long ago supervisor and publisher were heard of.",
            (("time() - dlms_component_last_heartbeat_timestamp_seconds{sel}", "{{component}}"),),
            "s",
            limits=((15, WARN), (30, BAD)),
        ),
        Panel(
            "Memory of the parts",
            "Resident memory of supervisor and publisher, and of all workers together.",
            (
                ("dlms_component_resident_memory_bytes{sel}", "{{component}}"),
                ("sum(dlms_worker_resident_memory_bytes{sel})", "workers"),
            ),
            "bytes",
        ),
        Panel(
            "Processor time",
            "Share of one core: supervisor, publisher, all workers together.",
            (
                ("rate(dlms_component_cpu_seconds_total{sel}[$__rate_interval])", "{{component}}"),
                ("sum(rate(dlms_worker_cpu_seconds_total{sel}[$__rate_interval]))", "workers"),
            ),
            "percentunit",
        ),
        Panel(
            "The metrics page",
            "How long it takes to make, and how old it was when it was scraped (as the clocks of both hosts say).",
            (
                ("dlms_metrics_page_render_seconds{sel}", "to make"),
                (
                    "timestamp(dlms_metrics_page_timestamp_seconds{sel}) - dlms_metrics_page_timestamp_seconds{sel}",
                    "age",
                ),
            ),
            "s",
            limits=((5, WARN), (10, BAD)),
        ),
        Panel(
            "What the parts count besides",
            "Events of supervisor and publisher within 15 minutes that have no metric of their own.",
            (("topk(20, increase(dlms_component_events_total{sel}[15m]))", "{{component}} {{event}}"),),
        ),
        Panel(
            "Tokens",
            "API tokens that are valid, by role.",
            (("dlms_api_tokens{sel}", "{{role}}"),),
        ),
    ),
)
