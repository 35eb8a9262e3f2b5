"""Octets as they come: what they are, noise, ends in the middle."""

import pytest

from poller.dlms.explain.stream import Explainer, Kind, kind_of
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame
from poller.dlms.wrapper import Wpdu
from tests.support.explaining import faults, lines, told

RR = Frame(Address(1), Address(16), 0x71).to_bytes()
MESSAGE = Wpdu(17, 1, bytes.fromhex("6203800100")).to_bytes()


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (RR, Kind.HDLC),
        (MESSAGE, Kind.WRAPPER),
        (MESSAGE + MESSAGE, Kind.WRAPPER),
        (MESSAGE + b"\0", Kind.DATA),
        (bytes.fromhex("e6e600c0"), Kind.APDU),
        (bytes.fromhex("02021101"), Kind.DATA),
        (bytes.fromhex("1105"), Kind.DATA),
        (bytes.fromhex("060000007b"), Kind.DATA),
        (bytes.fromhex("060102fa08011105"), Kind.APDU),
        (bytes.fromhex("c002c100000005"), Kind.APDU),
        (b"", Kind.APDU),
    ],
)
def test_octets_are_known_by_their_look(octets: bytes, kind: Kind) -> None:
    assert kind_of(octets) is kind


def test_nothing_is_nothing() -> None:
    assert lines(b"", Kind.AUTO) == []
    assert lines("c002c100000005", Kind.AUTO)[0] == "get-request: next"
    assert lines(b"", Kind.HDLC) == []


def test_noise_and_idle_flags_are_told_and_the_next_frame_is_found() -> None:
    assert [line for line in lines(b"\0\0" + RR + b"~~\0" + RR, Kind.HDLC) if line[:1] in "!H" or "idle" in line] == [
        "!unreadable: no frame begins here",
        "HDLC frame: RR, N(R) 3, P/F, 16 to 1",
        "flag: idle",
        "!unreadable: a flag, but no frame behind it",
        "HDLC frame: RR, N(R) 3, P/F, 16 to 1",
    ]


def test_noise_without_a_flag_is_told() -> None:
    assert faults(b"\0\0", Kind.HDLC) == ["no frame begins here"]
    assert faults(RR + b"~\0\0", Kind.HDLC) == ["a flag, but no frame behind it"]


def test_a_cut_frame_does_not_hide_the_one_behind_it() -> None:
    cut = Frame(Address(1), Address(16), 0x10, b"\xe6\xe6\x00" + bytes(100)).to_bytes()[:40]
    found = lines(cut + RR, Kind.HDLC)
    assert "!unreadable: a flag, but no frame behind it" in found
    assert "HDLC frame: RR, N(R) 3, P/F, 16 to 1" in found


def test_the_directions_of_a_line_do_not_mix() -> None:
    explainer = Explainer(Kind.WRAPPER)
    assert explainer.feed(MESSAGE[:5], "out") == []
    assert told(explainer.feed(MESSAGE, "in"))[0] == "WRAPPER message: 17 to 1"
    assert told(explainer.feed(MESSAGE[5:], "out"))[0] == "WRAPPER message: 17 to 1"
    assert explainer.finish() == []


def test_an_unfinished_message_is_told_at_the_end() -> None:
    explainer = Explainer(Kind.WRAPPER)
    explainer.feed(MESSAGE[:-1])
    assert told(explainer.finish()) == ["!unreadable: the octets end inside a frame or message"]


def test_a_stream_out_of_step_stays_so() -> None:
    explainer = Explainer(Kind.WRAPPER)
    assert told(explainer.feed(b"\0\2" + bytes(8))) == ["!unreadable: no WRAPPER header: version 1 expected"]
    assert told(explainer.feed(MESSAGE)) == ["!unreadable: no WRAPPER header: version 1 expected"]


def test_an_apdu_may_have_its_llc_header() -> None:
    assert lines("e6e600c002c100000005")[0] == "LLC header: LLC: command"


def test_a_spent_budget_ends_an_explanation_with_the_reason() -> None:
    for limit in (0, 5, 12):
        explainer = Explainer(Kind.HDLC, limit=limit)
        assert told(explainer.feed(RR + RR))[-1].startswith("!unreadable: more fields than are shown at once")


def test_every_piece_has_the_whole_budget() -> None:
    explainer = Explainer(Kind.HDLC, limit=20)
    for _ in range(3):
        assert told(explainer.feed(RR))[0] == "HDLC frame: RR, N(R) 3, P/F, 16 to 1"
