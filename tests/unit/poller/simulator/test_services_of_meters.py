"""SET, ACTION, ACCESS and short names by their octets; the faults of answers; windows."""

import pytest

from poller.simulator import block_transfer
from poller.simulator.application import Application
from poller.simulator.device import Device, MeterSpec
from poller.simulator.faults import Fault, FaultKind
from poller.simulator.frames import Kind
from poller.simulator.pushing import PushForm, addressed, ciphered, notification
from poller.simulator.session import WrapperSession
from poller.simulator.steps import Send
from poller.simulator.wrapping import Unwrapper, wrap
from tests.support.simulated import AARQ_LLS, Client, MakeClient, StillClock

EVERYTHING = AARQ_LLS.replace("007e1f04b0", "603edd0400")
SHORT = AARQ_LLS.replace("60857405080101", "60857405080102").replace("007e1f04b0", "1822200400")
LONG_DATA = "00010000608000ff02"
ECHO = "20000000608001ff01"
RELAY = "0046000060030aff"
VOLTAGE = "00030100200700ff02"


def meter(kind: str = "secure-wrapper", aarq: str = EVERYTHING) -> Application:
    device = Device(MeterSpec("sim-1", kind), 0, StillClock())
    application = Application(device.kind, device.objects, device.ring, device.random)
    assert application.answer(1, bytes.fromhex(aarq)) is not None
    assert application.granted is not None
    return application


def ask(application: Application, request: str, *faults: FaultKind) -> str:
    answer = application.answer(1, bytes.fromhex(request), frozenset(faults))
    assert answer is not None
    return answer.hex()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (f"c101c1{LONG_DATA}000903010203", "c501c100"),
        (f"c101c1{LONG_DATA}000a0161", "c501c10c"),
        (f"c101c1{LONG_DATA}01010009016100"[:-2], "c501c10d"),
        (f"c101c1{LONG_DATA}00090161ff", "d80203"),
        (f"c104c102{LONG_DATA}00{VOLTAGE}000209016106000000ff", "c505c1020003"),
        (f"c104c102{LONG_DATA}00{VOLTAGE}0001090161", "d80203"),
        ("c1", "d80203"),
        ("c109c10000", "d80203"),
        (f"c102c1{LONG_DATA}00000000000103090461", "c502c100000001"),
        (f"c102c1{LONG_DATA}0001000000010309016100"[:-2], "c503c10000000001"),
        (f"c102c1{LONG_DATA}00000000000203090461", "c503c11300000002"),
        ("c103c1010000000101ff", "c503c11200000001"),
        (f"c105c101{LONG_DATA}0001000000010401090161", "c504c1010000000001"),
        (f"c105c101{LONG_DATA}000100000001020000", "d80203"),
        (f"c301c1{ECHO}01110a", "c701c10001" + "00110a"),
        (f"c301c1{ECHO}0111", "d80203"),
        (f"c301c1{RELAY}01010f00", "c701c10000"),
        (f"c301c1{RELAY}0101090161", "c701c10c00"),
        (f"c303c102{RELAY}01{RELAY}09020f000f00", "c703c102" + "0000" + "0b00"),
        (f"c303c101{RELAY}01020f000f00", "d80203"),
        (f"c304c1{ECHO}0000000001020905", "c704c100000001"),
        (f"c304c1{ECHO}010000000102110a", "c701c10001" + "00110a"),
        (f"c304c1{ECHO}000000000202110a", "c701c10f00"),
        ("c306c101000000010111", "c701c11000"),
        (f"c305c101{ECHO}01000000010301110a", "c703c101" + "000100110a"),
        ("c302c100000001", "c701c10e00"),
        ("c307c10000", "d80203"),
        ("c3", "d80203"),
        ("d94000000100" + "0101" + "00030100630700ff02" + "0100", "da40000001" + "00" + "00" + "0100" + "010104"),
        ("d94000000100" + "0102" + LONG_DATA + "01090161", "da40000001" + "00" + "00" + "0100" + "010200"),
        ("d94000000100" + "0103" + ECHO + "01110a", "da40000001" + "00" + "00" + "01110a" + "010300"),
        ("d96000000100" + f"0203{RELAY}0903{ECHO}" + "0200110a", "da60000001" + "0000" + "020000" + "02030b03fa"),
        (
            "d95000000100" + "0102" + LONG_DATA + "01090161",
            "da50000001" + "00" + f"010102{LONG_DATA}" + "0100" + "010200",
        ),
        ("d94000000100" + "0107" + LONG_DATA + "0100", "d80203"),
        ("d940000001", "d80203"),
        ("d94000000100" + "0102" + LONG_DATA + "00", "d80203"),
    ],
)
def test_requests_and_their_answers(request_: str, answer: str) -> None:
    assert ask(meter(), request_) == answer


