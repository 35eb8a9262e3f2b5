"""A meter that answers APDUs from a function, over WRAPPER, and the conversation with it."""

from collections.abc import Callable, Sequence

from common.obis import Obis
from poller.dlms.conversation import Conversation, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.wrapper import Wpdu, WrapperDecoder
from poller.dlms.xdlms import FULL_CONFORMANCE
from tests.support.dlms_drive import run_against

VOLTAGE = AttributeRef(3, Obis(1, 1, 32, 7, 0), 2)
SCALER = AttributeRef(3, Obis(1, 1, 32, 7, 0), 3)
NOTHING = AttributeRef(3, Obis(1, 1, 99, 7, 0), 2)
RESET = MethodRef(3, Obis(1, 1, 32, 7, 0), 1)
FIVE, SIX = Data(DataType.UINT8, 5), Data(DataType.UINT8, 6)
ACCEPTED = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400{}0007"
WITH_LIST, WITHOUT_LIST = "00321d1900", "00301d1900"
"""Conformance and PDU size of the association that is granted."""
WRAPPER = Profile(Transport.WRAPPER, 16, 1)
HDLC = Profile(Transport.HDLC, 16, 1)
FULL = Profile(Transport.WRAPPER, 16, 1, conformance=FULL_CONFORMANCE)
Answer = str | bytes | None


class Meter:
    """Answers the AARQ with its terms, the RLRQ, and all else by a function."""

    def __init__(self, answer: Callable[[bytes], Answer | Sequence[Answer]], terms: str = WITHOUT_LIST) -> None:
        self._answer = answer
        self._terms = terms
        self.asked: list[bytes] = []

    def __call__(self, octets: bytes) -> bytes | None:
        out = b""
        for message in WrapperDecoder().feed(octets):
            self.asked.append(message.apdu)
            answers = self.apdu(message.apdu)
            for answer in answers if isinstance(answers, list | tuple) else [answers]:
                assert answer is None or isinstance(answer, str | bytes)
                apdu = bytes.fromhex(answer) if isinstance(answer, str) else answer
                out += b"" if apdu is None else Wpdu(message.destination, message.source, apdu).to_bytes()
        return out or None

    def apdu(self, apdu: bytes) -> Answer | Sequence[Answer]:
        if apdu[0] == 0x60:
            return ACCEPTED.format(self._terms)
        return "6303800100" if apdu[0] == 0x62 else self._answer(apdu)


def opened(meter: Callable[[bytes], bytes | None], profile: Profile = WRAPPER) -> Conversation:
    conversation = Conversation(profile)
    run_against(conversation.open(), meter)
    return conversation


def granting(max_pdu: int, without: int = 0) -> str:
    """Return terms that grant everything but some bits."""
    return f"{FULL_CONFORMANCE & ~without:06x}{max_pdu:04x}"


def normal(apdu: bytes, result: str = "001105") -> str:
    return f"c401{apdu[2]:02x}{result}"


def script(*answers: str) -> Callable[[bytes], str]:
    """Return a function that gives each answer once; spaces are for the eye, II is the request's invoke id."""
    left = [answer.replace(" ", "") for answer in answers]
    return lambda apdu: left.pop(0).replace("II", f"{apdu[2]:02x}")
