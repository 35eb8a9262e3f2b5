"""From rows to flights and back: which packet goes next on a connection, and what its end means for rows and lines.

In: connections with room, outcomes of flights, the routes. Out: messages sent, rows acknowledged or set aside in the
outbox. At most one packet per line is on its way; a row is on its way in one line only.
"""

import logging
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final, Protocol

from common.errors import BridgeError
from common.routes import Mode, Route, Target
from publisher import telemetry
from publisher.connection import Flight, Outcome, Result, Work
from publisher.delivery import rejection_delay_s, to_set_aside
from publisher.lines import Line, Lines
from publisher.outbox import Lane, Outbox, Row
from publisher.suspects import Suspects
from publisher.telemetry import MAX_BATCH, MAX_PAYLOAD, Message

MAX_GENERIC: Final = 256 << 10  # octets of a payload in generic mode; a reading of 256 quantities has some 20 kB
ONLINE: Final = "online"
SILENT: Final = "silent"
HEADROOM: Final = 128  # octets of a PUBLISH packet besides topic and payload
STRANDED_S: Final = 5.0  # rows whose connection is not configured are looked at again after this
SILENT_S: Final = 60.0  # without a reading for this long, and three times its usual interval, a meter is silent
SILENT_INTERVALS: Final = 3.0
REFUSED_S: Final = 1.0  # until a disk that refused to set a row aside is asked again
TRIAL_S: Final = 1.0  # a suspect waits in steps of this for a session that can testify
_log = logging.getLogger(__name__)


class Outlet(Protocol):
    """What sending needs of a connection."""

    target: Target
    devices: set[str]
    announced: dict[bytes, object]
    acknowledged: int
    flights: dict[int, Flight]

    def room(self, now: float) -> int:
        """Return how many messages may be sent now."""

    def may_testify(self, now: float) -> bool:
        """Return whether the end of this session could speak against a row."""

    def max_packet(self) -> int:
        """Return the broker's limit in octets for one packet; 0: none."""

    def send(self, message: Message, flight: Flight) -> None:
        """Send; raises Unpublishable. Only with room."""


