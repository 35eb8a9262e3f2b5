"""The objects that clients write and call, and who is let in, by their octets."""

import hashlib
from dataclasses import replace

import pytest

from poller.simulator.acse import Diagnostic
from poller.simulator.application import Application
from poller.simulator.device import Device, MeterSpec
from poller.simulator.faults import FaultKind
from poller.simulator.personality import Personality, personality
from tests.support.simulated import AARQ_LLS, StillClock

EVERYTHING = AARQ_LLS.replace("007e1f04b0", "603edd0400")
SHORT = AARQ_LLS.replace("60857405080101", "60857405080102").replace("007e1f04b0", "1822200400")
CLOCK = "0008" + "0000010000ff"
DEMAND, MAXIMUM = "0005" + "01000f0400ff", "0004" + "01000f0600ff"
ASSOCIATION, SETUP = "000f" + "0000280000ff", "0040" + "00002b0000ff"
RELAY, LIMITER = "0046" + "000060030aff", "0047" + "0000110000ff"
IMAGE, LOAD = "0012" + "00002c0000ff", "0007" + "0100630100ff"
MOMENT = "07e80101010c0000ff800000"
COLUMN = "0204" + "120008" + "09060000010000ff" + "0f02" + "120000"


def meter(kind: str | Personality = "secure-wrapper", aarq: str = EVERYTHING) -> Application:
    device = Device(MeterSpec("sim-1", kind), 0, StillClock())
    application = Application(device.kind, device.objects, device.ring, device.random)
    application.answer(1, bytes.fromhex(aarq))
    return application


def ask(application: Application, request: str, client: int = 1) -> str:
    answer = application.answer(client, bytes.fromhex(request))
    assert answer is not None
    return answer.hex()


def put(application: Application, key: str, attribute: int, value: str) -> int:
    return int(ask(application, f"c101c1{key}{attribute:02x}00{value}")[6:], 16)


def call(application: Application, key: str, method: int, value: str = "0f00") -> int:
    return int(ask(application, f"c301c1{key}{method:02x}01{value}")[6:8], 16)


def got(application: Application, key: str, attribute: int, selection: str = "00") -> str:
    return ask(application, f"c001c1{key}{attribute:02x}{selection}")[6:]


def test_a_clock_is_adjusted_in_every_way() -> None:
    application = meter()
    assert put(application, CLOCK, 2, f"090c{MOMENT}") == 0
    assert got(application, CLOCK, 2) == "00" + "090c07e80101010c000000000000"
    assert [put(application, CLOCK, 2, value) for value in ("0903010203", "090cffff0101010c0000ff800000")] == [12, 250]
    assert [put(application, CLOCK, 3, value) for value in ("10ffc4", "1101", "107fff")] == [0, 12, 250]
    assert got(application, CLOCK, 2)[-6:] == "ffc400"
    preset = f"0203090c{MOMENT}090c{MOMENT}090c{MOMENT}"
    assert [call(application, CLOCK, 4), call(application, CLOCK, 5, preset), call(application, CLOCK, 4)] == [
        250,
        0,
        0,
    ]
    assert [call(application, CLOCK, method) for method in (1, 2, 3)] == [0, 0, 0]
    assert [call(application, CLOCK, 5), call(application, CLOCK, 6, "10fda8"), call(application, CLOCK, 6)] == [
        12,
        0,
        12,
    ]


def test_demand_registers_begin_anew() -> None:
    application = meter()
    assert got(application, MAXIMUM, 2) == "000600000264"
    assert [call(application, MAXIMUM, 1), call(application, DEMAND, 2)] == [0, 0]
    assert (got(application, MAXIMUM, 2), got(application, DEMAND, 2), got(application, DEMAND, 3)) == (
        "000600000000",
        "000600000000",
        "0006000001c0",
    )
    assert call(application, DEMAND, 1) == 0
    assert got(application, DEMAND, 3) == "000600000000"
    assert got(application, DEMAND, 7).startswith("00090c") is got(application, MAXIMUM, 5).startswith("00090c") is True


