"""One process's streams and the one thread that looks at the store for all of them, once a second.

In: a store, a clock, places for streams. Out: a ``Subscriber`` per stream, into whose bounded queue the
thread puts what changed. The thread begins with the first stream and ends with the last. A client that does not take
what was put for it is dropped and counted; nobody waits for it. Made before a fork, used only after it.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from admin_api.live.events import (
    Event,
    Named,
    alarm_event,
    difference,
    gone_event,
    reading_event,
    state_event,
)
from admin_api.live.slots import Slots
from common.clock import Clock
from common.errors import Again
from common.store.engine import Store
from common.store.errors import StoreDamaged, StoreUnavailable
from common.store.sight import MAX_NAMED, Sight

LOOK_S: Final = 1.0  # between two looks at the store: no worker reads more often than that matters to a person
HUB: Final = "dlms_bridge_live"
"""Its name among the extensions of an application."""
MAX_WAITING: Final = 10  # batches (seconds) that a client may lag behind before it is dropped
_log = logging.getLogger(__name__)


class TooManyStreams(Again):
    """As many streams are open as there may be: others need the API's threads."""


class Subscriber:
    """What one stream is told. ``uid`` None: of all meters and the system; ``is_new``: nothing was put for it yet."""

    def __init__(self, uid: bytes | None, kinds: Collection[str], cut: Callable[[], None]) -> None:
        self.uid = uid
        self.ended = ""
        self.is_new = True
        self._kinds = frozenset(kinds)
        self._cut = cut
        self._batches: queue.Queue[list[bytes]] = queue.Queue(MAX_WAITING)

    def wants(self, event: Event) -> bool:
        """Return whether this stream shows an event."""
        return event.kind in self._kinds and self.uid in {None, event.uid}

    def put(self, batch: list[bytes]) -> bool:
        """Add a batch; return False when the client has not taken the ones before it."""
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            return False
        return True

    def take(self, timeout_s: float) -> list[bytes]:
        """Return the next batch; nothing when none comes in time."""
        try:
            return self._batches.get(timeout=timeout_s)
        except queue.Empty:
            return []

    def end(self, reason: str, *, cut: bool = False) -> None:
        """Let the stream end; with ``cut`` also where its thread hangs in a client that takes nothing."""
        self.ended = self.ended or reason
        if cut:
            self._cut()


class Hub:
    """See the module's text. ``dropped``: clients that were too slow, since the process began."""

    def __init__(self, store: Store, clock: Clock, slots: Slots, look_s: float = LOOK_S) -> None:
        self._store = store
        self._clock = clock
        self._slots = slots
        self._look_s = look_s
        self._lock = threading.Lock()
        self._streams: dict[Subscriber, int] = {}
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._failing = False
        self._names: dict[bytes, Named] = {}
        self.stopping: Callable[[], bool] = lambda: False
        self.dropped = 0

    @property
    def count(self) -> int:
        """How many streams are open in this process."""
        return len(self._streams)

    def join(self, subscriber: Subscriber) -> None:
        """Open a stream; raise TooManyStreams."""
        with self._lock:
            place = self._slots.take()
            if place is None:
                raise TooManyStreams(f"{self._slots.limit} streams of live values are as many as the API holds open")
            self._streams[subscriber] = place
            self._woken.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()

    def leave(self, subscriber: Subscriber) -> None:
        """Close a stream; closing it twice is no matter."""
        with self._lock:
            place = self._streams.pop(subscriber, None)
            if place is not None:
                self._slots.give(place)
            if not self._streams:
                self._woken.set()

    def _run(self) -> None:
        seen = Sight()
        try:
            while self._goes_on():
                begun = self._clock.monotonic()
                seen = self._look(seen)
                self._woken.wait(max(0.0, self._look_s - (self._clock.monotonic() - begun)))
        finally:
            self._end()

    def _goes_on(self) -> bool:
        with self._lock:
            self._woken.clear()
            if not self._streams:
                self._thread = None
            return bool(self._streams)

    def _end(self) -> None:
        """Let no stream wait for a thread that a bug of ours ended: clients come again by themselves."""
        with self._lock:
            if self._thread is threading.current_thread():
                self._thread = None
                for stream in self._streams:
                    stream.end("stopped")

    def _look(self, seen: Sight) -> Sight:
        """Hand out what changed since ``seen``, and everything to who is new; return what is now.

        A store that is away for a moment is passed over.
        """
        with self._lock:
            streams = list(self._streams)
        uids = None if any(each.uid is None for each in streams) else {each.uid for each in streams if each.uid}
        new = [each for each in streams if each.is_new]
        try:
            now = self._store.sights.look(uids)
            names = self._names if now.version == seen.version else self._named()
            whole = self._events(Sight(), now, names, uids) if new else []
            changed = [*self._events(seen, now, names, uids), *self._gone(names)] if len(new) < len(streams) else []
        except (StoreUnavailable, StoreDamaged) as error:
            _log.log(logging.DEBUG if self._failing else logging.WARNING, "live values wait: %s", error.detail)
            self._failing = True
            return seen
        self._failing, self._names = False, names
        for stream in streams:
            self._hand_out(stream, whole if stream.is_new else changed)
            stream.is_new = False
        return now

    def _hand_out(self, stream: Subscriber, events: Iterable[Event]) -> None:
        batch = [event.octets for event in events if stream.wants(event)]
        if batch and not stream.put(batch):
            self.dropped += 1
            _log.warning("dropped a client of live values: it takes nothing dropped=%d", self.dropped)
            stream.end("slow", cut=True)
        elif stream.uid is not None and stream.uid not in self._names:
            stream.end("gone")

    def _events(
        self, before: Sight, now: Sight, names: Mapping[bytes, Named], uids: Collection[bytes] | None
    ) -> list[Event]:
        changed = difference(before, now)
        known = set(names) if uids is None or len(uids) > MAX_NAMED else set(names) & set(uids)
        rows = self._store.sights.readings(changed.readings & known)
        alarms = self._store.sights.alarms(changed.alarms)
        return [
            *(state_event(names[uid], now.states[uid]) for uid in changed.states & known),
            *(reading_event(names[row.uid], row) for row in rows),
            *(alarm_event(row, names) for row in reversed(alarms)),
        ]

    def _gone(self, names: Mapping[bytes, Named]) -> list[Event]:
        return [gone_event(meter) for uid, meter in self._names.items() if uid not in names]

    def _named(self) -> dict[bytes, Named]:
        return {uid: Named(uid, number, name) for uid, (number, name) in self._store.sights.names().items()}
