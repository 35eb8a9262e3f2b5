import pytest

from poller.simulator import frames, wrapping
from poller.simulator.device import Device, MeterSpec
from poller.simulator.faults import Asked, Fault, FaultKind
from poller.simulator.frames import Kind
from poller.simulator.personality import EarlyRr, LingerHow
from poller.simulator.session import MAX_BACKLOG, HdlcSession, WrapperSession
from poller.simulator.steps import Finish, Record, Reset, Send, Step, Wait
from tests.support.simulated import AARQ_LLS, Client, MakeClient, StillClock

UA, DM, FRMR = frames.UA | 0x10, frames.DM | 0x10, frames.FRMR | 0x10


def arm(meter: Client, *faults: Fault) -> None:
    for fault in faults:
        meter.session._device.faults.arm(fault, meter.clock.now)


def records(steps: list[Step]) -> list[Record]:
    return [step for step in steps if isinstance(step, Record)]


def test_an_answer_is_recorded_before_it_is_sent(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    meter.voltage()
    record, send = meter.steps
    assert isinstance(record, Record)
    assert isinstance(send, Send)
    assert (record.note.event, record.association, record.answered) == ("get", 1, True)


def test_a_dropped_answer_can_be_polled_for(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.DROP))
    assert meter.voltage() == []
    assert [record.note.event for record in records(meter.steps)] == ["fault"]
    (answer,) = meter.poll()
    assert answer.kind is Kind.INFORMATION
    assert [(record.note.event, record.answered) for record in records(meter.steps)] == [("get", True)]


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.BAD_FCS, FaultKind.HALF, FaultKind.WRONG_NS])
def test_an_answer_that_never_went_out_whole_is_recorded_as_such(client: MakeClient, kind: FaultKind) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(kind))
    meter.voltage()
    (record,) = meter.session.end(meter.clock.now)
    assert (record.note.event, record.fault, record.answered) == ("get", kind.value, False)


def test_a_stalled_answer_is_recorded_when_it_goes_out(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.STALL, seconds=1.5))
    meter.voltage()
    assert [type(step) for step in meter.steps] == [Record, Wait, Record, Send]


def test_a_held_answer_is_recorded_when_it_goes_out(client: MakeClient) -> None:
    meter = client(early_rr=EarlyRr.AWAIT_POLL)
    meter.open()
    meter.ask(bytes.fromhex(AARQ_LLS))
    assert records(meter.steps) == []
    meter.poll()
    assert [record.note.event for record in records(meter.steps)] == ["associate"]


def test_a_deaf_meter_has_never_heard_it(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.DEAF))
    assert meter.voltage() == []
    assert meter.session._device.counters.gets == 0
    meter.sent = 1
    assert len(meter.voltage()) == 1


def test_rnr_until_it_is_used_up(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.RNR, count=2))
    assert [frame.kind for frame in meter.voltage()] == [Kind.RNR]
    assert [frame.kind for frame in meter.poll()] == [Kind.RNR]
    assert [frame.kind for frame in meter.poll()] == [Kind.INFORMATION]


def test_dm_to_snrm_and_frmr_on_demand(client: MakeClient) -> None:
    meter = client()
    arm(meter, Fault(FaultKind.DM))
    assert [frame.control for frame in meter.open()] == [DM]
    meter.associate()
    arm(meter, Fault(FaultKind.FRMR))
    assert [frame.control for frame in meter.voltage()] == [FRMR]


def test_wrong_send_number_on_demand(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.WRONG_NS))
    (answer,) = meter.voltage()
    assert answer.control >> 1 & 7 == 2


def test_two_lost_snrms_after_half_a_frame(client: MakeClient) -> None:
    meter = client()
    arm(meter, Fault(FaultKind.DEAF, count=2, on=frozenset({Asked.SNRM})))
    assert [meter.open(), meter.open()] == [[], []]
    assert [frame.control for frame in meter.open()] == [UA]


@pytest.mark.parametrize(("how", "answer"), [(LingerHow.DM, [DM]), (LingerHow.SILENCE, []), (LingerHow.DISC, [DM])])
def test_a_session_that_was_not_closed_is_held_against_the_next(
    client: MakeClient, how: LingerHow, answer: list[int]
) -> None:
    meter = client(linger=30.0, linger_how=how)
    meter.associate()
    meter.session.end(meter.clock.now)
    following = Client(HdlcSession(meter.session._device), meter.clock)
    assert [frame.control for frame in following.open()] == answer
    if how is LingerHow.DISC:
        following.say(0x53)
    else:
        meter.clock.now += 30.0
    assert [frame.control for frame in following.open()] == [UA]


