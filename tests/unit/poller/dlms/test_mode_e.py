"""The sign-on of protocol mode E."""

from collections.abc import Callable

import pytest

from poller.dlms.errors import BadParameter, ReplyTimeout, SignOnFailed
from poller.dlms.mode_e import (
    MAX_NOISE,
    WAKE_PAUSE_S,
    WAKE_UP,
    Identification,
    Pause,
    SignOn,
    Speed,
    identification_from,
    sign_on,
)

ASK = b"/?!\r\n"
ELSTER = b"/ELS5\\2A1440\r\n"
CHOICE = b"\x06252\r\n"
Peer = Callable[[bytes], list[bytes | None]]


def driven(exchange: SignOn, *answers: bytes | None) -> tuple[Identification, list[bytes | Speed | Pause]]:
    """Drive a sign-on with one answer per wait, None for silence; return its end and everything it asked for."""
    steps: list[bytes | Speed | Pause] = []
    waiting = iter(answers)
    try:
        step = next(exchange)
        while True:
            steps.append(step)
            if isinstance(step, Speed | Pause):
                step = exchange.send(b"")
                continue
            answer = next(waiting)
            step = exchange.throw(ReplyTimeout("silence")) if answer is None else exchange.send(answer)
    except StopIteration as end:
        assert next(waiting, "none") == "none"
        found: Identification = end.value
        return found, steps


def test_a_meter_is_brought_to_hdlc_at_its_own_speed() -> None:
    found, steps = driven(sign_on(), ELSTER, CHOICE)
    assert found == Identification("ELS", "5", True, "A1440")
    assert steps == [
        Speed(300, seven_bits=True),
        ASK,
        Pause(CHOICE, 0.0),
        Speed(9600, seven_bits=True),
        b"",
        Speed(9600, seven_bits=False),
    ]


@pytest.mark.parametrize(
    ("mark", "baud"), [("0", 300), ("1", 600), ("2", 1200), ("3", 2400), ("4", 4800), ("6", 19200)]
)
def test_every_speed_has_its_mark(mark: str, baud: int) -> None:
    found, steps = driven(sign_on(), f"/ELS{mark}\\2x\r\n".encode(), None)
    assert (found.baud, steps[-1]) == (baud, Speed(baud, seven_bits=False))
    assert Pause(f"\x062{mark}2\r\n".encode(), 0.0) in steps


def test_a_faster_meter_stays_at_the_initial_speed() -> None:
    for fastest, mark in ((4800, "5"), (19200, "A"), (19200, "?")):
        _, steps = driven(sign_on(fastest=fastest, initial=2400), f"/ELS{mark}\\2x\r\n".encode(), b"\x06202\r\n")
        assert Pause(b"\x06202\r\n", 0.0) in steps
        assert (steps[0], steps[-1]) == (Speed(2400, seven_bits=True), Speed(2400, seven_bits=False))


def test_an_address_goes_into_the_request() -> None:
    assert driven(sign_on("0012 AB"), ELSTER, None)[1][1] == b"/?0012 AB!\r\n"
    for wrong in ("a!", "a\r\n", "é", "1" * 33, "/"):
        with pytest.raises(BadParameter, match="device address"):
            next(sign_on(wrong))


def test_lines_come_in_pieces_and_behind_noise() -> None:
    pieces = [b"\xff\x00/x", b"\r\nnoise\n/EL", b"S5\\2A1", b"440\r", b"\n"]
    found, steps = driven(sign_on(), b"\xff\x00", *pieces[1:], b"\x06", b"252", b"\r\n")
    assert (found.text, steps.count(ASK)) == ("A1440", 1)


def test_our_own_octets_read_back_are_no_answer() -> None:
    found, steps = driven(sign_on(), ASK[:3], ASK[3:], ELSTER, CHOICE, CHOICE)
    assert (found.maker, steps.count(ASK)) == ("ELS", 1)
    found, _ = driven(sign_on(), ASK + ELSTER, CHOICE + CHOICE)
    assert found.maker == "ELS"
    found, _ = driven(sign_on(), ASK + ELSTER, CHOICE, None)
    assert found.maker == "ELS"


def test_parity_is_made_in_the_eighth_bit_and_never_read() -> None:
    even = b"\xaf\x3f\x21\x8d\x0a"
    _, steps = driven(sign_on(parity=True), bytes(octet | 0x80 for octet in ELSTER), CHOICE)
    assert (steps[1], steps[2]) == (even, Pause(b"\x06\xb2\x35\xb2\x8d\x0a", 0.0))


def test_battery_meters_are_woken_before_every_request() -> None:
    _, steps = driven(sign_on(wake=True), None, ELSTER, CHOICE)
    assert steps[:5] == [Speed(300, seven_bits=True), *[Pause(WAKE_UP, WAKE_PAUSE_S), ASK] * 2]


def test_silence_and_damage_are_asked_again_thrice_in_all() -> None:
    _, steps = driven(sign_on(), None, b"/E5\r\n", ELSTER, CHOICE)
    assert steps.count(ASK) == 3
    with pytest.raises(SignOnFailed, match=r"no answer to the sign-on '/\?!'"):
        driven(sign_on(), None, None, None)
    with pytest.raises(SignOnFailed, match="no identification"):
        driven(sign_on(), None, None, b"/E5\r\n")


def test_a_meter_without_hdlc_is_refused() -> None:
    for line in (b"/ELS5A1440\r\n", b"/ELS5\\3A1440\r\n", b"/ELS5\r\n", b"/ELS5\\\r\n"):
        with pytest.raises(SignOnFailed, match="no HDLC"):
            driven(sign_on(), line)


@pytest.mark.parametrize("answer", [b"\x020-0:C.1.0(1)\r\n", b"/ELS5\r\n"])
def test_a_meter_that_does_not_change_is_refused(answer: bytes) -> None:
    with pytest.raises(SignOnFailed, match=r"readout|does not change"):
        driven(sign_on(), ELSTER, answer)


def test_noise_has_a_limit() -> None:
    noise = bytes(MAX_NOISE // 2)
    with pytest.raises(SignOnFailed, match="octets came"):
        driven(sign_on(), *[noise, noise, b"x"] * 3)
    with pytest.raises(SignOnFailed, match="octets came"):
        driven(sign_on(), ELSTER, noise, noise, b"x")


def test_several_enhanced_characters_may_follow() -> None:
    assert identification_from(b"/LGZ4\\7\\2E650") == Identification("LGZ", "4", True, "E650")
    assert identification_from(b"/lgZ4") == Identification("lgZ", "4", False, "")
    for wrong in (b"", b"/LGZ", b"LGZ4\\2", b"/L3Z4\\2", b"/LGZ4\\2" + bytes(60)):
        with pytest.raises(SignOnFailed):
            identification_from(wrong)
