"""From the bus to the outbox: what is new is taken in, what is missing is asked for, what is on disk is acknowledged.

In: envelopes of all workers, in any order, lost, doubled or damaged. Out: rows in the outbox in the order of their
numbers, ACK, REPLAY and HELLO on the way back. All that arrives in one turn is one transaction; ACK follows its COMMIT.
Whatever it remembers of a worker may be lost at any time: a heartbeat says it again. The rules and crash points are in
docs/ARCHITECTURE.md, "Hand-over".
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from common.clock import Clock
from common.envelope import (
    EPOCH_SIZE,
    NO_EPOCH,
    BadEnvelope,
    Envelope,
    Kind,
    UnknownKind,
    UnknownVersion,
    decode,
    encode,
)
from common.heartbeat import BadHeartbeat, Delivery, EpochSpan, WorkerBeat
from common.routes import MAX_ROUTES, Route
from publisher.outbox import Arrival, Outbox, Verdict

MAX_METERS: Final = MAX_ROUTES  # meters that are remembered; what others send is counted and passed over
MAX_REPLAYS: Final = 32  # under way at a time, so that a fleet that comes back does not fill the memory
REPLAY_S: Final = 1.0  # after this without the mark, or without progress, a batch may be asked for again
REFUSED_S: Final = 1.0  # no replay is asked for so long after the disk refused one
MAX_SEQ: Final = 1 << 48  # more readings than a meter has in its life: what is beyond is not believed
HELLO_S: Final = 1.0  # how often a worker is asked for a heartbeat
FOREIGN: Final = frozenset({Kind.COMMAND, Kind.NOTE})  # what the supervisor says comes the same way
LOST_JOURNAL: Final = "journal_lost"


class WayBack(Protocol):
    """What the intake needs of a bus."""

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        """Send to one worker; return False when it cannot be reached."""


@dataclass(slots=True)
class Meter:
    """What is known of a worker. ``highest``: by announced epoch, the last number that was seen or announced.

    ``replaying`` is the span asked for, None when nothing is under way; ``marked``: the batch came to its end.
    """

    spans: tuple[EpochSpan, ...] = ()
    highest: dict[bytes, int] = field(default_factory=dict)
    greeted: bool = False
    hello_at: float = 0.0
    announces: bool = False
    replaying: EpochSpan | None = None
    replay_until: float = 0.0
    marked: bool = False
    taken_boot_ms: int = 0
    repeats: int = 0
    gaps: int = 0


class Intake:
    """See the module's text."""

    def __init__(self, outbox: Outbox, bus: WayBack, clock: Clock, instance: bytes) -> None:
        self._outbox, self._bus, self._clock, self._instance = outbox, bus, clock, instance
        self._routes: Mapping[bytes, Route] = {}
        self._meters: dict[bytes, Meter] = {}
        self._replaying: set[bytes] = set()
        self._told: dict[bytes, Delivery] = {}
        self._refused_until = 0.0
        self._counts: Counter[str] = Counter()

    def set_routes(self, routes: Mapping[bytes, Route]) -> None:
        """Use these routes for what arrives from now on, and for rows that had none."""
        self._routes = dict(routes)
        for uid in self._outbox.unrouted():
            if uid in routes:
                self._outbox.route_known(uid, routes[uid])

    def handle(self, messages: Sequence[bytes]) -> list[Envelope]:
        """Take in all envelopes of one turn as one group, then acknowledge; call it each turn, also with nothing.

        Return the envelopes of kinds that are not of the hand-over.
        """
        decoded = [(envelope, octets) for octets in messages if (envelope := self._decoded(octets))]
        envelopes = [item for item in decoded if item[0].kind not in FOREIGN]
        heard: dict[bytes, Meter] = {}
        for envelope, _ in envelopes:
            meter = self._meter(envelope.uid)
            if meter is not None:
                heard[envelope.uid] = meter
                self._note(envelope, meter)
        owed = self._take([item for item in envelopes if item[0].uid in heard])
        for uid, meter in heard.items():
            self._settle(uid, meter, owed.get(uid, set()))
        self._give_up()
        return [envelope for envelope, _ in decoded if envelope.kind in FOREIGN]

    def accept(self, uid: bytes, spans: tuple[EpochSpan, ...]) -> EpochSpan | None:
        """Learn what a journal holds; return the span to be taken in next, from its first that is missing."""
        meter = self._meter(uid)
        if meter is None:
            return None
        self._announced(uid, meter, spans)
        return self._missing(uid, meter)

    def deliveries(self) -> Mapping[bytes, Delivery]:
        """Return the meters that changed since the last call."""
        known = {uid: self._delivery(uid) for uid in self._outbox.uids()}
        changed = {uid: delivery for uid, delivery in known.items() if self._told.get(uid) != delivery}
        self._told = known
        return changed

    def counters(self) -> Mapping[str, int]:
        """Return what was refused or repeated since the start, by name."""
        meters = self._meters.values()
        return {
            **self._counts,
            "repeats": sum(meter.repeats for meter in meters),
            "gaps": sum(meter.gaps for meter in meters),
        }

    # ---- in

    def _decoded(self, octets: bytes) -> Envelope | None:
        try:
            return decode(octets)
        except (BadEnvelope, UnknownKind, UnknownVersion) as error:
            self._counts[error.kind] += 1
            return None

    def _meter(self, uid: bytes) -> Meter | None:
        meter = self._meters.get(uid)
        if meter is None and len(self._meters) < MAX_METERS:
            meter = self._meters[uid] = Meter()
        if meter is None:
            self._counts["too_many_meters"] += 1
        return meter

    def _note(self, envelope: Envelope, meter: Meter) -> None:
        """Learn what an envelope says beside its reading."""
        if envelope.kind is Kind.HEARTBEAT:
            try:
                self._announced(envelope.uid, meter, WorkerBeat.from_body(envelope.body).spans)
            except BadHeartbeat as error:
                self._counts[error.kind] += 1
        elif envelope.kind is Kind.REPLAY:
            meter.marked = True
        elif envelope.kind is Kind.READING and envelope.epoch in meter.highest:
            meter.highest[envelope.epoch] = max(meter.highest[envelope.epoch], envelope.seq)
        elif envelope.kind is Kind.READING:
            meter.greeted = False  # an epoch that no heartbeat announced: a heartbeat is asked for
        elif envelope.kind is not Kind.GONE:
            self._counts["unexpected_kind"] += 1

    def _announced(self, uid: bytes, meter: Meter, spans: tuple[EpochSpan, ...]) -> None:
        spans = tuple(filter(_is_plausible, spans))
        announced = {span.epoch: max(span.last, meter.highest.get(span.epoch, 0)) for span in spans}
        for epoch, last in meter.highest.items():
            cursor = self._outbox.cursor(uid, epoch)
            if epoch not in announced and cursor is not None and cursor < last:
                self._outbox.gone(uid, epoch, cursor + 1, last, LOST_JOURNAL)
        meter.spans, meter.highest, meter.announces = spans, announced, True
        self._outbox.forget_epochs(uid, frozenset(announced))
        self._begin(uid, meter)

    def _begin(self, uid: bytes, meter: Meter) -> None:
        """Begin each epoch whose elders are drained, at its first unacknowledged."""
        for span in meter.spans:
            if not self._outbox.begin(uid, span.epoch, span.first_unacknowledged) or self._lacks(uid, meter, span):
                break

    def _lacks(self, uid: bytes, meter: Meter, span: EpochSpan) -> bool:
        cursor = self._outbox.cursor(uid, span.epoch)
        return cursor is None or cursor < meter.highest.get(span.epoch, span.last)

    def _take(self, envelopes: Iterable[tuple[Envelope, bytes]]) -> dict[bytes, set[bytes]]:
        """Take in readings, and what is said to be gone in its place; return by meter the epochs to acknowledge."""
        owed: dict[bytes, set[bytes]] = {}
        group: list[Arrival] = []
        for envelope, octets in envelopes:
            if envelope.kind is Kind.READING:
                group.append(Arrival(envelope, octets, self._routes.get(envelope.uid)))
            elif envelope.kind is Kind.GONE:
                self._take_group(group, owed)
                group = []
                self._take_gone(envelope, owed)
        self._take_group(group, owed)
        return owed

    def _take_group(self, group: list[Arrival], owed: dict[bytes, set[bytes]]) -> None:
        now_ms = self._clock.boottime_ms()
        for arrival, verdict in zip(group, self._outbox.take(group) if group else (), strict=True):
            self._judged(arrival.envelope, verdict, owed)
            if verdict is Verdict.INSERTED:
                self._meters[arrival.envelope.uid].taken_boot_ms = now_ms

    def _take_gone(self, envelope: Envelope, owed: dict[bytes, set[bytes]]) -> None:
        match envelope.body:
            case [int(first), int(last), str(reason)] if 0 < first <= last < MAX_SEQ:
                verdict = self._outbox.gone(envelope.uid, envelope.epoch, first, last, reason)
                self._judged(envelope, verdict, owed)
            case _:
                self._counts["bad_gone"] += 1

    def _judged(self, envelope: Envelope, verdict: Verdict, owed: dict[bytes, set[bytes]]) -> None:
        meter = self._meters[envelope.uid]
        meter.repeats += verdict is Verdict.REPEAT
        meter.gaps += verdict is Verdict.GAP
        if verdict in {Verdict.INSERTED, Verdict.REPEAT}:
            owed.setdefault(envelope.uid, set()).add(envelope.epoch)
        elif verdict is Verdict.REFUSED:
            self._counts["refused"] += 1
            self._refused_until = self._clock.monotonic() + REFUSED_S

    # ---- back

    def _settle(self, uid: bytes, meter: Meter, owed: set[bytes]) -> None:
        """Acknowledge what is on disk, ask for what is missing, greet a worker that is not known."""
        self._begin(uid, meter)
        for span in meter.spans if meter.announces else ():
            cursor = self._outbox.cursor(uid, span.epoch)
            if cursor is not None and cursor >= span.first_unacknowledged:
                owed.add(span.epoch)
        meter.announces = False
        for epoch in owed:
            cursor = self._outbox.cursor(uid, epoch)
            if cursor:
                self._send(Kind.ACK, uid, epoch, cursor)
        self._ask(uid, meter)
        self._greet(uid, meter)

    def _greet(self, uid: bytes, meter: Meter) -> None:
        now = self._clock.monotonic()
        if (meter.greeted and meter.spans) or now < meter.hello_at:
            return
        meter.hello_at = now + HELLO_S
        meter.greeted = self._send(Kind.HELLO, uid, body=self._instance)

    def _missing(self, uid: bytes, meter: Meter) -> EpochSpan | None:
        """Return the oldest span that is not drained, from the first number that is missing."""
        for span in meter.spans:
            cursor = self._outbox.cursor(uid, span.epoch)
            if cursor is not None and self._lacks(uid, meter, span):
                return EpochSpan(span.epoch, cursor + 1, meter.highest[span.epoch])
        return None

    def _ask(self, uid: bytes, meter: Meter) -> None:
        """Ask for the next batch of what is missing, unless one is under way or too many are."""
        now, missing = self._clock.monotonic(), self._missing(uid, meter)
        if missing and meter.replaying and now < meter.replay_until and not _has_moved(meter, missing):
            return
        self._end_replay(uid, meter)
        if missing is None or now < self._refused_until or len(self._replaying) >= MAX_REPLAYS:
            return
        if self._send(Kind.REPLAY, uid, missing.epoch, missing.first_unacknowledged):
            self._counts["replays"] += 1
            meter.replaying, meter.replay_until = missing, now + REPLAY_S
            self._replaying.add(uid)

    def _end_replay(self, uid: bytes, meter: Meter) -> None:
        meter.replaying, meter.marked = None, False
        self._replaying.discard(uid)

    def _give_up(self) -> None:
        """Make room for others where a batch did not end in time; the worker's next message asks again."""
        now = self._clock.monotonic()
        for uid in [uid for uid in self._replaying if now >= self._meters[uid].replay_until]:
            self._end_replay(uid, self._meters[uid])

    def _send(self, kind: Kind, uid: bytes, epoch: bytes = NO_EPOCH, seq: int = 0, body: object = None) -> bool:
        boot_ms = self._clock.boottime_ms()
        return self._bus.to_worker(uid, encode(Envelope(kind, uid, epoch, seq, boot_ms=boot_ms, body=body)))

    def _delivery(self, uid: bytes) -> Delivery:
        tally, meter = self._outbox.tally(uid), self._meters.get(uid, Meter())
        return Delivery(
            last_taken_boot_ms=meter.taken_boot_ms,
            last_acknowledged_boot_ms=self._outbox.delivered_boot_ms(uid),
            waiting=tally.waiting,
            taken=tally.taken,
            delivered=tally.delivered,
            repeats=meter.repeats,
            gaps=meter.gaps,
            dropped=sum(tally.dropped.values()),
            set_aside=tally.set_aside,
            reasons={reason: count for reason, count in tally.dropped.items() if count},
        )


def _has_moved(meter: Meter, missing: EpochSpan) -> bool:
    """Return whether a batch came to its end and was of use."""
    asked = meter.replaying or missing
    before, now = (asked.epoch, asked.first_unacknowledged), (missing.epoch, missing.first_unacknowledged)
    return meter.marked and before != now


def _is_plausible(span: EpochSpan) -> bool:
    return len(span.epoch) == EPOCH_SIZE and 1 <= span.first_unacknowledged <= span.last + 1 < MAX_SEQ