class Sender:
    """See the module's text."""

    def __init__(self, outbox: Outbox, lines: Lines) -> None:
        self.routes: Mapping[bytes, Route] = {}
        self.targets: Container[str] = ()
        self.fallback = ""  # the queue for rows of meters that have no route any more
        self.counters: Counter[str] = Counter()
        self.stranded: set[Line] = set()
        self.latencies: list[float] = []
        self._outbox = outbox
        self._lines = lines
        self._suspects = Suspects()
        self._heard: dict[bytes, tuple[float, float]] = {}  # when the last live reading went out, and the gap before it

    def lanes(self, uid: bytes) -> Sequence[Lane]:
        """Return the lanes of a meter, as its present route wants them."""
        route = self.routes.get(uid)
        return (Lane.STRICT,) if route and route.strict_order else (Lane.LIVE, Lane.BACKLOG)

    def target_of(self, uid: bytes) -> str:
        """Return where a meter's rows probably go; rows themselves decide when they are sent."""
        route = self.routes.get(uid)
        return route.target if route else self.fallback

    def fill(self, connection: Outlet, now: float) -> None:
        """Send on a connection what has its turn, as far as there is room."""
        while connection.room(now):
            line = self._lines.next(connection.target.name)
            if line is None or not self._serve(line, connection, now):
                return

    def landed(self, connection: Outlet, outcomes: Iterable[Outcome], now: float) -> None:
        """Settle the ends of flights."""
        delivered: list[int] = []
        for outcome in outcomes:
            self.counters[f"mqtt_{outcome.result.name.lower()}"] += 1
            if outcome.result is Result.DELIVERED:
                self._delivered(connection, outcome, delivered)
            elif outcome.result is Result.REJECTED:
                self._rejected(outcome, now)
            else:
                self._returned(outcome)
        if delivered:
            self._outbox.acknowledge(delivered)
            self._suspects.forget(delivered)

    # ---- out

    def _serve(self, line: Line, connection: Outlet, now: float) -> bool:
        """Send this line's next packet; return whether others may still follow in this turn."""
        rows = self._rows(line)
        if not rows:
            self.stranded.discard(line)
            self._lines.idle(line)
            return True
        target, rows = self._led(rows)
        if target != connection.target.name:
            self._elsewhere(line, target, now)
            return True
        self.stranded.discard(line)
        if self._suspects.is_suspect(rows[0].id):
            return self._try_alone(line, rows[0], connection, now)
        if rows[0].mode is Mode.TB_GATEWAY and rows[0].device not in connection.devices:
            self._introduce(line, rows[0], connection, now)
        else:
            self._send(line, rows, connection, now)
        return True

    def _rows(self, line: Line) -> list[Row]:
        """Return the first rows of a line that may go together."""
        route = self.routes.get(line.uid)
        limit = 1 if route and route.mode is Mode.GENERIC else line.batch
        rows = self._outbox.next_rows(line.uid, line.lane, after_id=0, limit=limit, octets=MAX_PAYLOAD)
        flying = self._lines.flying(line.uid)
        if flying and (line.lane is Lane.STRICT or (rows and rows[0].id in flying)):
            return []
        return rows[:1] + list(takewhile(lambda row: self._may_join(rows[0], row, flying), rows[1:]))

    def _may_join(self, first: Row, row: Row, flying: set[int]) -> bool:
        return row.target == first.target and row.id not in flying and not self._suspects.is_suspect(row.id)

    def _led(self, rows: list[Row]) -> tuple[str, list[Row]]:
        """Return the target of rows, and the rows as they go there.

        Rows keep the route of their intake. Where its connection is no longer configured they follow their meter: over
        its present connection where the mode is the same, else wholly by its present route.
        """
        if rows[0].target in self.targets:
            return rows[0].target, rows
        route = self.routes.get(rows[0].uid)
        if route is None:
            return "", rows
        if route.mode is rows[0].mode:
            return route.target, rows
        return route.target, [replace(row, route=route) for row in rows]

    def _elsewhere(self, line: Line, target: str, now: float) -> None:
        if target in self.targets:
            self._lines.queue(line, target)
        else:
            self.stranded.add(line)
            self._lines.rest(line, now + STRANDED_S)

    def _try_alone(self, line: Line, row: Row, connection: Outlet, now: float) -> bool:
        if not connection.may_testify(now):
            self._lines.rest(line, now + TRIAL_S)
            return True
        if connection.flights:
            self._lines.queue(line, connection.target.name, front=True)
            return False
        self._send(line, [row], connection, now, alone=True)
        return False

    def _introduce(self, line: Line, row: Row, connection: Outlet, now: float) -> None:
        route = self.routes.get(row.uid, row.route)
        message = telemetry.gateway_connect(row.device, route.device_type)
        connection.send(message, Flight(Work.CONNECT, line, device=row.device, sent_at=now))
        self._lines.fly(line, ())

    def _send(self, line: Line, rows: list[Row], connection: Outlet, now: float, *, alone: bool = False) -> None:
        try:
            packet = telemetry.packet(rows, line.lane, self._limit(rows[0], connection))
            ids = tuple(row.id for row in rows[: packet.rows])
            if packet.message is None:
                self.counters["empty"] += len(ids)
                self._outbox.acknowledge(ids)
                self._lines.queue(line, connection.target.name, front=True)
                return
            flight = Flight(Work.ROWS, line, ids, "", now, connection.acknowledged, alone)
            connection.send(packet.message, flight)
        except BridgeError as error:
            if self._put_aside(rows[0].id, error.kind, error.detail):
                self._lines.queue(line, connection.target.name, front=True)
            else:
                self._lines.rest(line, now + REFUSED_S)
            return
        self._lines.fly(line, ids)
        self._count(packet.message)
        self._announce(line, rows[0], connection, now)

    def _limit(self, row: Row, connection: Outlet) -> int:
        limit = MAX_GENERIC if row.mode is Mode.GENERIC else MAX_PAYLOAD
        broker = connection.max_packet()
        return min(limit, broker - len(row.topic.encode()) - HEADROOM) if broker else limit

    def _count(self, message: Message) -> None:
        self.counters["mqtt_messages"] += 1
        self.counters["mqtt_octets"] += len(message.payload)

    def _announce(self, line: Line, row: Row, connection: Outlet, now: float) -> None:
        """Say once per session, and again when it changes, what is not a reading."""
        route = self.routes.get(row.uid, row.route)
        if row.mode is not Mode.GENERIC:
            message = telemetry.attributes(row.mode, row.device, route.attributes)
            self._note(connection, row.uid, repr(route.attributes), message, now)
        elif line.lane is not Lane.BACKLOG and not row.past:  # a meter is online when its present arrives
            last, _ = self._heard.get(row.uid, (now, 0.0))
            self._heard[row.uid] = (now, now - last)
            self._note(connection, row.uid, ONLINE, telemetry.meter_status(row.route.meter, ONLINE), now)

    def _note(self, connection: Outlet, uid: bytes, word: str, message: Message | None, now: float) -> None:
        if message is None or connection.announced.get(uid) == word or not connection.room(now):
            return
        connection.announced[uid] = word
        connection.send(message, Flight(Work.NOTE, sent_at=now))

    def tell_silent(self, connection: Outlet, now: float) -> None:
        """Say which meters of a connection have fallen silent, or never spoke since it is there; once a second."""
        for uid, route in self.routes.items():
            if route.mode is not Mode.GENERIC or route.target != connection.target.name:
                continue
            last, gap = self._heard.setdefault(uid, (now, 0.0))
            if now - last > max(SILENT_S, SILENT_INTERVALS * gap):
                self._note(connection, uid, SILENT, telemetry.meter_status(route.meter, SILENT), now)

    # ---- back

    def _delivered(self, connection: Outlet, outcome: Outcome, delivered: list[int]) -> None:
        flight, line = outcome.flight, outcome.flight.line
        if flight.work is Work.CONNECT:
            connection.devices.add(flight.device)
        if flight.work is Work.ROWS:
            delivered.extend(flight.ids)
            self.latencies.append(outcome.puback_s)
        if line:
            line.rejections, line.refusal = 0, ""
            line.batch = min(line.batch * 2, MAX_BATCH)
            self._lines.queue(line, connection.target.name, front=flight.work is Work.CONNECT)

    def _rejected(self, outcome: Outcome, now: float) -> None:
        flight, line = outcome.flight, outcome.flight.line
        if line is None:
            return
        line.rejections += 1
        line.refusal = f"{outcome.text} (0x{outcome.code:02x})"
        if line.rejections == 1:
            _log.warning("rejected uid=%s lane=%s code=%s", line.uid.hex(), line.lane, line.refusal)
        if len(flight.ids) == 1 and to_set_aside(outcome.code, line.rejections):
            self._put_aside(flight.ids[0], "rejected", line.refusal)
            line.rejections = 0
        line.batch = max(1, line.batch // 2)
        self._lines.rest(line, now + rejection_delay_s(max(line.rejections, 1), code=outcome.code))

    def _returned(self, outcome: Outcome) -> None:
        flight, line = outcome.flight, outcome.flight.line
        if flight.work is Work.ROWS and outcome.death:
            convicted = self._suspects.witnessed(flight.ids, outcome.death)
            if convicted is not None:
                self._put_aside(convicted, "poison", "the session ended each time it was sent alone")
        if line:
            self._lines.queue(line, line.target, front=True)

    def _put_aside(self, row_id: int, reason: str, detail: str) -> bool:
        """Return False when the disk refuses: the row still waits, and comes again."""
        if not self._outbox.set_aside(row_id, reason):
            return False
        _log.error("set aside row=%d reason=%s detail=%s", row_id, reason, detail)
        self.counters[f"set_aside_{reason}"] += 1
        return True
