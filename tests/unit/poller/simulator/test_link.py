from itertools import product

import pytest

from poller.simulator import crc, frames
from poller.simulator.frames import Frame, Kind
from poller.simulator.link import STEPS, State, proposed
from poller.simulator.personality import EarlyRr, OnWrongNumber
from poller.simulator.steps import Send
from tests.support.simulated import Client, MakeClient

UA, DM, FRMR = frames.UA | 0x10, frames.DM | 0x10, frames.FRMR | 0x10
GET = b"\xe6\xe6\x00" + bytes.fromhex("c001c100030101200700ff0200")


def controls(answer: list[Frame]) -> list[int]:
    return [frame.control for frame in answer]


@pytest.mark.parametrize(("state", "kind"), list(product(State, Kind)))
def test_every_state_knows_every_frame(state: State, kind: Kind) -> None:
    assert (state, kind) in STEPS


def test_ua_grants_the_smaller_of_both_sides(client: MakeClient) -> None:
    meter = client()
    (ua,) = meter.say(0x83, bytes.fromhex("818012050140060140070400000007080400000007"))
    assert proposed(ua.info) == {5: 64, 6: 64, 7: 1, 8: 1}
    (ua,) = meter.say(0x83, bytes.fromhex("8180140502100006021000070400000001080400000001"))
    assert proposed(ua.info) == {5: 128, 6: 128, 7: 1, 8: 1}


def test_the_ua_of_the_guide_comes_to_the_snrm_of_the_guide(client: MakeClient) -> None:
    meter = client()
    meter.raw(bytes.fromhex("7ea00a00020023219318717e"))
    sent = [step.octets.hex() for step in meter.steps if isinstance(step, Send)]
    assert sent[-1] == "7ea023210002002373f6c58180140502008006020080070400000001080400000001ce6a7e"


def test_a_link_that_is_down_says_dm(client: MakeClient) -> None:
    meter = client()
    assert controls(meter.say(0x53)) == [DM]
    assert controls(meter.voltage()) == [DM]
    assert controls(meter.say(0x01)) == [DM]


def test_disc_takes_link_and_association_down(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    assert controls(meter.say(0x53)) == [UA]
    assert controls(meter.voltage()) == [DM]
    meter.open()
    assert meter.voltage()[0].info[3] == 0xD8


def test_some_meters_say_dm_to_disc(client: MakeClient) -> None:
    meter = client(dm_to_disc=True)
    meter.open()
    assert controls(meter.say(0x53)) == [DM]


def test_numbers_run_modulo_eight(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    for count in range(1, 40):
        (answer,) = meter.voltage()
        assert answer.control == ((count + 1) % 8) << 5 | 0x10 | (count % 8) << 1


def test_a_repeated_request_gets_the_same_answer_again(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    (first,) = meter.say(1 << 5 | 1 << 1, GET)
    assert meter.say(1 << 5 | 1 << 1, GET) == [first]
    assert meter.session._device.linking.repeated == 1
    assert meter.session._device.counters.gets == 1


def test_a_poll_that_acknowledges_nothing_gets_the_answer_again(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    (first,) = meter.say(1 << 5 | 1 << 1, GET)
    assert meter.say(1 << 5 | 0x01) == [first]
    assert controls(meter.say(2 << 5 | 0x01)) == [2 << 5 | 0x11]


@pytest.mark.parametrize(
    ("habit", "control"),
    [(OnWrongNumber.REPEAT, [1 << 5 | 0x19]), (OnWrongNumber.FRMR, [FRMR]), (OnWrongNumber.IGNORE, [])],
)
def test_a_wrong_send_number_is_rejected(client: MakeClient, habit: OnWrongNumber, control: list[int]) -> None:
    meter = client(on_wrong_number=habit)
    meter.associate()
    assert controls(meter.say(1 << 5 | 4 << 1, GET)) == control
    assert meter.session._device.linking.wrong_numbers == 1


@pytest.mark.parametrize("habit", list(OnWrongNumber))
def test_acknowledging_the_last_instead_of_the_next_is_not_accepted(client: MakeClient, habit: OnWrongNumber) -> None:
    """The number that predecessors sent: the last N(S) seen instead of the next."""
    meter = client(on_wrong_number=habit)
    meter.associate()
    answer = meter.say(0 << 5 | 1 << 1, GET)
    assert meter.session._device.counters.gets == 0
    expected = {OnWrongNumber.REPEAT: [1 << 5 | 0x10], OnWrongNumber.FRMR: [FRMR], OnWrongNumber.IGNORE: []}
    assert controls(answer) == expected[habit]


def test_after_frmr_only_a_new_link_helps(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    assert controls(meter.say(5 << 5 | 1 << 1, GET)) == [FRMR]
    assert controls(meter.say(1 << 5 | 1 << 1, GET)) == [FRMR]
    assert controls(meter.open()) == [UA]


def test_a_long_answer_is_cut_and_comes_by_polls(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    (part,) = meter.ask(bytes.fromhex("c001c1000f0000280000ff0200"))
    whole = part.info
    while part.segmented:
        assert len(part.info) == 128
        (part,) = meter.poll()
        whole += part.info
    assert whole[:8] == bytes.fromhex("e6e700c402c10000")
    assert len(whole) == 3 + 1200


def test_a_request_may_come_in_segments(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    assert controls(meter.say(1 << 5 | 1 << 1, GET[:7], segmented=True)) == [2 << 5 | 0x11]
    (answer,) = meter.say(1 << 5 | 2 << 1, GET[7:])
    assert answer.info[3:6] == b"\xc4\x01\xc1"


def test_an_information_field_beyond_the_negotiated_length_gets_frmr(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    assert controls(meter.say(1 << 5 | 1 << 1, bytes(129))) == [FRMR]


def test_rr_before_the_answer(client: MakeClient) -> None:
    meter = client(early_rr=EarlyRr.THEN_ANSWER)
    meter.open()
    assert controls(meter.ask(b"\x00")) == [1 << 5 | 0x01, 1 << 5 | 0x10]


def test_rr_and_the_answer_when_polled(client: MakeClient) -> None:
    meter = client(early_rr=EarlyRr.AWAIT_POLL)
    meter.open()
    assert controls(meter.ask(b"\x00")) == [1 << 5 | 0x11]
    assert controls(meter.poll()) == [1 << 5 | 0x10]


def test_another_client_on_the_same_link_gets_dm(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    other = Client(meter.session, meter.clock, source=b"\x21", sent=1, expected=1)
    assert controls(other.voltage()) == [DM]
    assert meter.voltage()[0].kind is Kind.INFORMATION


def test_frames_to_somebody_else_are_not_answered(client: MakeClient) -> None:
    meter = client()
    stranger = Client(meter.session, meter.clock, server=b"\x05")
    assert stranger.open() == []
    assert meter.session._device.counters.foreign == 1


def test_poison_puts_flags_into_header_checksums(client: MakeClient) -> None:
    meter = client(poison=True)
    meter.associate()
    cut = 0
    for _ in range(2000):
        (part,) = meter.voltage()
        while part.segmented:
            cut += 0x7E in crc.checksum(frames.header(part, len(part.info)))
            (part,) = meter.poll()
    assert cut > 20
