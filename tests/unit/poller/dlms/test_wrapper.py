"""The WRAPPER transport."""

import pytest

from poller.dlms.errors import BadParameter, LinkDamaged, ReplyTimeout
from poller.dlms.exchange import Counters
from poller.dlms.wrapper import MAX_FOREIGN, Wpdu, WrapperDecoder, WrapperLink
from tests.support.dlms_drive import run_against

ANSWER = Wpdu(1, 16, b"answer").to_bytes()


def test_messages_come_out_however_they_are_cut() -> None:
    stream = Wpdu(1, 16, b"a").to_bytes() + Wpdu(1, 16, b"").to_bytes() + Wpdu(2, 3, bytes(300)).to_bytes()
    for size in range(1, len(stream) + 1):
        decoder = WrapperDecoder()
        found = [m for i in range(0, len(stream), size) for m in decoder.feed(stream[i : i + size])]
        assert found == [Wpdu(1, 16, b"a"), Wpdu(1, 16, b""), Wpdu(2, 3, bytes(300))]
        assert not decoder.waiting


def test_another_version_is_a_damaged_link() -> None:
    with pytest.raises(LinkDamaged, match="version 2"):
        WrapperDecoder().feed(bytes.fromhex("0002000100100000"))


def test_an_apdu_that_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(BadParameter):
        Wpdu(1, 16, bytes(65536)).to_bytes()


def link() -> WrapperLink:
    made = WrapperLink(16, 1, Counters())
    run_against(made.connect(), lambda _: b"")
    return made


def test_a_request_carries_our_ports_and_brings_the_answer() -> None:
    sent: list[bytes] = []

    def peer(out: bytes) -> bytes:
        sent.append(out)
        return ANSWER

    assert run_against(link().request(b"question"), peer) == b"answer"
    assert sent == [Wpdu(16, 1, b"question").to_bytes()]


def test_messages_for_others_are_counted_and_dropped() -> None:
    made = link()
    stray = Wpdu(1, 17, b"x").to_bytes() + Wpdu(2, 16, b"y").to_bytes()
    assert run_against(made.request(b"?"), lambda _: stray + ANSWER) == b"answer"
    assert made._counters.foreign_frames == 2


def test_a_flood_for_others_is_a_damaged_link() -> None:
    with pytest.raises(LinkDamaged, match="other wPorts"):
        run_against(link().request(b"?"), lambda _: Wpdu(2, 16, b"").to_bytes() * (MAX_FOREIGN + 1))


def test_a_second_answer_waits_for_more() -> None:
    made = link()
    assert run_against(made.request(b"?"), lambda _: ANSWER + Wpdu(1, 16, b"second").to_bytes()) == b"answer"
    assert run_against(made.more(), lambda _: None) == b"second"


def test_silence_is_the_callers_timeout() -> None:
    with pytest.raises(ReplyTimeout):
        run_against(link().request(b"?"), lambda _: None)


def test_an_incomplete_message_shows() -> None:
    made = link()
    exchange = made.request(b"?")
    next(exchange)
    seen = [made.mid_frame]
    exchange.send(ANSWER[:9])
    seen.append(made.mid_frame)
    assert seen == [False, True]


def test_a_new_connection_forgets_the_old_stream() -> None:
    made = link()
    exchange = made.request(b"?")
    next(exchange)
    exchange.send(ANSWER[:9])
    exchange.close()
    run_against(made.connect(), lambda _: b"")
    assert run_against(made.request(b"?"), lambda _: ANSWER) == b"answer"
    run_against(made.disconnect(), lambda _: b"")


def test_what_waits_to_be_looked_at_is_no_rest() -> None:
    for behind, rests in ((b"", True), (ANSWER, False), (ANSWER[:3], False)):
        made = link()
        exchange = made.request(b"?")
        next(exchange)
        with pytest.raises(StopIteration):
            exchange.send(ANSWER + behind)
        assert made.at_rest is rests
    assert made.ports == (16, 1)
