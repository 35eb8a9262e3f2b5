"""From the octets of a line to notifications: pushes of real meters, ciphered ones, blocks, and what cannot be used."""

import json
from pathlib import Path

import pytest

from common.errors import BridgeError
from poller.dlms.block_service import GeneralBlock, encode_general_block
from poller.dlms.ciphering import Cipher
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.listening import Heard, PushListener
from poller.dlms.notification import Notification
from poller.dlms.push_streams import Framing, Origin
from poller.dlms.security import Security, SecuritySettings
from tests.support.keyring import FixedSource

VECTORS = Path(__file__).parents[3] / "vectors" / "dlms_public.json"
BY_ID = {vector["id"]: vector for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]}
PUSH = bytes.fromhex("0f00000001001105")
AIDON = ["hdlc-push-ui-aidon"]
ISKRA = [f"hdlc-push-iskra-am550-segment-{part}" for part in (1, 2, 3)]
LANDIS = [f"hdlc-push-gbt-lg-e450-{part}" for part in (1, 2, 3)]


def octets(*names: str) -> bytes:
    return b"".join(bytes.fromhex(BY_ID[name]["hex"]) for name in names)


def wrapped(apdu: bytes, source: int = 1) -> bytes:
    return b"\0\1" + source.to_bytes(2, "big") + b"\0\x10" + len(apdu).to_bytes(2, "big") + apdu


def said(heard: list[Heard]) -> list[object]:
    """Return the values that were heard, and the kinds of errors in their places."""
    return [
        type(push.content).kind if isinstance(push.content, BridgeError) else push.content.data.value for push in heard
    ]


def block(number: int, data: bytes, *, last: bool = False) -> bytes:
    return encode_general_block(GeneralBlock(number, data, last, True, 0))


def cipher(level: Security) -> Cipher:
    key = bytes.fromhex(BY_ID["general-glo-push"]["keys"]["ek"])
    settings = SecuritySettings(level, client_title=b"LISTENER", encryption_key=key, authentication_key=key)
    return Cipher(settings, FixedSource(), Counters())


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_pushes_of_real_meters_however_they_are_cut(step: int) -> None:
    listener = PushListener(Framing.HDLC)
    stream = octets(*AIDON, *ISKRA, *LANDIS, *AIDON)
    heard = [push for at in range(0, len(stream), step) for push in listener.feed(stream[at : at + step])]
    contents = [push.content for push in heard]
    notifications = [content for content in contents if isinstance(content, Notification)]
    assert len(notifications) == len(contents) == 4
    assert notifications[0] == notifications[3]
    assert [push.invoke for push in notifications] == [0, 0x4022C, 0x7C83D3, 0]
    assert heard[0].origin == Origin(Address(4, 65, 2), Address(32))
    assert (listener.counters.notifications, listener.counters.octets_received) == (4, len(stream))
    assert not listener.refused


def test_damage_costs_one_push() -> None:
    listener = PushListener(Framing.HDLC)
    damaged = bytearray(octets(*ISKRA))
    damaged[60] ^= 1
    heard = listener.feed(bytes(damaged) + octets(*AIDON)) + listener.expire()
    assert [push.origin.source for push in heard if isinstance(push.content, Notification)] == [Address(4, 65, 2)]
    assert listener.counters.bad_frames


def test_a_ciphered_push_with_its_key() -> None:
    listener = PushListener(Framing.WRAPPER, cipher(Security.BOTH).unprotect)
    (push,) = listener.feed(octets("wrapper-push-general-glo"))
    assert isinstance(push.content, Notification)
    assert (push.content.invoke, push.ciphered) == (475, True)


def test_a_ciphered_push_without_key_and_a_plain_one_where_protection_is_demanded() -> None:
    ciphered = octets("wrapper-push-general-glo")
    listener = PushListener(Framing.WRAPPER)
    assert said(listener.feed(ciphered + wrapped(PUSH))) == ["deciphering_failed", 5]
    assert listener.refused == {"deciphering_failed": 1}
    listener = PushListener(Framing.WRAPPER, cipher(Security.BOTH).unprotect)
    assert said(listener.feed(wrapped(PUSH))) == ["deciphering_failed"]
    listener = PushListener(Framing.WRAPPER, cipher(Security.NONE).unprotect)
    assert said(listener.feed(wrapped(PUSH))) == [5]


def test_what_is_no_push_is_an_error_of_its_own() -> None:
    listener = PushListener(Framing.WRAPPER)
    stream = wrapped(b"") + wrapped(b"\xc4\x01\xc1\x00\x11\x05") + wrapped(PUSH[:-1]) + wrapped(PUSH)
    assert said(listener.feed(stream)) == ["unexpected_reply", "unexpected_reply", "bad_data", 5]
    assert listener.refused == {"unexpected_reply": 2, "bad_data": 1}


def test_a_stream_out_of_step_is_broken() -> None:
    listener = PushListener(Framing.WRAPPER)
    assert said(listener.feed(b"\x07" * 8)) == ["link_damaged"]
    assert listener.broken


def test_a_raw_push_that_was_cut_is_an_error_when_nothing_more_comes() -> None:
    listener = PushListener(Framing.RAW)
    assert listener.feed(PUSH[:-1]) == []
    assert said(listener.expire()) == ["bad_data"]


def test_blocks_of_two_meters_are_put_together_each_for_itself() -> None:
    listener = PushListener(Framing.WRAPPER)
    pieces = PUSH[:3], PUSH[3:5], PUSH[5:]
    stream = b"".join(
        wrapped(block(number, piece, last=number == 3), source)
        for number, piece in enumerate(pieces, 1)
        for source in (1, 2)
    )
    assert said(listener.feed(stream)) == [5, 5]


def test_a_repeated_block_is_dropped_and_a_missing_one_ends_the_push() -> None:
    listener = PushListener(Framing.RAW)
    first, second, third = block(1, PUSH[:3]), block(2, PUSH[3:5]), block(3, PUSH[5:], last=True)
    assert said(listener.feed(first + first + second + second + third)) == [5]
    assert said(listener.feed(first + third + second)) == ["unexpected_reply", "unexpected_reply"]
    assert said(listener.feed(first + second + first + second + third)) == [5]
    assert said(listener.feed(third)) == ["unexpected_reply"]


def test_a_push_of_one_block() -> None:
    listener = PushListener(Framing.RAW)
    assert said(listener.feed(block(1, PUSH, last=True) * 2)) == [5, 5]


def test_payloads_that_are_errors_stay_errors() -> None:
    listener = PushListener(Framing.RAW)
    assert said(listener.feed(b"\x18" * 0x40001)) == ["bad_frame"]
    assert listener.refused == {"bad_frame": 1}