def test_a_relay_obeys_its_mode() -> None:
    application = meter()
    assert [put(application, RELAY, 4, value) for value in ("1100", "1607", "1600")] == [12, 250, 0]
    assert [call(application, RELAY, 1), call(application, RELAY, 1, "0900")] == [250, 12]


def test_a_limiter_takes_thresholds_and_an_emergency() -> None:
    application = meter()
    emergency = f"0203120001090c{MOMENT}0600000e10"
    assert put(application, LIMITER, 8, emergency) == 0
    assert got(application, LIMITER, 8) == "00" + emergency
    assert put(application, LIMITER, 8, "0203120001110106000000ff") == 12
    assert put(application, LIMITER, 4, "0600000001") == 0


def test_an_image_that_is_wrong_is_refused() -> None:
    application = meter()
    begin = [call(application, IMAGE, 1, value) for value in ("0f00", "0202090131" + "0600000000")]
    assert begin == [12, 250]
    assert [call(application, IMAGE, 2, value) for value in ("0f00", "02020600000000090101", "0f00")] == [12, 250, 12]
    assert [call(application, IMAGE, 3), call(application, IMAGE, 4)] == [250, 250]
    assert call(application, IMAGE, 1, "0202090131" + "0600000002") == 0
    assert call(application, IMAGE, 2, "02020600000000090101") == 250
    assert [put(application, IMAGE, 5, value) for value in ("1100", "0300")] == [12, 0]
    assert call(application, IMAGE, 1, "0202090131" + "0600000002") == 250


def test_an_association_says_what_was_agreed() -> None:
    application = meter()
    assert got(application, ASSOCIATION, 3) == "00" + "02020f01120001"
    assert got(application, ASSOCIATION, 4) == "00" + "090760857405080101"
    assert (
        got(application, ASSOCIATION, 5)
        == "00" + "02060418" + "603edd" + "120400" + "120400" + "1106" + "0f00" + "0900"
    )
    assert got(application, ASSOCIATION, 6) == "00" + "090760857405080201"
    assert got(application, ASSOCIATION, 7) == "0103"
    assert [put(application, ASSOCIATION, 7, value) for value in ("090131", "1100")] == [0, 12]
    assert "0209" + "0906" + ASSOCIATION[4:] in got(application, ASSOCIATION, 0)


def test_a_policy_rises_and_never_falls() -> None:
    application = meter()
    assert [call(application, SETUP, 1, value) for value in ("1100", "1604", "1603", "1601")] == [12, 12, 0, 3]
    assert got(application, SETUP, 2) == "001603"
    assert got(application, SETUP, 4) == "000900"
    keys = personality("secure").keys
    assert keys is not None
    later = meter(replace(personality("secure-wrapper"), keys=replace(keys, suite=1)))
    assert call(later, SETUP, 1, "166c") == 0
    assert got(later, SETUP, 2) == "00166c"


@pytest.mark.parametrize(
    ("selection", "answer"),
    [
        ("0101" + f"0204{COLUMN}090c{MOMENT}090c{MOMENT}0100", "000100"),
        ("0101" + "0203000000", "01fa"),
        ("0101" + f"0204{COLUMN.replace('0f02', '0f03')}090c{MOMENT}090c{MOMENT}0100", "01fa"),
        ("0101" + f"02041101090c{MOMENT}090c{MOMENT}0100", "01fa"),
        ("0101" + f"0204{COLUMN}1101090c{MOMENT}0100", "01fa"),
        ("0101" + f"0204{COLUMN}090c{MOMENT}090c{MOMENT}01011101", "01fa"),
        ("0102" + "0203000000", "01fa"),
        ("0102" + "02040600000000060000000012000112 0000".replace(" ", ""), "01fa"),
        ("0102" + "020406000f424006000f4240120001120000", "000100"),
        ("0103" + "00", "010d"),
    ],
)
def test_selections_of_a_profile(selection: str, answer: str) -> None:
    assert got(meter(), LOAD, 2, selection) == answer


