"""A simulated meter without sockets, on a clock that stands still, and a client that speaks HDLC to it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from poller.simulator import frames
from poller.simulator.frames import POLL, Frame, FrameReader
from poller.simulator.session import HdlcSession
from poller.simulator.steps import Send, Step

AARQ_LLS = (
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083232323232323232be10040e01000000065f1f0400007e1f04b0"
)


@dataclass
class StillClock:
    """A clock that moves only when told."""

    now: float = 1000.0
    wall: int = 1_700_000_000_000

    def monotonic(self) -> float:
        return self.now

    def boottime_ms(self) -> int:
        return int(self.now * 1000)

    def wall_ms(self) -> int:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class RunningClock(StillClock):
    """A clock whose wall time moves along, for meters whose own clock counts."""

    def wall_ms(self) -> int:
        return self.wall + round(1000 * (self.now - 1000.0))


@dataclass
class Client:
    """A client's side of a link: counts its numbers, cuts what the meter sends into frames."""

    session: HdlcSession
    clock: StillClock
    server: bytes = b"\x03"
    source: bytes = b"\x03"
    sent: int = 0
    expected: int = 0
    steps: list[Step] = field(default_factory=list)

    def raw(self, octets: bytes) -> list[Frame]:
        self.steps = self.session.receive(octets, self.clock.now)
        line = b"".join(step.octets for step in self.steps if isinstance(step, Send))
        return FrameReader(3600).feed(line, 0.0)

    def say(self, control: int, info: bytes = b"", *, segmented: bool = False) -> list[Frame]:
        return self.raw(frames.encode(Frame(self.server, self.source, control | POLL, info, segmented)))

    def open(self) -> list[Frame]:
        self.sent = self.expected = 0
        return self.say(0x83)

    def ask(self, apdu: bytes) -> list[Frame]:
        answer = self.say(self.expected << 5 | self.sent << 1, b"\xe6\xe6\x00" + apdu)
        self.sent = (self.sent + 1) & 7
        return self._heard(answer)

    def poll(self) -> list[Frame]:
        return self._heard(self.say(self.expected << 5 | 0x01))

    def _heard(self, answer: list[Frame]) -> list[Frame]:
        for frame in answer:
            if not frame.control & 1 and frame.control >> 1 & 7 == self.expected:
                self.expected = (self.expected + 1) & 7
        return answer

    def associate(self) -> list[Frame]:
        self.open()
        return self.ask(bytes.fromhex(AARQ_LLS))

    def voltage(self) -> list[Frame]:
        return self.ask(bytes.fromhex("c001c100030101200700ff0200"))


MakeClient = Callable[..., Client]