def test_a_session_that_was_closed_is_not(client: MakeClient) -> None:
    meter = client(linger=30.0)
    meter.associate()
    meter.say(0x53)
    meter.session.end(meter.clock.now)
    assert [frame.control for frame in Client(HdlcSession(meter.session._device), meter.clock).open()] == [UA]
    assert meter.session._device.counters.unclean == 0


def test_silence_drops_the_link(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    assert meter.session.expire() == []
    assert [frame.control for frame in meter.voltage()] == [DM]
    counters = meter.session._device.counters
    assert (counters.expired, counters.associated, counters.associated_max) == (1, 0, 1)


def test_a_flood_of_requests_is_cut(client: MakeClient) -> None:
    meter = client()
    meter.raw(frames.encode(frames.Frame(b"\x03", b"\x03", 0x93)) * (MAX_BACKLOG + 5))
    assert meter.session._device.counters.flooded == 5


def test_answers_wait_for_the_delay(clock: StillClock) -> None:
    session = HdlcSession(Device(MeterSpec("sim-1", delay=(0.17, 0.45)), 0, clock))
    wait, send = session.receive(frames.encode(frames.Frame(b"\x03", b"\x03", 0x93)), 0.0)
    assert isinstance(wait, Wait)
    assert isinstance(send, Send)
    assert 0.17 <= wait.seconds <= 0.45


def test_some_meters_hang_up_after_a_refusal(client: MakeClient) -> None:
    meter = client(close_after_refusal=True)
    meter.open()
    meter.ask(bytes.fromhex(AARQ_LLS.replace("32" * 8, "33" * 8)))
    assert meter.steps[-1] == Finish()


def test_poison_reaches_every_checksum(client: MakeClient) -> None:
    meter = client(poison=True)
    meter.associate()
    flags = 0
    for _ in range(300):
        (part,) = meter.voltage()
        flags += 0x7E in frames.encode(part)[-3:-1]
        while part.segmented:
            (part,) = meter.poll()
    assert flags > 250


def wrapped(apdu: str, source: int = 1, destination: int = 1) -> bytes:
    return wrapping.wrap(source, destination, bytes.fromhex(apdu))


@pytest.fixture
def wrapper(clock: StillClock) -> WrapperSession:
    return WrapperSession(Device(MeterSpec("sim-1", "wrapper"), 0, clock))


def test_wrapper_answers_to_the_port_that_asked(wrapper: WrapperSession) -> None:
    octets = wrapped(AARQ_LLS)
    assert wrapper.receive(octets[:20], 0.0) == []
    steps = wrapper.receive(octets[20:] + wrapped("c001c100030100200700ff0300"), 0.0)
    sent = [step.octets for step in steps if isinstance(step, Send)]
    assert sent[0][:8].hex() == "000100010001002b"
    assert sent[1].hex() == "000100010001000ac401c10002020ffe1623"


def test_wrapper_ignores_other_ports_and_hangs_up_on_nonsense(wrapper: WrapperSession) -> None:
    assert wrapper.receive(wrapped(AARQ_LLS, destination=2), 0.0) == []
    assert wrapper.receive(b"\x7e\xa0\x07\x03\x03\x93\x8c\x11", 0.0) == [Reset()]


def test_wrapper_faults_bend_answers(wrapper: WrapperSession) -> None:
    wrapper._device.faults.arm(Fault(FaultKind.DROP), 0.0)
    assert [step for step in wrapper.receive(wrapped(AARQ_LLS), 0.0) if isinstance(step, Send)] == []
    assert wrapper._device.counters.associated == 1
    wrapper.end(0.0)
    assert (wrapper._device.counters.associated, wrapper._device.counters.unclean) == (0, 1)


def test_wrapper_hangs_up_while_a_session_is_held(wrapper: WrapperSession) -> None:
    wrapper._device.linger(5.0, LingerHow.DM, 0.0)
    assert wrapper.receive(wrapped(AARQ_LLS), 1.0) == [Finish()]
    assert wrapper.expire() == [Finish()]
