"""The scanner's loop against a loopback where nobody listens: what it takes, when it dials nobody, what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from common.bus import Inbound
from common.clock import SystemClock
from common.command import CANCEL, OWNED, SCAN, SYSTEM_UID, Command, CommandResult
from common.envelope import Envelope, Kind, decode, encode
from poller.scanner.loop import Loop

NOBODY = {"spans": [["127.0.9.1", "127.0.9.4"]], "ports": [1], "per_second": 50, "owned": []}


@dataclass
class Bus:
    """Gives what is put into it, keeps what is sent."""

    coming: list[bytes] = field(default_factory=list)
    results: list[tuple[str, CommandResult]] = field(default_factory=list)

    def wait(self, timeout_s: float) -> Sequence[Inbound]:
        came, self.coming = self.coming, []
        return [Inbound("supervisor", octets) for octets in came]

    def to_supervisor(self, octets: bytes) -> bool:
        envelope = decode(octets)
        assert (envelope.kind, envelope.uid) == (Kind.RESULT, SYSTEM_UID)
        self.results.append(CommandResult.from_body(envelope.body))
        return True

    def put(self, number: str, verb: str, **arguments: object) -> None:
        self.coming.append(encode(Envelope(Kind.COMMAND, body=Command(number, verb, arguments).to_body())))

    @property
    def ends(self) -> list[tuple[str, CommandResult]]:
        return [each for each in self.results if not each[1].progress]


def test_a_scan_of_nobody_is_answered_with_counts() -> None:
    bus, loop = _loop()
    bus.put("1", SCAN, **NOBODY | {"owned": [["127.0.9.2", 1]]})
    _turn(loop, bus, 1)
    ((number, result),) = bus.ends
    assert (number, result.ok, result.result["refused"]) == ("1", True, 3)
    assert result.result["left_out"] == [{"ip": "127.0.9.2", "port": 1}]
    assert bus.results[0][1].progress


def test_a_scan_is_cancelled_at_once_and_others_are_told_that_nothing_goes_on() -> None:
    bus, loop = _loop()
    bus.put("1", SCAN, **NOBODY)
    bus.put("c", CANCEL, id="2")
    bus.put("c", CANCEL, id="1")
    loop.turn()
    assert [(number, result.error_kind) for number, result in bus.ends] == [("2", "cancelled"), ("1", "cancelled")]
    assert bus.ends[1][1].result["asked"] == 0


def test_one_scan_at_a_time_and_the_same_one_only_once() -> None:
    bus, loop = _loop()
    for number in ("1", "1", "2"):
        bus.put(number, SCAN, **NOBODY)
    loop.turn()
    assert [(number, result.error_kind) for number, result in bus.ends] == [("2", "busy")]


def test_nobody_is_dialled_while_it_is_not_known_what_is_owned() -> None:
    bus, loop = _loop()
    bus.put("1", SCAN, **NOBODY | {"owned": [["gone.test", 1]]})
    _turn(loop, bus, 1)
    ((_, result),) = bus.ends
    assert (result.error_kind, result.result["asked"]) == ("owned_unresolved", 0)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [({}, "bad_targets"), (NOBODY | {"per_second": 0}, "bad_rate"), (NOBODY | {"per_second": 51}, "bad_rate")],
)
def test_what_is_no_scan_is_refused(arguments: dict[str, object], kind: str) -> None:
    bus, loop = _loop()
    bus.put("1", SCAN, **arguments)
    loop.turn()
    assert [result.error_kind for _, result in bus.ends] == [kind]


def test_what_is_not_understood_is_passed_over() -> None:
    bus, loop = _loop()
    bus.coming += [b"nonsense", encode(Envelope(Kind.COMMAND, body=[])), encode(Envelope(Kind.HELLO))]
    bus.put("1", OWNED, owned=[])
    bus.put("2", "dance")
    loop.turn()
    assert bus.results == []


def _loop() -> tuple[Bus, Loop]:
    bus = Bus()
    return bus, Loop(bus, SystemClock(), lambda _: [])


def _turn(loop: Loop, bus: Bus, ends: int) -> None:
    for _ in range(2000):
        if len(bus.ends) >= ends:
            return
        loop.turn()
    raise AssertionError(f"only {bus.results} came")
