"""What the supervisor has to say at the broker: alarms, by topic; kept until the broker has them.

In: NOTE envelopes, connections with room, ends of flights. Out: messages, at most MAX_FLYING on their way, so that
readings keep their room. The last word on a topic is the one that counts; a note is lost only with this process, and
the supervisor says all of them again to a new one. Generic mode only: other brokers have no topics of ours.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from common.envelope import Envelope, Kind
from publisher.connection import Flight, Outcome, Result, Work
from publisher.mqtt import Unpublishable
from publisher.telemetry import Message

MAX_NOTES: Final = 1000  # topics that wait for a broker; beyond it the oldest are forgotten and counted
MAX_FLYING: Final = 4
MAX_OCTETS: Final = 16 << 10  # of one payload; ours have some 500


class Outlet(Protocol):
    """What a note needs of a connection."""

    will: Message | None

    def room(self, now: float) -> int:
        """Return how many messages may be sent now."""

    def send(self, message: Message, flight: Flight) -> None:
        """Send; raises Unpublishable. Only with room."""


class Notes:
    """See the module's text."""

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._kept: dict[str, Message] = {}
        self._flying: dict[str, Message] = {}

    def take(self, envelopes: Iterable[Envelope]) -> None:
        """Keep what is to be said."""
        for envelope in envelopes:
            match envelope.kind, envelope.body:
                case Kind.NOTE, [str(topic), bytes(payload), bool(retained)] if len(payload) <= MAX_OCTETS:
                    self._kept.pop(topic, None)  # the newest comes last
                    self._kept[topic] = Message(topic, payload, retain=retained)
                case Kind.NOTE, _:
                    self._counters["bad_note"] += 1
        while len(self._kept) > MAX_NOTES:
            self._forget(next(iter(self._kept)), "notes_dropped")

    def send(self, connection: Outlet, now: float) -> None:
        """Say what waits, as far as there is room; of one topic one message at a time, so that their order stays."""
        if connection.will is None or not self._kept:
            return
        for topic in [topic for topic in self._kept if topic not in self._flying]:
            if len(self._flying) >= MAX_FLYING or not connection.room(now):
                return
            message = self._kept[topic]
            try:
                connection.send(message, Flight(Work.NOTE, topic=topic, sent_at=now))
            except Unpublishable:
                self._forget(topic, "notes_unpublishable")
                continue
            self._flying[topic] = message

    def landed(self, outcomes: Iterable[Outcome]) -> None:
        """Forget what the broker has, or refuses; what came back is said again."""
        for outcome in outcomes:
            said = self._flying.pop(outcome.flight.topic, None)
            if said is None or outcome.result is Result.RETURNED:
                continue
            if outcome.result is Result.REJECTED:
                self._counters["notes_rejected"] += 1
            if self._kept.get(outcome.flight.topic) is said:
                del self._kept[outcome.flight.topic]

    def _forget(self, topic: str, reason: str) -> None:
        del self._kept[topic]
        self._counters[reason] += 1
