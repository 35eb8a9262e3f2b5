"""Reading at the speed of the usual case where APDUs are protected (IEC 62056-5-3, 5.3 and 9.3.6).

Goes in: attributes to read, received octets. Comes out: what ``getting`` would send and return. As in ``fast``,
whatever is not the usual answer goes to the plain core as it came: what is no single whole message, to the exchange of
the request that is out (a counter is never used twice); what deciphers to something else, to the judgement of the
channel. Only the common form has plans: authenticated and encrypted, in glo- or ded-ciphering. Lists are read by the
plain core.
"""

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar

from common.errors import BridgeError
from poller.dlms import getting
from poller.dlms.channel import INVOKE_MASK, Channel
from poller.dlms.ciphered import AUTHENTICATED, DEDICATED_TAGS, ENCRYPTED, GLOBAL_TAGS, HEADER_OCTETS
from poller.dlms.ciphering import Cipher
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef
from poller.dlms.exchange import Exchange
from poller.dlms.fast import FastReader, Value, abandon, beginning, resumed
from poller.dlms.gcm import TAG_OCTETS
from poller.dlms.get_service import GET_REQUEST, GET_RESPONSE, NORMAL, encode_get
from poller.dlms.plans import INVOKE_IDS
from poller.dlms.security import Security


@dataclass(frozen=True, slots=True)
class ProtectedValue(Value):
    """The plan for one attribute; ``plan`` is that of the protected APDUs."""

    requests: tuple[bytes, ...]
    """Plain, by invoke id."""
    beginnings: tuple[bytes, ...]
    """Of the plain answer, by invoke id."""
    octets: int
    """Of the plain answer."""


class ProtectedReader(FastReader):
    """The attributes of one protected conversation that were read before."""

    plans_lists: ClassVar[bool] = False

    def __init__(self, channel: Channel, habits: getting.ListHabits, cipher: Cipher) -> None:
        super().__init__(channel, habits)
        self._cipher = cipher

    def get(self, ref: AttributeRef) -> Exchange[Data]:
        """Return an attribute's value, as ``getting.get``."""
        channel, line, cipher = self._channel, self._line, self._cipher
        value = self._values.get(ref)
        if not isinstance(value, ProtectedValue) or not line.link.rested or channel.terms is not self._terms:
            return (yield from self._learnt(ref, getting.get(channel, ref)))
        plan = value.plan
        invoke = channel.invoke = channel.invoke % INVOKE_MASK + 1
        request = cipher.protect(value.requests[invoke])
        try:
            received = yield line.carry(plan, request)
        except GeneratorExit:
            abandon(self._plain(ref, request))
            raise
        except BridgeError as thrown:
            return (yield from self._learnt(ref, resumed(self._plain(ref, request), thrown)))
        if not line.is_usual(plan, 0, received):
            return (yield from self._learnt(ref, resumed(self._plain(ref, request), received)))
        line.pass_turn(plan)
        answer = cipher.unprotect_fresh(line.carried(plan, received))
        if answer is not None and len(answer) == value.octets and answer.startswith(value.beginnings[invoke]):
            return Data(value.type, value.layout.unpack_from(answer, len(value.beginnings[0]))[0])
        rest = getting.get_by(channel, ref, channel.answer_to(answer, GET_RESPONSE, invoke))
        return (yield from self._learnt(ref, rest))

    def _plain(self, ref: AttributeRef, request: bytes) -> Exchange[Data]:
        """Return the plain exchange of a protected request."""
        channel = self._channel
        return getting.get_by(channel, ref, channel.call_protected(request, GET_RESPONSE, channel.invoke))

    def _planned(self, ref: AttributeRef, data_type: DataType, layout: Struct) -> Value | None:
        security = self._channel.profile.security
        if security.level is not Security.BOTH or security.general:
            return None
        tags = DEDICATED_TAGS if self._cipher.dedicated_key else GLOBAL_TAGS
        requests = tuple(encode_get(invoke, ref) for invoke in range(INVOKE_IDS))
        beginnings = tuple(beginning(NORMAL, invoke) + bytes((0, data_type)) for invoke in range(INVOKE_IDS))
        octets = len(beginnings[0]) + layout.size
        around = HEADER_OCTETS + TAG_OCTETS
        asked = bytes((tags[GET_REQUEST], around + len(requests[0]))) + bytes(around + len(requests[0]))
        answered = bytes((tags[GET_RESPONSE], around + octets, AUTHENTICATED | ENCRYPTED | security.suite))
        plan = self._line.plan([asked], [answered], around - 1 + octets)
        return ProtectedValue(plan, data_type, layout, requests, beginnings, octets) if plan else None
