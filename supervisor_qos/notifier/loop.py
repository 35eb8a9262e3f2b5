"""The notifier's loop: looks at the alarms, writes down what is to be told, tells it as often as it may.

In: the store, the settings, a courier. Out: letters; what was told, in the store; its own state there, trouble among
it, of which the supervisor makes an alarm. A channel that fails is tried again ever more slowly and holds up no other.
"""

import logging
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from common.clock import Clock
from common.errors import Again
from common.notify_urls import urls
from common.process import StopFlag, usage
from common.secret import Secret
from common.settings import BadSettings, Settings
from common.store.engine import Store
from common.store.model import AlarmFilter, AlarmRow, Severity
from common.store.notices import GIVEN_UP, Notice, Pending
from supervisor_qos.notifier.courier import Courier, channel_name
from supervisor_qos.notifier.letters import EXPIRED_MS, HOUR_MS, Item, Wishes, due, letter, may_send, named, retry_ms

LOOK_S: Final = 2.0
NAP_S: Final = 0.25  # a stop signal is heard within
COMPONENT: Final = "notifier"
PAST: Final = 1000  # cleared alarms that are looked at
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Channel:
    """One URL, and how it fares."""

    url: Secret
    name: str
    failures: int = 0
    next_try_ms: int = 0  # CLOCK_BOOTTIME
    trouble: str = ""


@dataclass(slots=True)
class Notifier:
    """See the module's text."""

    settings: Settings
    store: Store
    clock: Clock
    courier: Courier
    channels: dict[str, Channel] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    _trouble: str = ""
    _store_away: bool = False

    def run(self, stop: StopFlag) -> None:
        """Go on until told to stop or left alone."""
        while not stop.is_set and not stop.orphaned():
            self.guarded_turn()
            until = self.clock.monotonic() + LOOK_S
            while self.clock.monotonic() < until and not stop.is_set:
                self.clock.sleep(NAP_S)

    def guarded_turn(self) -> None:
        """Do one turn; a store that is away is tried again at the next one."""
        try:
            self.turn()
        except Again as error:
            if not self._store_away:
                _log.warning("the store is away, tried again: %s", error.detail)
            self._store_away = True
            self.counters["store_failures"] += 1
        else:
            self._store_away = False

    def turn(self) -> None:
        """Look once, tell what may be told, say how it went."""
        self._look_at_urls()
        rows = self._rows()
        self._write_down(list(rows.values()))
        for channel in self.channels.values():
            self._serve(channel, rows)
        self._say()

    @property
    def wishes(self) -> Wishes:
        """What the operator wants."""
        notify = self.settings.notify
        return Wishes(
            Severity(notify.min_severity),
            notify.resolved,
            round(notify.hold_s * 1000),
            notify.per_hour,
            round(notify.digest_s * 1000),
        )

    def _look_at_urls(self) -> None:
        """Follow the file: it may be mended or changed while we run."""
        try:
            found = {channel_name(url): url for url in urls(self.settings)}
        except BadSettings as error:
            if self._trouble != error.detail:
                _log.error("%s", error.detail)
            self._trouble = error.detail
            return
        self._trouble = ""
        self.channels = {name: self.channels.get(name, Channel(url, name)) for name, url in found.items()}

    def _rows(self) -> dict[int, AlarmRow]:
        past, _ = self.store.alarms.list(AlarmFilter(active=False), limit=PAST)
        return {row.id: row for row in (*past, *self.store.alarms.active())}

    def _write_down(self, rows: Sequence[AlarmRow]) -> None:
        now_ms, known = self.clock.wall_ms(), self.store.notices.known([row.id for row in rows])
        told: dict[tuple[int, str], set[str]] = {}
        for notice in known:
            told.setdefault((notice.alarm_id, notice.channel), set()).add(notice.change)
        wanted = [
            Notice(row.id, change, name)
            for name in self.channels
            for row in rows
            if (change := due(row, told.get((row.id, name), set()), self.wishes, now_ms))
        ]
        self.store.notices.add(wanted, now_ms)

    def _serve(self, channel: Channel, rows: Mapping[int, AlarmRow]) -> None:
        pending = self._fresh(self.store.notices.pending(channel.name), rows)
        now_ms = self.clock.wall_ms()
        if not pending or self.clock.boottime_ms() < channel.next_try_ms:
            return
        if not may_send(self.store.notices.times(channel.name, now_ms - HOUR_MS), self.wishes, now_ms):
            return
        error = self.courier.deliver(channel.url, *letter(self._items(pending, rows), platform.node()))
        numbers = [it.id for it in pending]
        if error:
            self._failed(channel, numbers, error)
        else:
            self.store.notices.sent(numbers, self.clock.wall_ms())
            self.counters["letters"] += 1
            self.counters["told"] += len(numbers)
            _log.info("told %d changes by %s", len(numbers), channel.name)
            channel.failures, channel.next_try_ms, channel.trouble = 0, 0, ""

    def _items(self, pending: Sequence[Pending], rows: Mapping[int, AlarmRow]) -> list[Item]:
        names = {meter.uid: meter.wish.name for meter in self.store.meters.list(include_deleted=True)}
        found = ((rows[it.notice.alarm_id], it.notice.change) for it in pending)
        return [Item(row, change, named(row, names)) for row, change in found]

    def _fresh(self, pending: Sequence[Pending], rows: Mapping[int, AlarmRow]) -> list[Pending]:
        """Return what is worth telling; the rest is given up and counted."""
        now_ms = self.clock.wall_ms()
        fresh = [it for it in pending if it.notice.alarm_id in rows and now_ms - it.created_ms < EXPIRED_MS]
        kept = {it.id for it in fresh}
        if stale := [it.id for it in pending if it.id not in kept]:
            self.store.notices.sent(stale, GIVEN_UP)
            self.counters["given_up"] += len(stale)
        return fresh

    def _failed(self, channel: Channel, numbers: Sequence[int], error: str) -> None:
        self.store.notices.failed(numbers, error)
        channel.failures += 1
        channel.next_try_ms = self.clock.boottime_ms() + retry_ms(channel.failures)
        channel.trouble = f"{channel.name}: {error}"
        self.counters["failures"] += 1
        level = logging.WARNING if channel.failures == 1 else logging.DEBUG
        _log.log(level, "not told by %s, tried again: %s", channel.name, error)

    def _say(self) -> None:
        troubles = [self._trouble, *(channel.trouble for channel in self.channels.values())]
        state: dict[str, object] = {
            "channels": {channel.name: channel.trouble for channel in self.channels.values()},
            "trouble": "; ".join(text for text in troubles if text),
            "counters": dict(self.counters),
            "gauges": usage(),
        }
        self.store.states.write_component(COMPONENT, state, self.clock.wall_ms())
