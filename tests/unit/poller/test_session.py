"""A session's deadlines, with the protocol's real exchanges over a wire from a script or to a simulated meter."""

from collections.abc import Callable

import pytest

from common.obis import Obis
from common.worker_file import Limits
from poller.dlms.conversation import AttributeRef, Profile, Transport
from poller.dlms.errors import AssociationLost, ObjectUndefined, PeerClosed, ReplyTimeout
from poller.errors import ConnectRefused, ExchangeOverrun, Interrupted, LinkLost
from poller.resolver import Resolver
from poller.session import CLOSE_S, IN, OUT, Session
from poller.simulator import Asked, Fault, FaultKind, MeterSpec
from tests.support.simulated import StillClock
from tests.support.wires import SimulatedWire

HDLC = Profile(Transport.HDLC, client_id=16, server_logical=1, address_size=1)
WRAPPER = Profile(Transport.WRAPPER, client_id=16, server_logical=1)
VOLTAGE = AttributeRef(3, Obis(1, 1, 32, 7, 0), 2)
CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)
GETS = frozenset([Asked.GET])


def nothing() -> None:
    """Nothing else has to go on."""


def made(
    clock: StillClock, spec: MeterSpec | None = None, profile: Profile = HDLC, pulse: Callable[[], None] = nothing
) -> tuple[Session, SimulatedWire]:
    wire = SimulatedWire(clock, spec, pulse)
    return Session(profile, wire, Resolver(clock, pulse), clock, Limits()), wire


def opened(
    clock: StillClock, spec: MeterSpec | None = None, profile: Profile = HDLC, pulse: Callable[[], None] = nothing
) -> tuple[Session, SimulatedWire]:
    session, wire = made(clock, spec, profile, pulse)
    session.open(session.resolve("127.0.0.1"), 3333)
    return session, wire


def arm(wire: SimulatedWire, clock: StillClock, fault: Fault) -> None:
    assert wire.device.faults.arm(fault, clock.now)


def test_open_get_close() -> None:
    session, wire = opened(StillClock())
    assert isinstance(session.get(VOLTAGE).value, int)
    session.close()
    with pytest.raises(AssociationLost):
        session.get(VOLTAGE)
    assert wire.device.counters.discs == 1


def test_timings_tell_the_steps() -> None:
    session, _ = opened(StillClock(), MeterSpec("sim-1", delay=(0.2, 0.2)))
    assert session.timings.associate_ms == 400


def test_an_answer_within_the_reply_time_is_waited_for() -> None:
    clock = StillClock()
    session, wire = opened(clock)
    arm(wire, clock, Fault(FaultKind.STALL, seconds=4.9, on=GETS))
    session.get(VOLTAGE)
    assert session.conversation.counters.polls == 0


def test_one_silence_is_recovered_two_are_a_lost_link() -> None:
    clock = StillClock()
    session, wire = opened(clock)
    arm(wire, clock, Fault(FaultKind.DROP, count=1, on=GETS))
    started = clock.now
    session.get(VOLTAGE)
    assert clock.now - started == pytest.approx(5.0)
    arm(wire, clock, Fault(FaultKind.DEAF, lasting=100.0))
    started = clock.now
    with pytest.raises(LinkLost):
        session.get(VOLTAGE)
    assert clock.now - started == pytest.approx(10.0)


def test_with_wrapper_two_silent_requests_in_a_row_are_a_lost_link() -> None:
    clock = StillClock()
    session, wire = opened(clock, MeterSpec("sim-1", "wrapper"), WRAPPER)
    arm(wire, clock, Fault(FaultKind.DEAF, lasting=100.0))
    with pytest.raises(ReplyTimeout):
        session.get(VOLTAGE)
    with pytest.raises(LinkLost):
        session.get(VOLTAGE)


def test_a_success_between_two_silences_breaks_the_row() -> None:
    clock = StillClock()
    session, wire = opened(clock, MeterSpec("sim-1", "wrapper"), WRAPPER)
    ref = AttributeRef(3, Obis(1, 0, 32, 7, 0), 2)
    for _ in range(3):
        arm(wire, clock, Fault(FaultKind.DROP, count=1, on=GETS))
        with pytest.raises(ReplyTimeout):
            session.get(ref)
        session.get(ref)


def test_half_a_frame_is_given_up_after_the_pause_between_octets() -> None:
    clock = StillClock()
    session, wire = opened(clock)
    arm(wire, clock, Fault(FaultKind.HALF, count=1, on=GETS))
    started = clock.now
    session.get(VOLTAGE)
    assert clock.now - started == pytest.approx(0.5)


