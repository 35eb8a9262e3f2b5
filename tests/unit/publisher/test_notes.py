"""Notes: the last word on each topic reaches the broker, in order, without taking the readings' room."""

from collections import Counter

import pytest

from common.envelope import Envelope, Kind
from publisher.connection import Flight, Outcome, Result, Work
from publisher.mqtt import Unpublishable
from publisher.notes import MAX_FLYING, MAX_NOTES, MAX_OCTETS, Notes
from publisher.telemetry import Message


class Outlet:
    """A connection that keeps what it is given."""

    def __init__(self, *, generic: bool = True) -> None:
        self.will = Message("bridges/b/status", b"offline") if generic else None
        self.sent: list[tuple[Message, Flight]] = []
        self.open = 80

    def room(self, _now: float) -> int:
        return self.open - len(self.sent)

    def send(self, message: Message, flight: Flight) -> None:
        if "+" in message.topic:
            raise Unpublishable("wildcard")
        self.sent.append((message, flight))

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message, _ in self.sent]


def note(topic: object, payload: object, *, retained: object = True) -> Envelope:
    return Envelope(Kind.NOTE, body=[topic, payload, retained])


def ended(outlet: Outlet, result: Result = Result.DELIVERED) -> list[Outcome]:
    outcomes = [Outcome(result, flight) for _, flight in outlet.sent]
    outlet.sent.clear()
    return outcomes


@pytest.fixture
def counters() -> Counter[str]:
    return Counter()


@pytest.fixture
def notes(counters: Counter[str]) -> Notes:
    return Notes(counters)


def test_a_note_is_said_once_and_forgotten_with_its_acknowledgement(notes: Notes) -> None:
    outlet = Outlet()
    notes.take([note("a", b"1")])
    notes.send(outlet, 0.0)
    notes.send(outlet, 0.0)
    assert [(item.topic, item.payload, item.retain) for item, _ in outlet.sent] == [("a", b"1", True)]
    assert outlet.sent[0][1].work is Work.NOTE
    notes.landed(ended(outlet))
    notes.send(outlet, 0.0)
    assert outlet.sent == []


def test_what_a_session_did_not_acknowledge_is_said_in_the_next(notes: Notes) -> None:
    outlet = Outlet()
    notes.take([note("a", b"1")])
    notes.send(outlet, 0.0)
    notes.landed(ended(outlet, Result.RETURNED))
    notes.send(outlet, 0.0)
    assert outlet.payloads == [b"1"]


def test_a_later_word_on_a_topic_waits_for_the_earlier_one_and_replaces_those_between(notes: Notes) -> None:
    outlet = Outlet()
    notes.take([note("a", b"1")])
    notes.send(outlet, 0.0)
    notes.take([note("a", b"2"), note("a", b"3")])
    notes.send(outlet, 0.0)
    assert outlet.payloads == [b"1"]
    notes.landed(ended(outlet))
    notes.send(outlet, 0.0)
    assert outlet.payloads == [b"3"]


def test_what_the_broker_refuses_is_counted_and_not_said_again(notes: Notes, counters: Counter[str]) -> None:
    outlet = Outlet()
    notes.take([note("a", b"1"), note("b/+", b"2")])
    notes.send(outlet, 0.0)
    notes.landed(ended(outlet, Result.REJECTED))
    notes.send(outlet, 0.0)
    assert outlet.sent == []
    assert counters == {"notes_rejected": 1, "notes_unpublishable": 1}


def test_few_are_on_their_way_at_a_time_and_none_without_room(notes: Notes) -> None:
    outlet = Outlet()
    notes.take(note(f"t{number}", b"x") for number in range(10))
    outlet.open = 0
    notes.send(outlet, 0.0)
    assert outlet.sent == []
    outlet.open = 80
    notes.send(outlet, 0.0)
    assert len(outlet.sent) == MAX_FLYING


def test_only_a_generic_broker_is_told(notes: Notes) -> None:
    outlet = Outlet(generic=False)
    notes.take([note("a", b"1")])
    notes.send(outlet, 0.0)
    assert outlet.sent == []


def test_topics_that_wait_are_bounded_and_the_oldest_go(notes: Notes, counters: Counter[str]) -> None:
    outlet = Outlet()
    notes.take(note(f"t{number}", b"x") for number in range(MAX_NOTES + 3))
    notes.send(outlet, 0.0)
    assert outlet.sent[0][0].topic == "t3"
    assert counters["notes_dropped"] == 3


@pytest.mark.parametrize(
    "body", [None, [], ["a"], ["a", "text", True], ["a", b"x" * (MAX_OCTETS + 1), True], [1, b"", 1]]
)
def test_what_is_no_note_is_counted(notes: Notes, counters: Counter[str], body: object) -> None:
    notes.take([Envelope(Kind.NOTE, body=body), Envelope(Kind.COMMAND, body=body)])
    assert counters == {"bad_note": 1}
