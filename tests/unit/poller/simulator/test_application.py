import pytest

from poller.simulator.acse import Diagnostic
from poller.simulator.application import Application
from poller.simulator.device import Device, MeterSpec
from poller.simulator.faults import FaultKind
from poller.simulator.objects import PROTECTED
from poller.simulator.personality import Personality
from tests.support.simulated import AARQ_LLS, StillClock

NONE = "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0"
VOLTAGE = "000301{b}200700ff"
BLOCKS = Personality("blocks", conformance=0x00321D, channel=0, block_octets=100)


def application(kind: str | Personality = "microstar", *, poison: bool = False) -> Application:
    device = Device(MeterSpec("sim-1", kind, poison=poison), 0, StillClock())
    return Application(device.kind, device.objects)


def associated(kind: str | Personality = "microstar", client: int = 1) -> Application:
    meter = application(kind)
    answer = meter.answer(client, bytes.fromhex(AARQ_LLS if client == 1 else NONE))
    assert answer is not None
    assert answer[15:18] == bytes.fromhex("020100")[:3] or answer[13:17] == bytes.fromhex("a2030201")
    return meter


def ask(meter: Application, request: str, client: int = 1) -> str:
    answer = meter.answer(client, bytes.fromhex(request))
    assert answer is not None
    return answer.hex()


@pytest.mark.parametrize(
    ("client", "request_", "diagnostic"),
    [
        (1, AARQ_LLS, Diagnostic.NONE),
        (17, AARQ_LLS, Diagnostic.AUTHENTICATION_FAILURE),
        (17, AARQ_LLS.replace("32" * 8, "30" * 8), Diagnostic.NONE),
        (32, AARQ_LLS.replace("32" * 8, "31" * 8), Diagnostic.NONE),
        (1, NONE, Diagnostic.AUTHENTICATION_REQUIRED),
        (16, NONE, Diagnostic.NONE),
        (16, AARQ_LLS, Diagnostic.MECHANISM_NOT_RECOGNISED),
        (1, AARQ_LLS.replace("0760857405080201", "0760857405080205"), Diagnostic.MECHANISM_NOT_RECOGNISED),
        (1, AARQ_LLS.replace("60857405080101", "60857405080103"), Diagnostic.CONTEXT_NOT_SUPPORTED),
        (99, NONE, Diagnostic.NO_REASON),
        (1, "6002ffff", Diagnostic.NO_REASON),
    ],
)
def test_who_is_let_in(client: int, request_: str, diagnostic: Diagnostic) -> None:
    meter = application()
    answer = bytes.fromhex(ask(meter, request_, client))
    assert (answer[17], answer[24]) == (diagnostic is not Diagnostic.NONE, diagnostic)
    assert (meter.granted is not None) is (diagnostic is Diagnostic.NONE)


def test_a_refused_password_is_refused_whatever_is_given() -> None:
    meter = application()
    answer = meter.answer(1, bytes.fromhex(AARQ_LLS), frozenset({FaultKind.REFUSE_LLS}))
    assert answer is not None
    assert answer[24] == Diagnostic.AUTHENTICATION_FAILURE


def test_conformance_is_what_both_sides_can() -> None:
    meter = associated()
    assert meter.granted is not None
    assert meter.granted.conformance == 0x00301D
    assert meter.granted.max_pdu == 1200


def test_without_association_nothing_is_read() -> None:
    assert ask(application(), "c001c100030101200700ff0200") == "d80101"


def test_another_client_has_no_part_in_an_association() -> None:
    assert ask(associated(), "c001c100030101200700ff0200", client=17) == "d80101"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("c001c100030101200700ff0300", "c401c10002020ffe1623"),
        ("c0014200030101200700ff0300", "c4014200" + "02020ffe1623"),
        ("c001c100030101200700ff0100", "c401c100" + "09060101200700ff"),
        ("c001c100030101630700fe0200", "c401c10104"),
        ("c001c100010101200700ff0200", "c401c10109"),
        ("c001c100030101200700ff0900", "c401c1010b"),
        ("c001c100010000600100ff0200", "c401c100" + "090b" + b"SIM00000001".hex()),
        ("c001c100030101200700ff02010200", "c401c1010d"),
        ("c001c100030101200700ff0201", "d80203"),
        ("c101c100080000010000ff0200090c07e50118ff0e303950ffc400", "c501c100"),
        ("c101c100030101200700ff020006000000ff", "c501c103"),
        ("c101c100030101630700ff020006000000ff", "c501c104"),
        ("c101c100010101200700ff020006000000ff", "c501c109"),
        ("c101c100030101200700ff090006000000ff", "c501c10b"),
        ("c301c000080000010000ff0100", "c701c00000"),
        ("c301c000080000010000ff0900", "c701c00b00"),
        ("c301c000030101200700ff0100", "c701c00b00"),
        ("c002c100000001", "c402c101000000010110"),
        ("c003c10100030101200700ff0300", "d80102"),
        ("c009c10100", "d80203"),
        ("c001", "d80203"),
        ("0f00", "d80202"),
    ],
)
def test_requests_and_their_answers(request_: str, answer: str) -> None:
    assert ask(associated(), request_) == answer