def test_some_meters_need_the_third_snrm() -> None:
    clock = StillClock()
    session, wire = made(clock)
    arm(wire, clock, Fault(FaultKind.DROP, count=2, on=frozenset([Asked.SNRM])))
    session.open("127.0.0.1", 3333)
    assert session.is_open


def test_a_silent_meter_is_left_after_three_waits_and_the_time_for_disc() -> None:
    clock = StillClock()
    session, wire = made(clock)
    arm(wire, clock, Fault(FaultKind.DEAF, lasting=1000.0))
    started = clock.now
    with pytest.raises((LinkLost, ReplyTimeout)):
        session.open("127.0.0.1", 3333)
    assert clock.now - started <= 15.0 + CLOSE_S
    assert not session.is_open


class Babbler:
    """A peer that sends a flag octet now and then and never a frame."""

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock

    def connect(self, address: str, port: int, deadline: float) -> None:
        self.address = address

    def send(self, octets: bytes, deadline: float) -> None:
        self.sent = octets

    def receive(self, deadline: float) -> bytes:
        self._clock.sleep(0.4)
        return b"\x7e"

    def close(self) -> None:
        self.address = ""


def test_octets_that_never_end_do_not_outlast_the_absolute_limit() -> None:
    clock = StillClock()
    session = Session(HDLC, Babbler(clock), Resolver(clock, nothing), clock, Limits())
    started = clock.now
    with pytest.raises(ExchangeOverrun):
        session.open("127.0.0.1", 3333)
    assert clock.now - started < 45.0


def test_errors_of_the_connection_come_out_as_they_are() -> None:
    session, wire = made(StillClock())
    wire.reachable = False
    with pytest.raises(ConnectRefused):
        session.open("127.0.0.1", 3333)


def test_an_answer_that_is_an_error_leaves_the_session_open() -> None:
    session, _ = opened(StillClock())
    with pytest.raises(ObjectUndefined):
        session.get(AttributeRef(3, Obis(1, 1, 99, 99, 9), 2))
    session.get(VOLTAGE)


def test_a_closed_connection_is_told_at_the_next_request() -> None:
    session, wire = opened(StillClock())
    wire.close()
    with pytest.raises(PeerClosed):
        session.get(VOLTAGE)


def test_an_interruption_breaks_off_a_wait_but_never_a_close() -> None:
    clock = StillClock()
    wanted = False
    holder: list[Session] = []

    def pulse() -> None:
        if wanted and not holder[0].closing:
            raise Interrupted

    session, wire = opened(clock, pulse=pulse)
    holder.append(session)
    arm(wire, clock, Fault(FaultKind.STALL, seconds=4.0, count=2, on=frozenset([Asked.GET, Asked.DISC])))
    wanted = True
    started = clock.now
    with pytest.raises(Interrupted):
        session.get(VOLTAGE)
    assert clock.now - started <= 1.0
    session.close()
    assert wire.device.counters.discs == 1


def test_lists_are_taken_only_where_they_were_negotiated() -> None:
    plain, _ = opened(StillClock())
    assert not plain.takes_lists
    listing, _ = opened(StillClock(), MeterSpec("sim-1", "wrapper"), WRAPPER)
    assert listing.takes_lists


@pytest.mark.parametrize("profile", [HDLC, WRAPPER])
def test_a_tap_sees_all_octets_with_their_direction(profile: Profile) -> None:
    clock = StillClock()
    session, _ = made(clock, None if profile is HDLC else MeterSpec("sim-1", "wrapper"), profile)
    seen: list[tuple[str, bytes]] = []
    session.tap = lambda way, octets: seen.append((way, octets))
    session.open(session.resolve("127.0.0.1"), 3333)
    session.get(CLOCK)
    session.close()
    counters = session.conversation.counters
    assert sum(len(octets) for way, octets in seen if way == OUT) == counters.octets_sent
    assert sum(len(octets) for way, octets in seen if way == IN) == counters.octets_received
    assert [way for way, _ in seen[:4]] == [OUT, IN, OUT, IN]


@pytest.mark.parametrize("profile", [HDLC, WRAPPER])
def test_a_session_is_kept_alive(profile: Profile) -> None:
    session, _ = opened(StillClock(), None if profile is HDLC else MeterSpec("sim-1", "wrapper"), profile)
    sent = session.conversation.counters.frames_sent
    session.keep_alive()
    assert session.conversation.counters.frames_sent == sent + 1
    assert session.is_open
