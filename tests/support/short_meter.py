"""A meter with short names that answers APDUs from a function, and a channel to it with terms of one's choice."""

from collections.abc import Callable

from poller.dlms.association import Association
from poller.dlms.channel import Channel
from poller.dlms.conversation import Profile, Referencing, Transport
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.wrapper import Wpdu, WrapperDecoder
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import T, run_against

EVERYTHING = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.PARAMETERIZED_ACCESS
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
)
NOTHING = Conformance(0)
OBJECT_LIST = (
    "0c01000103"
    + "0204100100120003110009060100010800ff"
    + "020410020012004611000906000060030aff"
    + "0204108000120001110009060000600100ff"
)
"""Register 1-0:1.8.0 at 0100, disconnect control 0-0:96.3.10 at 0200, data 0-0:96.1.0 at 8000."""


class ShortMeter:
    """Gives its object list, and answers all else by a function; None is silence."""

    def __init__(self, answer: Callable[[str], str | None], object_list: str = OBJECT_LIST) -> None:
        self.asked: list[str] = []
        self.listed = 0
        self._answer, self._list = answer, object_list

    def __call__(self, octets: bytes) -> bytes | None:
        out = b""
        for message in WrapperDecoder().feed(octets):
            apdu = message.apdu.hex()
            answer = self._answered(apdu)
            if answer is not None:
                out += Wpdu(message.destination, message.source, bytes.fromhex(answer)).to_bytes()
        return out or None

    def run(self, exchange: Exchange[T]) -> T:
        """Drive an exchange against this meter."""
        return run_against(exchange, self)

    def _answered(self, apdu: str) -> str | None:
        if apdu == "050102fa08":
            self.listed += 1
            return self._list
        self.asked.append(apdu)
        return self._answer(apdu)


def channel(max_pdu: int = 1000, own_pdu: int = 1000, without: Conformance = NOTHING) -> Channel:
    """Return a channel whose association was granted everything but some bits."""
    profile = Profile(Transport.WRAPPER, 16, 1, referencing=Referencing.SN, max_pdu=own_pdu)
    counters = Counters()
    made = Channel(profile, profile.make_link(counters), counters)
    made.terms = Association(EVERYTHING & ~without, max_pdu, 0xFA00)
    return made


def script(*answers: str | None) -> Callable[[str], str | None]:
    """Return a function that gives each answer once; spaces are for the eye."""
    left = list(answers)

    def answer(_: str) -> str | None:
        given = left.pop(0)
        return given and given.replace(" ", "")

    return answer