def test_a_long_value_is_written_with_its_last_block() -> None:
    application = meter()
    assert ask(application, f"c102c1{LONG_DATA}00000000000103090461") == "c502c100000001"
    under_way = [application.mid_block]
    assert ask(application, "c103c1010000000203626364") == "c503c10000000002"
    assert [*under_way, application.mid_block] == [True, False]
    assert ask(application, f"c001c1{LONG_DATA}00") == "c401c100" + "090461626364"


def test_wrong_invoke_and_busy_bend_writes_too() -> None:
    application = meter()
    assert ask(application, f"c101c1{LONG_DATA}00090161", FaultKind.WRONG_INVOKE) == "c501c600"
    assert ask(application, f"c101c1{LONG_DATA}00090161", FaultKind.BUSY) == "c501c102"
    assert ask(application, f"c301c1{ECHO}01110a", FaultKind.WRONG_INVOKE) == "c701c6000100110a"
    assert ask(application, f"c301c1{ECHO}01110a", FaultKind.BUSY) == "c701c10200"


def test_lists_may_be_short_or_wrapped() -> None:
    application, asked = meter(), "c003c102" + "00030100200700ff0300" * 2
    assert ask(application, asked, FaultKind.LIST_SHORT) == "c403c101" + "0002020ffe1623"
    assert ask(application, asked, FaultKind.LIST_WRAPPED) == "c403c102" + "00020102020ffe1623" * 2
    write = f"c104c102{LONG_DATA}00{VOLTAGE}000209016106000000ff"
    assert ask(application, write, FaultKind.LIST_SHORT) == "c505c10100"


def test_what_was_not_negotiated_is_not_served() -> None:
    application = meter(aarq=AARQ_LLS.replace("007e1f04b0", "0000100400"))
    for request in (f"c101c1{LONG_DATA}00090161", f"c301c1{ECHO}01110a", "d94000000100" + "0000", "e0810001000000"):
        assert application.say(1, bytes.fromhex(request)) == (b"\xd8\x01\x02",)


def test_a_request_longer_than_the_pdu_is_refused() -> None:
    assert meter().say(1, bytes(1025)) == (b"\xd8\x01\x04",)


def test_a_bad_block_is_refused() -> None:
    assert meter().say(1, bytes.fromhex("e0810001")) == (b"\xd8\x02\x03",)


def test_requests_in_general_blocks_are_answered_in_them() -> None:
    asked = block_transfer.Block(True, False, 1, 1, 0, bytes.fromhex("c001c100030100200700ff0300"))
    (answer,) = meter().say(1, block_transfer.encode(asked))
    assert block_transfer.parse(answer).data.hex() == "c401c10002020ffe1623"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("050102fa00", "0c0100" + "09060000280000ff"),
        ("050102ffff", "0c010104"),
        ("0502020100020108", "0c02" + "00" + "09060100200700ff" + "00" + "0600003321"),
        ("05010401000100", "0c01010d"),
        ("0501020101", "0c010104"),
        ("0501090100", "d80203"),
        ("05010501ff", "0c010110"),
        ("06010201080106000000ff", "0d010103"),
        ("060102ffff010600000000", "0d010104"),
        ("06010201080206000000ff00", "d80203"),
    ],
)
def test_short_names_by_their_octets(request_: str, answer: str) -> None:
    application = meter("short-names", SHORT)
    found = ask(application, request_)
    assert found == answer or (found[:-8] == answer[:-8] and "0600" in answer)


def test_short_names_know_methods() -> None:
    application = meter("short-names", SHORT)
    base = next(each.base for each in application.objects.listed() if each.class_id == 70)
    assert ask(application, f"060102{base + 0x20:04x}010f00") == "0d0100"
    assert ask(application, f"050104{base + 0x28:04x}010f00") == "0c010000"
    assert ask(application, f"050104{base + 0x20:04x}01090161") == "0c01010c"
    assert ask(application, f"060102{base + 0x20:04x}010f00", FaultKind.BUSY) == "0d010102"
    assert ask(application, f"050102{base:04x}", FaultKind.BUSY) == "0c010102"


