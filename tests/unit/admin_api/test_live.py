"""Live values: what is told when, who is dropped, when a stream ends. No socket, no time that passes."""

import json
import math
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from admin_api.live.events import KEEP_ALIVE, KINDS, difference
from admin_api.live.hub import MAX_WAITING, Hub, Subscriber, TooManyStreams
from admin_api.live.patience import HEAD_S, KNOWN_S, LATE_S, Patience
from admin_api.live.peer import Peer
from admin_api.live.slots import Slots
from admin_api.live.stream import CHECKED_S, KEEP_ALIVE_S, LASTS_S, stream
from common.meter_state import MeterState
from common.store.engine import Store
from common.store.model import LatestRow, Meter, MeterStateRow, Severity
from common.store.sight import Sight
from tests.support.installation import NOON_MS, Api, StillClock, opened, wish
from tests.support.waiting import wait_until

START = b"retry: 2000\n\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path, StillClock()) as found:
        yield found


def _hub(store: Store, limit: int = 4) -> Hub:
    return Hub(store, StillClock(), Slots(limit, limit), look_s=0.02)


def _meter(store: Store, number: int = 1) -> Meter:
    meter = store.meters.add(wish(f"m{number}", f"10.0.0.{number}"), "test")
    store.states.write([MeterStateRow(meter.uid, MeterState.ACTIVE)])
    store.states.write_latest([LatestRow(meter.uid, NOON_MS, b"e" * 8, 1, {"voltage_l1": 230.0})])
    return meter


def _told(batch: list[bytes]) -> list[tuple[str, dict[str, object]]]:
    lines = [octets.decode().splitlines() for octets in batch]
    return [(line[0].removeprefix("event: "), json.loads(line[1].removeprefix("data: "))) for line in lines]


def _nobody() -> None:
    raise AssertionError("nobody is cut")


def test_a_look_tells_what_changed_and_what_is_over() -> None:
    before = Sight(1, {}, {b"a": (b"e", 1), b"b": (b"e", 1)}, {1: (5, None), 2: (5, None), 3: (5, None)})
    now = Sight(1, {}, {b"a": (b"e", 1), b"b": (b"e", 2)}, {2: (6, None), 3: (5, 7), 4: (5, None)})
    assert difference(before, now).readings == {b"b"}
    assert difference(before, now).alarms == {1, 2, 3, 4}
    assert difference(now, now) == difference(Sight(), Sight())


def test_a_stream_begins_with_how_everything_is_and_goes_on_with_what_changes(store: Store) -> None:
    meter, other = _meter(store), _meter(store, 2)
    hub, one, everything = _hub(store), Subscriber(meter.uid, KINDS, _nobody), Subscriber(None, KINDS, _nobody)
    hub.join(one)
    hub.join(everything)
    assert [kind for kind, _ in _told(one.take(5))] == ["state", "reading"]
    assert len(everything.take(5)) == 4
    store.states.write_latest([LatestRow(uid, NOON_MS, b"e" * 8, 2, {"x": 1}) for uid in (meter.uid, other.uid)])
    ((kind, told),) = _told(one.take(5))
    assert (kind, told["name"], told["seq"], told["values"]) == ("reading", "m1", 2, {"x": 1})
    assert len(everything.take(5)) == 2
    store.alarms.raise_("k", Severity.ERROR, "hdlc", "text", meter_uid=meter.uid)
    ((kind, told),) = _told(one.take(5))
    assert (kind, told["active"], told["name"]) == ("alarm", True, "m1")
    store.alarms.clear("k")
    ((kind, told),) = _told(one.take(5))
    assert (kind, told["active"]) == ("alarm", False)
    store.meters.remove(meter.id, "test")
    assert [kind for kind, _ in _told(one.take(5))] == ["gone"]
    wait_until(lambda: one.ended == "gone", 5, "the stream of a meter that is gone to end")
    assert everything.ended == ""


def test_who_wants_only_readings_gets_only_readings(store: Store) -> None:
    _meter(store)
    hub, subscriber = _hub(store), Subscriber(None, ["reading"], _nobody)
    hub.join(subscriber)
    assert [kind for kind, _ in _told(subscriber.take(5))] == ["reading"]


def test_the_thread_ends_with_the_last_stream_and_begins_with_the_next(store: Store) -> None:
    _meter(store)
    hub = _hub(store)
    for _ in range(3):
        subscriber = Subscriber(None, KINDS, _nobody)
        hub.join(subscriber)
        assert len(subscriber.take(5)) == 2
        hub.leave(subscriber)
        hub.leave(subscriber)
        assert hub.count == 0


def test_there_are_only_so_many_streams(store: Store) -> None:
    hub = _hub(store, 2)
    streams = [Subscriber(None, KINDS, _nobody) for _ in range(3)]
    hub.join(streams[0])
    hub.join(streams[1])
    with pytest.raises(TooManyStreams):
        hub.join(streams[2])
    hub.leave(streams[0])
    hub.join(streams[2])