def test_lists_answer_item_by_item() -> None:
    meter = associated("generic-list")
    asked = "c003c103" + "00030100200700ff0300" + "00030100630700ff0200" + "00080000010000ff0300"
    assert ask(meter, asked) == "c403c103" + "0002020ffe1623" + "0104" + "00100000"
    assert [note.event for note in meter.notes[-3:]] == ["list", "denied", "list"]


def test_blocks_carry_the_whole_and_are_asked_by_number() -> None:
    meter = associated(BLOCKS)
    answer = bytes.fromhex(ask(meter, "c001c1000f0000280000ff0200"))
    raw, number = b"", 1
    while True:
        assert answer[:3] == bytes.fromhex("c402c1")
        assert int.from_bytes(answer[4:8], "big") == number
        raw += answer[10:] if len(answer) < 138 else answer[11:]
        if answer[3]:
            break
        answer = bytes.fromhex(ask(meter, f"c002c1{number:08x}"))
        number += 1
    assert meter.granted is not None
    whole = meter.objects.read(bytes.fromhex("000f0000280000ff02"), meter.granted)
    assert not isinstance(whole, int)
    assert raw == whole.data


def test_a_wrong_block_number_ends_the_transfer() -> None:
    meter = associated(BLOCKS)
    ask(meter, "c001c1000f0000280000ff0200")
    assert ask(meter, "c002c100000007") == "c402c101000000070113"
    assert ask(meter, "c002c100000001") == "c402c101000000010110"


def test_without_block_transfer_long_data_cannot_be_had() -> None:
    meter = application(BLOCKS)
    meter.answer(1, bytes.fromhex(AARQ_LLS.replace("007e1f", "00001d")))
    assert ask(meter, "c001c1000f0000280000ff0200") == "c401c1010b"


def test_the_public_client_is_not_shown_everything() -> None:
    name = next(iter(PROTECTED)).hex()
    assert ask(associated(client=16), f"c001c10001{name}0200", client=16) == "c401c10103"
    assert ask(associated(), f"c001c10001{name}0200").startswith("c401c100")


def test_busy_is_a_temporary_failure() -> None:
    meter = associated()
    answer = meter.answer(1, bytes.fromhex("c001c100030101200700ff0200"), frozenset({FaultKind.BUSY}))
    assert answer == bytes.fromhex("c401c10102")


def test_exception_and_wrong_invoke_on_demand() -> None:
    meter = associated()
    asked = bytes.fromhex("c001c100030101200700ff0300")
    assert meter.answer(1, asked, frozenset({FaultKind.EXCEPTION})) == bytes.fromhex("d80103")
    assert meter.answer(1, asked, frozenset({FaultKind.WRONG_INVOKE})) == bytes.fromhex("c401c60002020ffe1623")


def test_release_ends_the_association() -> None:
    meter = associated()
    assert ask(meter, "6203800100") == "6303800100"
    assert meter.granted is None


def test_energy_rises_by_one_and_is_noted() -> None:
    meter = associated()
    for _ in range(3):
        ask(meter, "c001c100030101010800ff0200")
    notes = [note for note in meter.notes if note.event == "get"]
    assert [note.raw for note in notes] == [56_281_000, 56_281_001, 56_281_002]
    assert notes[0][1:3] + notes[0][4:] == ("1-1:1.8.0", 2, 0xC1)


def test_attribute_0_is_all_attributes() -> None:
    assert ask(associated(), "c001c100080000010000ff0000").startswith("c401c1000209" + "09060000010000ff" + "090c")


def test_a_hidden_object_is_undefined_and_comes_back() -> None:
    meter = associated()
    meter.objects.hidden.add(bytes.fromhex("0101200700ff"))
    assert ask(meter, "c001c100030101200700ff0200") == "c401c10104"
    meter.objects.hidden.clear()
    assert ask(meter, "c001c100030101200700ff0200").startswith("c401c10006")


def test_poisoned_values_without_a_link_hold_the_flag() -> None:
    meter = application(poison=True)
    meter.answer(1, bytes.fromhex(AARQ_LLS))
    for _ in range(100):
        assert "7e" in ask(meter, "c001c100030101200700ff0200")[8:]
