"""What the publisher says of itself once a second: counters, gauges, targets and conditions of its heartbeat.

In: the parts and the time. Out: a ``PublisherBeat``. Looks, changes nothing but what it remembers of latencies.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from common.clock import Clock
from common.heartbeat import MAX_DETAIL, PublisherBeat
from common.process import usage
from common.rising import Rising
from publisher.accounts import DAMAGED
from publisher.connection import Connection
from publisher.intake import Intake
from publisher.lines import Lines
from publisher.outbox import Outbox, OutboxStats
from publisher.route_file import RouteFile
from publisher.sender import Sender

LATENCY_WINDOW_S: Final = 60.0
MAX_LATENCIES: Final = 8192  # at a higher rate the window is shorter than a minute
START_GRACE_MS: Final = 10_000  # at the first start the supervisor has not written the routes yet
UNROUTED_GRACE_MS: Final = 60_000  # SPEC section 3: rows of an unknown uid are kept, with an alarm after this
BOUNDS: Final = ("outbox_age", "outbox_full")  # reasons for which the outbox drops


class Teller:
    """See the module's text."""

    def __init__(self, outbox: Outbox, intake: Intake, sender: Sender, lines: Lines, clock: Clock) -> None:
        self._outbox = outbox
        self._intake = intake
        self._sender = sender
        self._lines = lines
        self._clock = clock
        self._started_boot_ms = clock.boottime_ms()
        self._latencies: deque[tuple[float, float]] = deque(maxlen=MAX_LATENCIES)
        self._pubacks = 0
        self._puback_s = 0.0
        self._rising = Rising()
        self._rising.rose("damaged", outbox.damaged_before, clock.monotonic())  # what this start found is news

    def beat(self, instance: bytes, connections: Iterable[Connection], routes: RouteFile) -> PublisherBeat:
        """Return the heartbeat of this second."""
        connections = list(connections)
        stats = self._outbox.stats()
        return PublisherBeat(
            pid=os.getpid(),
            instance=instance,
            started_boot_ms=self._started_boot_ms,
            meters=self._intake.deliveries(),
            targets={item.target.name: (str(item.state), item.cause[:MAX_DETAIL]) for item in connections},
            counters=self._counters(stats, connections),
            gauges=self._gauges(stats),
            conditions=self._conditions(connections, routes, stats),
        )

    def _counters(self, stats: OutboxStats, connections: list[Connection]) -> dict[str, int]:
        total = stats.total
        account = {"taken": total.taken, "delivered": total.delivered, "waiting": total.waiting}
        dropped = {f"dropped_{reason}": count for reason, count in total.dropped.items()}
        kept = {"set_aside": total.set_aside, "outbox_damaged": stats.damaged, "outbox_refused": stats.refused}
        kept["outbox_salvaged"] = stats.salvaged
        mqtt = {
            "mqtt_sessions": sum(item.sessions for item in connections),
            "mqtt_disconnects": sum(item.losses for item in connections),
            "pubacks": self._pubacks,
            "puback_ms_total": round(self._puback_s * 1000),
        }
        return account | dropped | kept | mqtt | dict(self._intake.counters()) | dict(self._sender.counters)

    def _gauges(self, stats: OutboxStats) -> dict[str, float]:
        return {
            "outbox_rows": float(stats.rows),
            "outbox_octets": float(stats.octets),
            "oldest_age_s": stats.oldest_age_ms / 1000.0,
            "unrouted_rows": float(stats.unrouted),
            **usage(),
        } | self._puback_ms()

    def _puback_ms(self) -> dict[str, float]:
        """Return percentiles, over the last minute, of the time from sending to PUBACK."""
        now = self._clock.monotonic()
        self._latencies.extend((now, took_s) for took_s in self._sender.latencies)
        self._pubacks += len(self._sender.latencies)
        self._puback_s += sum(self._sender.latencies)
        self._sender.latencies.clear()
        while self._latencies and now - self._latencies[0][0] > LATENCY_WINDOW_S:
            self._latencies.popleft()
        took = sorted(took_s * 1000.0 for _, took_s in self._latencies)
        if not took:
            return {}
        return {"puback_ms_p50": took[len(took) // 2], "puback_ms_p99": took[min(len(took) - 1, len(took) * 99 // 100)]}

    def _conditions(self, connections: list[Connection], routes: RouteFile, stats: OutboxStats) -> dict[str, str]:
        """Return the alarm categories that hold, each with its texts."""
        now = self._clock.monotonic()
        found: dict[str, list[str]] = {}
        for item in connections:
            if condition := item.condition(now):
                found.setdefault(condition[0], []).append(condition[1])
        for category, text in (*self._own(routes).items(), *self._of_outbox(stats, now)):
            found.setdefault(category, []).append(text)
        return {category: "; ".join(texts)[:MAX_DETAIL] for category, texts in found.items()}

    def _own(self, routes: RouteFile) -> Mapping[str, str]:
        refused = self._lines.rejecting()
        unknown = [uid for uid, age_ms in self._outbox.unrouted().items() if age_ms > UNROUTED_GRACE_MS]
        stranded = {line.uid for line in self._sender.stranded}
        young = self._clock.boottime_ms() - self._started_boot_ms < START_GRACE_MS
        starting = young and not self._sender.targets
        publish = [
            f"routes file: {routes.fault}" if routes.fault and not starting else "",
            f"{len(refused)} lanes refused by the broker, one with {refused[0].refusal}" if refused else "",
            f"readings of {len(stranded)} meters lead to no connection" if stranded else "",
            f"readings of {len(unknown)} meters without a route" if unknown else "",
        ]
        texts = "; ".join(text for text in publish if text)
        return {"publish": texts} if texts else {}

    def _of_outbox(self, stats: OutboxStats, now: float) -> Iterator[tuple[str, str]]:
        """Give what the outbox has lost or cannot do, for a minute after each time; what is set aside, while it is."""
        bound = sum(stats.total.dropped.get(reason, 0) for reason in BOUNDS)
        if self._rising.rose("bound", bound, now):
            yield "outbox", f"the outbox is at its bound: the oldest readings are dropped, {bound} so far"
        if stats.total.set_aside:
            yield "outbox", f"{stats.total.set_aside} readings are set aside: the broker never takes them"
        if self._rising.rose("damaged", stats.damaged, now) or stats.salvaging:
            lost = stats.total.dropped.get(DAMAGED, 0)
            yield "outbox", f"the outbox was damaged: {stats.salvaged} readings are taken back, {lost} are lost so far"
        if self._rising.rose("refused", stats.refused, now):
            yield "disk", "the outbox's disk refuses: readings wait in the journals of their workers"
