"""One attempt at what listens: simulated meters without sockets, and peers that are worse. What is sent is bounded."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from common.catalogue import MODELS as CATALOGUE
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.dlms.profile import Transport
from poller.scanner.handshake import SERVERS, Answers, Finding, handshake
from poller.scanner.makers import MODELS, manufacturer, model_guess
from poller.simulator import MeterSpec, Personality, personality
from tests.support.hdlc_secondary import encoded
from tests.support.simulated import StillClock
from tests.support.wires import SimulatedWire

MAX_STEPS = 200  # of a handshake, whatever comes
PLAIN = personality("microstar")
FLAG = b"\x7e"
Peer = Callable[[bytes], bytes | BaseException]
"""What is answered to what was sent, or awaited with nothing sent: octets, or what is thrown instead."""


def asked(peer: Peer) -> tuple[Finding, list[bytes]]:
    """Return what a handshake finds, and what it sent."""
    exchange, sent = handshake(), list[bytes]()
    answer: bytes | BaseException = b""
    try:
        out = next(exchange)
        for _ in range(MAX_STEPS):
            sent += [out] if out else []
            answer = peer(out)
            out = exchange.throw(answer) if isinstance(answer, BaseException) else exchange.send(answer)
    except StopIteration as end:
        return cast("Finding", end.value), sent
    raise AssertionError(f"not done after {MAX_STEPS} steps")


def meter(kind: Personality) -> Peer:
    """Return a simulated meter."""
    wire = SimulatedWire(StillClock(), MeterSpec("sim-1", kind))
    wire.connect("", 0, 0.0)

    def answer(sent: bytes) -> bytes | BaseException:
        try:
            if sent:
                wire.send(sent, 0.0)
            return wire.receive(wire.device.clock.monotonic() + 1.0)
        except (PeerClosed, ReplyTimeout) as error:
            return error

    return answer


def silent(_sent: bytes) -> BaseException:
    return ReplyTimeout("silence")


@pytest.mark.parametrize(
    ("kind", "transport", "server"),
    [
        (PLAIN, Transport.HDLC, (1, None, 1)),
        (replace(PLAIN, sizes=(2,), preferred_size=2), Transport.HDLC, (1, 17, 2)),
        (replace(PLAIN, sizes=(4,), preferred_size=4), Transport.HDLC, (1, 17, 4)),
        (replace(PLAIN, sizes=(2,), preferred_size=2, physical=16), Transport.HDLC, (1, 16, 2)),
        (personality("wrapper"), Transport.WRAPPER, (1, None, None)),
    ],
)
def test_a_meter_is_found_at_the_addresses_that_are_tried(
    kind: Personality, transport: Transport, server: tuple[int, int | None, int | None]
) -> None:
    found, _ = asked(meter(kind))
    assert (found.answers, found.transport) == (Answers.AARE, transport)
    assert (found.server_logical, found.server_physical, found.address_size) == server
    assert (found.logical_device_name, found.serial_number) == ("SIM0000000000001", "SIM00000001")


def test_what_wants_a_password_is_a_meter_that_refuses_and_is_left_in_order() -> None:
    found, sent = asked(meter(replace(PLAIN, saps={1: b"22222222"})))
    assert (found.answers, found.transport) == (Answers.AARE_REFUSED, Transport.HDLC)
    assert sent[-1][5] == 0x53, "DISC"
    assert not any(b"22222222" in octets for octets in sent)


def test_a_station_that_says_dm_is_left_alone() -> None:
    dm = encoded(0x1F, addresses=b"\x21\x03")
    found, sent = asked(lambda out: dm if out[:1] == FLAG else ReplyTimeout("silence"))
    assert found.answers is Answers.DM
    assert [out[5] for out in sent if out[:1] == FLAG] == [0x93], "one SNRM, no DISC"


def test_a_link_without_an_association_is_told_as_such() -> None:
    ua = encoded(0x73, addresses=b"\x21\x03")
    found, sent = asked(lambda out: ua if out[:1] == FLAG and out[5] == 0x93 else ReplyTimeout("silence"))
    assert found.answers is Answers.UA
    assert sent[-1][5] == 0x53, "DISC"


def test_silence_costs_one_message_of_each_kind() -> None:
    found, sent = asked(silent)
    assert found == Finding()
    assert len(sent) == 1 + 3 + len(SERVERS) - 1
    assert sent[0][:2] == b"\x00\x01"
    assert FLAG not in sent[0], "an HDLC meter passes over what comes before a flag"


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(256), b"\x7e" * 64, bytes(range(256))])
def test_garbage_is_no_meter_and_does_not_go_on_for_ever(octets: bytes) -> None:
    turns = iter(range(MAX_STEPS))
    found, sent = asked(lambda _: octets if next(turns) % 4 else ReplyTimeout("silence"))
    assert found.answers is Answers.OPEN_NO_DLMS
    assert len(sent) < 40


def test_the_end_of_the_connection_ends_it() -> None:
    found, sent = asked(lambda _: PeerClosed("closed"))
    assert (found, len(sent)) == (Finding(), 1)


def test_what_was_learnt_before_the_end_stays_learnt() -> None:
    peer, gets = meter(PLAIN), [0]

    def ends_at_the_second_get(sent: bytes) -> bytes | BaseException:
        gets[0] += b"\xc0\x01" in sent
        return PeerClosed("closed") if gets[0] > 1 else peer(sent)

    found, _ = asked(ends_at_the_second_get)
    assert (found.answers, found.logical_device_name, found.serial_number) == (Answers.AARE, "SIM0000000000001", "")


def test_a_finding_names_maker_and_model() -> None:
    found = Finding(Answers.AARE, Transport.HDLC, 1, 17, 4, logical_device_name="LGZ1030655933512")
    assert found.to_plain() == {
        "answers": "aare",
        "transport": "hdlc",
        "server_logical": 1,
        "server_physical": 17,
        "address_size": 4,
        "manufacturer": "LGZ",
        "model": "landis-gyr",
        "logical_device_name": "LGZ1030655933512",
    }
    assert Finding().to_plain() == {"answers": "open_no_dlms"}


def test_makers_are_known_by_three_letters() -> None:
    assert set(MODELS.values()) <= set(CATALOGUE)
    assert [manufacturer(name) for name in ("kam1", "K1M", "", "ab")] == ["KAM", "", "", ""]
    assert model_guess("", Transport.WRAPPER) == "generic-wrapper"
    assert model_guess("XYZ", Transport.HDLC) == "generic"