def test_a_client_that_takes_nothing_is_dropped_and_nobody_waits_for_it(store: Store) -> None:
    _meter(store)
    cut: list[bool] = []
    hub, slow = _hub(store), Subscriber(None, KINDS, lambda: cut.append(True))
    for _ in range(MAX_WAITING):
        assert slow.put([b"x"])
    hub.join(slow)
    wait_until(lambda: cut, 5, "the slow client to be cut")
    assert (slow.ended, hub.dropped > 0) == ("slow", True)


class _Streamed:
    """One stream, walked through by hand."""

    def __init__(self, store: Store, *, allowed: bool = True) -> None:
        self.clock = StillClock()
        self.hub = Hub(store, self.clock, Slots(1, 1))
        self.subscriber = Subscriber(None, KINDS, _nobody)
        self.hub.join(self.subscriber)
        self.octets = stream(self.hub, self.subscriber, Peer({}), self.clock, lambda: allowed)
        assert next(self.octets) == START

    def after(self, seconds: float) -> bytes:
        self.clock.sleep(seconds)
        return next(self.octets)


def test_a_quiet_stream_says_that_it_lives(store: Store) -> None:
    streamed = _Streamed(store)
    assert streamed.after(KEEP_ALIVE_S) == KEEP_ALIVE


def test_a_stream_ends_by_time_and_says_so(store: Store) -> None:
    streamed = _Streamed(store)
    assert streamed.after(LASTS_S) == b'retry: 2000\nevent: end\ndata: {"reason": "time"}\n\n'
    assert list(streamed.octets) == []
    assert streamed.hub.count == 0


def test_a_stream_ends_with_the_token(store: Store) -> None:
    streamed = _Streamed(store, allowed=False)
    streamed.subscriber.put([b"x"])
    assert b"not_allowed" in b"".join([streamed.after(CHECKED_S), *streamed.octets])


def test_a_stream_ends_with_its_process(store: Store) -> None:
    streamed = _Streamed(store)
    streamed.hub.stopping = lambda: True
    assert b"stopping" in next(streamed.octets)


def test_a_stream_that_is_closed_gives_its_place_back(store: Store) -> None:
    streamed = _Streamed(store)
    streamed.octets.close()  # type: ignore[attr-defined]
    assert streamed.hub.count == 0
    streamed.hub.join(Subscriber(None, KINDS, _nobody))


def test_a_request_that_is_closed_before_it_begins_keeps_no_place(api: Api) -> None:
    for _ in range(60):
        response = api.call("GET", "/api/events?kinds=alarm", headers={"Last-Event-ID": "7"})
        assert (response.status_code, response.mimetype) == (200, "text/event-stream")
        response.close()


@pytest.mark.parametrize("kinds", ["nothing", "reading,", "reading, state"])
def test_kinds_are_those_that_there_are(api: Api, kinds: str) -> None:
    assert api.call("GET", f"/api/events?kinds={kinds}").status_code == 422


def test_places_end_with_who_holds_them() -> None:
    slots = Slots(2, 2)
    assert [slots.take(), slots.take(), slots.take()] == [0, 1, None]
    slots.give(0)
    slots.give(0)
    assert (slots.take(), slots.held) == (0, 2)


class _Connection:
    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()

    def is_cut(self) -> bool:
        """Return whether the client sees the end."""
        self.client.setblocking(False)
        try:
            return self.client.recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.sock.close()
        self.client.close()


@pytest.mark.parametrize(("lasts", "cut_after"), [(None, HEAD_S), (KNOWN_S, KNOWN_S), (math.inf, None)])
def test_who_keeps_a_thread_waiting_is_cut(lasts: float | None, cut_after: float | None) -> None:
    clock, connection = StillClock(), _Connection()
    patience = Patience(clock)
    patience.lasts(KNOWN_S)  # a thread of nobody
    patience.began(connection)
    if lasts is not None:
        patience.lasts(lasts)
    with closing(connection):
        clock.sleep((cut_after or 10 * KNOWN_S) - 0.1)
        patience.look()
        assert not connection.is_cut()
        clock.sleep(0.2)
        patience.look()
        assert (connection.is_cut(), patience.cut) == (cut_after is not None, int(cut_after is not None))


def test_who_waited_for_a_thread_meanwhile_has_little_time_left() -> None:
    clock, connection = StillClock(), _Connection()
    patience = Patience(clock)
    with closing(connection):
        patience.noticed(connection)
        clock.sleep(HEAD_S - LATE_S / 2)
        patience.began(connection)
        patience.lasts(KNOWN_S)
        patience.hurries()
        clock.sleep(LATE_S - 0.1)
        patience.look()
        assert not connection.is_cut()
        clock.sleep(0.2)
        patience.look()
        assert connection.is_cut()


def test_who_is_done_is_left_alone() -> None:
    clock, connection = StillClock(), _Connection()
    patience = Patience(clock)
    with closing(connection):
        patience.began(connection)
        patience.ended()
        clock.sleep(2 * HEAD_S)
        patience.look()
        assert not connection.is_cut()