def hls(sap: int, mechanism: int, context: int = 1, title: str = "", short: bool = False) -> str:
    """Return an AARQ with a challenge of eight octets."""
    parts = f"a10906076085740508010{context}" + (f"a60a0408{title}" if title else "")
    parts += f"8a0207808b076085740508020{mechanism}ac0a80084b35366956616759"
    parts += "be10040e01000000065f1f0400" + ("1822200400" if short else "603edd0400")
    return f"60{len(parts) // 2:02x}{parts}"


@pytest.mark.parametrize(
    ("client", "aarq", "diagnostic"),
    [
        (33, hls(33, 3), Diagnostic.AUTHENTICATION_REQUIRED),
        (33, hls(33, 4), Diagnostic.MECHANISM_NOT_RECOGNISED),
        (35, hls(35, 5), Diagnostic.TITLE_NOT_RECOGNISED),
        (33, hls(33, 3, context=3), Diagnostic.CONTEXT_NOT_SUPPORTED),
        (33, hls(33, 3, context=2), Diagnostic.CONTEXT_NOT_SUPPORTED),
        (33, "6000", Diagnostic.NO_REASON),
    ],
)
def test_who_has_to_prove_what(client: int, aarq: str, diagnostic: Diagnostic) -> None:
    answer = bytes.fromhex(ask(meter(), aarq, client))
    assert answer[24] == diagnostic


def test_a_challenge_is_answered_by_md5() -> None:
    application = meter()
    aare = bytes.fromhex(ask(application, hls(33, 3), 33))
    challenge = aare[aare.index(b"\xaa\x12\x80\x10") + 4 :][:16]
    assert ask(application, "c001c1" + CLOCK + "0200", 33) == "d80101"
    assert ask(application, "c301c1" + CLOCK + "0100", 33) == "c701c10300"
    wrong = "0910" + bytes(16).hex()
    assert ask(application, f"c301c1{ASSOCIATION}0101{wrong}", 33) == "c701c10300"
    good = "0910" + hashlib.md5(challenge + b"SimulatorSecret1", usedforsecurity=False).hexdigest()
    theirs = hashlib.md5(b"K56iVagY" + b"SimulatorSecret1", usedforsecurity=False).hexdigest()
    assert ask(application, f"c301c1{ASSOCIATION}0101{good}", 33) == "c701c100" + "0100" + "0910" + theirs
    assert ask(application, "c001c1" + CLOCK + "0300", 33) == "c401c100100000"
    assert ask(application, f"c301c1{ASSOCIATION}0101{good}", 33) == "c701c10300"


def test_short_names_prove_by_read() -> None:
    kind = replace(personality("short-names"), sign_on=personality("secure").sign_on)
    application = meter(kind, SHORT)
    aare = bytes.fromhex(ask(application, hls(33, 3, context=2, short=True), 33))
    challenge = aare[aare.index(b"\xaa\x12\x80\x10") + 4 :][:16]
    assert ask(application, "050102fa08", 33) == "0c010103"
    assert ask(application, "0601020108011100", 33) == "0d010103"
    good = "0910" + hashlib.md5(challenge + b"SimulatorSecret1", usedforsecurity=False).hexdigest()
    assert ask(application, f"060102fa580109{'10' + '00' * 16}", 33) == "0d010103"
    assert ask(application, f"050104fa5801{good}", 33).startswith("0c01000910")


def test_gmac_needs_keys() -> None:
    kind = replace(personality("secure-wrapper"), keys=None)
    application = meter(kind)
    ask(application, hls(35, 5, title="4752583030303031"), 35)
    assert ask(application, f"c301c1{ASSOCIATION}01010911" + "10" + "00" * 16, 35) == "c701c10300"


def test_whatever_is_proven_may_be_refused() -> None:
    application = meter()
    answer = application.answer(33, bytes.fromhex(hls(33, 3)), frozenset({FaultKind.REFUSE_LLS}))
    assert answer is not None
    assert answer[24] == Diagnostic.AUTHENTICATION_FAILURE