def test_short_names_are_not_served_by_others() -> None:
    assert ask(meter(), "050102fa00") == "d80202"
    assert ask(meter("short-names", SHORT.replace("1822200400", "1022200400")), "060102fa000100") == "d80102"


def arm(client: Client, *faults: Fault) -> None:
    for fault in faults:
        client.session._device.faults.arm(fault, client.clock.now)


def test_another_master_is_heard_before_the_answer(client: MakeClient) -> None:
    meter = client()
    meter.associate()
    arm(meter, Fault(FaultKind.SECOND_MASTER))
    foreign = meter.voltage()
    assert [frame.kind for frame in foreign] == [Kind.SNRM, Kind.OTHER, Kind.INFORMATION, Kind.INFORMATION]
    assert [frame.destination for frame in foreign] == [b"\x03", b"\xc9", b"\xc9", b"\x03"]


def test_a_meter_may_reboot_between_blocks(client: MakeClient) -> None:
    meter = client("secure", preferred_size=1, sizes=(1,), window=1)
    meter.open()
    meter.ask(bytes.fromhex(EVERYTHING))
    arm(meter, Fault(FaultKind.REBOOT_MID_BLOCK, skip=1))
    meter.voltage()
    meter.ask(bytes.fromhex(f"c102c1{LONG_DATA}00000000000103090461"))
    assert meter.ask(bytes.fromhex("c103c1000000000203626364"))[0].info[3:].hex() == "c502c100000002"
    assert meter.ask(bytes.fromhex("c103c1000000000303626364")) == []
    assert meter.poll()[0].control == 0x1F


def test_a_wrapper_meter_may_reboot_between_blocks() -> None:
    device = Device(MeterSpec("sim-1", "secure-wrapper", faults=(Fault(FaultKind.REBOOT_MID_BLOCK),)), 0, StillClock())
    session = WrapperSession(device)

    def said(request: str) -> list[str]:
        steps = session.receive(wrap(1, 1, bytes.fromhex(request)), 0.0)
        octets = b"".join(step.octets for step in steps if isinstance(step, Send))
        return [wrapped.apdu.hex() for wrapped in Unwrapper().feed(octets)]

    said(EVERYTHING)
    assert said(f"c102c1{LONG_DATA}00000000000103090461") == ["c502c100000001"]
    assert said("c103c1010000000203626364") == []
    assert said(f"c001c1{LONG_DATA}00") == ["d80101"]


def test_notifications_go_before_the_answer(client: MakeClient) -> None:
    meter = client("secure", preferred_size=1, sizes=(1,), window=1)
    meter.open()
    meter.ask(bytes.fromhex(EVERYTHING))
    device = meter.session._device
    device.pushes.append(notification(device))
    (pushed,) = meter.voltage()
    assert pushed.info[3] == 0x0F
    (answer,) = meter.poll()
    assert answer.info[3] == 0xC4


@pytest.mark.parametrize("form", PushForm)
def test_notifications_for_listeners(form: PushForm) -> None:
    device = Device(MeterSpec("sim-1", "secure"), 0, StillClock())
    apdu = notification(device, dated=False)
    assert apdu[:6].hex() == "0f0000000100"
    assert apdu in addressed(device, form, 16, apdu)
    assert ciphered(device, apdu)[:10].hex() == "db0853494d0000000001"
    assert ciphered(Device(MeterSpec("sim-1"), 0, StillClock()), apdu) == apdu


def test_a_window_is_filled_and_repeated_from_where_it_broke(client: MakeClient) -> None:
    meter = client("secure", preferred_size=1, sizes=(1,))
    ua = meter.say(0x83, bytes.fromhex("818012050180060120070400000007080400000003"))
    assert ua[0].info.endswith(bytes.fromhex("070400000003" + "080400000007"))
    meter.ask(bytes.fromhex(EVERYTHING))
    meter.poll()
    meter.session._link._cut(b"\xe6\xe7\x00" + bytes(150))
    said = meter.session._link._burst()
    assert [(frame.control >> 4 & 1, frame.segmented) for frame in said] == [(0, True), (0, True), (1, True)]
    number = said[1].control >> 1 & 7
    again = meter.say(number << 5 | 0x09)
    assert [frame.info for frame in again] == [frame.info for frame in said[1:]]
    assert [frame.control >> 4 & 1 for frame in again] == [0, 1]
