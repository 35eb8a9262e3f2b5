"""A conversation with one meter: open, get, get many, close, as generators that a driver feeds.

Goes in: a Profile, attributes to read, received octets, ReplyTimeout. Comes out: octets to send, values, typed errors.

Drive an exchange so: ``out = next(exchange)``, then for ever: send ``out`` if there is any, wait for octets,
``out = exchange.send(received)``; when the reply's deadline passes, ``out = exchange.throw(ReplyTimeout(...))``.
StopIteration carries the result. Chunks may be split and joined anyhow.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from common.errors import Again, BridgeError, Relink, Skip
from poller.dlms.acse import encode_rlrq
from poller.dlms.apdu import Apdu, decode_apdu
from poller.dlms.association import MIN_PDU, Association, Mechanism, Proposal, association_request, judge
from poller.dlms.axdr import decode_whole
from poller.dlms.cosem import AttributeRef
from poller.dlms.data import Data
from poller.dlms.errors import (
    AssociationLost,
    BadAddress,
    BadData,
    BadParameter,
    ExceptionResponse,
    MeterBusy,
    TemporaryFailure,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.get_service import (
    DESCRIPTOR_OCTETS,
    GET_RESPONSE,
    INVOKE_MASK,
    GetBlock,
    GetList,
    GetNormal,
    decode_results,
    encode_get,
    encode_get_list,
    encode_get_next,
)
from poller.dlms.hdlc_address import Address, server_address
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import DEFAULT_INFO, DEFAULT_WINDOW, proposal
from poller.dlms.wrapper import MAX_PORT, WrapperLink
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, ExceptionApdu, ServiceError

__all__ = [
    "Association",
    "AttributeRef",
    "Conversation",
    "Counters",
    "Exchange",
    "Mechanism",
    "Profile",
    "Transport",
]

MAX_LATE: Final = 8
"""Answers to something older that one request may bring before the meter counts as confused."""
MAX_VALUE: Final = 4 * 1024 * 1024
"""Octets of one value in blocks; a year of quarter hours with ten columns is about 2 MiB."""
MAX_LIST: Final = 64
"""Items of one list: more than a cycle has, and far from what a meter's buffers bear."""
MAX_SECRET: Final = 255
_MAX_CLIENT: Final = 127
_LIST_HEAD: Final = 5
"""Octets of a get-request-with-list before its items."""
_UNSOLICITED: Final = {0x0F, 0xC2}
"""data-notification and event-notification: not asked for, not for us."""


class Transport(StrEnum):
    """What carries the APDUs."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a conversation needs to know of a meter; raises BadParameter or BadAddress when it cannot be.

    With HDLC, ``server_logical`` 0 and ``server_physical`` 1 in one octet are an alias of logical 1.
    """

    transport: Transport
    client_id: int
    """Client SAP, 1 to 127, or wPort."""
    server_logical: int
    """Upper HDLC address, or wPort."""
    server_physical: int | None = None
    address_size: int | None = None
    """Octets of the server's HDLC address, 1, 2 or 4; None: the smallest that fits."""
    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = field(default=b"", repr=False)
    max_info: int = DEFAULT_INFO
    window: int = DEFAULT_WINDOW
    max_pdu: int = 0xFFFF
    """Octets of the largest APDU that we take."""
    conformance: int = DEFAULT_CONFORMANCE
    use_with_list: bool = True

    def __post_init__(self) -> None:
        if self.mechanism is Mechanism.LLS and not 1 <= len(self.secret) <= MAX_SECRET:
            raise BadParameter(f"low-level security needs a password of 1 to {MAX_SECRET} octets")
        if not MIN_PDU <= self.max_pdu <= 0xFFFF:
            raise BadParameter(f"the maximum PDU must be {MIN_PDU} to 65535 octets, not {self.max_pdu}")
        if not 0 <= self.conformance < 1 << 24:
            raise BadParameter(f"a conformance block has 24 bits, {self.conformance:#x} has more")
        self.make_link(Counters())

    def make_link(self, counters: Counters) -> HdlcLink | WrapperLink:
        """Return a new link for this meter."""
        if self.transport is Transport.HDLC:
            if not 1 <= self.client_id <= _MAX_CLIENT:
                raise BadAddress(f"the client address must be 1 to {_MAX_CLIENT} with HDLC, not {self.client_id}")
            server = server_address(self.server_logical, self.server_physical, self.address_size)
            return HdlcLink(Address(self.client_id), server, proposal(self.max_info, self.window), counters)
        if not 1 <= self.client_id <= MAX_PORT or not 0 <= self.server_logical <= MAX_PORT:
            raise BadAddress(f"wPorts must be 1 to {MAX_PORT}, not {self.client_id} and {self.server_logical}")
        return WrapperLink(self.client_id, self.server_logical, counters)


class Conversation:
    """One meter, one link, one association; not for two exchanges at the same time."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.counters = Counters()
        self.association: Association | None = None
        self._link = profile.make_link(self.counters)
        self._invoke = 0
        self._lists = profile.use_with_list
        self._list_answered = False

    @property
    def mid_frame(self) -> bool:
        """Whether the stream ends inside a frame: the driver may then give up after the pause between octets."""
        return self._link.mid_frame

    def open(self) -> Exchange[Association]:
        """Connect the link and associate; also to do both anew, on the same stream or a fresh one.

        Raises leaves of Relink, Barred and Reassociate.
        """
        profile = self.profile
        self.association = None
        yield from self._link.connect()
        proposal = Proposal(profile.conformance, profile.max_pdu)
        request = association_request(profile.mechanism, profile.secret, proposal)
        answer = decode_apdu((yield from self._link.request(request)))
        self.association = judge(answer, profile.mechanism, proposal)
        return self.association

    def get(self, ref: AttributeRef) -> Exchange[Data]:
        """Return an attribute's value, however many blocks it takes.

        Raises what the meter or the link says, by family: Skip, Again, Reassociate, Relink.
        """
        self._terms()
        invoke = self._next_invoke()
        answer = yield from self._call(encode_get(invoke, ref), invoke)
        if isinstance(answer, GetBlock):
            return decode_whole((yield from self._blocks(answer)))
        if not isinstance(answer, GetNormal):
            raise UnexpectedReply(f"a get-response-normal expected, not {type(answer).__name__}")
        if isinstance(answer.result, BridgeError):
            raise answer.result
        return answer.result

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        """Return the values in the order asked, each or the Skip or Again error in its place; raise all others.

        With-list where it was negotiated. A meter that answers a list wrongly, or its first list not at all, is asked
        one by one from then on.
        """
        terms = self._terms()
        results: list[Data | BridgeError] = []
        size = min(MAX_LIST, (terms.max_pdu - _LIST_HEAD) // DESCRIPTOR_OCTETS)
        while len(results) < len(refs):
            chunk = refs[len(results) : len(results) + max(size, 1)]
            listed = yield from self._get_list(chunk, terms)
            results += listed if listed is not None else (yield from self._get_each(chunk))
        return results

    def close(self) -> Exchange[None]:
        """Leave the meter in order: DISC with HDLC, RLRQ with WRAPPER; no answer raises anything."""
        associated, self.association = self.association is not None, None
        if associated and self.profile.transport is Transport.WRAPPER:
            with suppress(BridgeError):
                yield from self._link.request(encode_rlrq())
        yield from self._link.disconnect()

    def _get_each(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        results: list[Data | BridgeError] = []
        for ref in refs:
            try:
                results.append((yield from self.get(ref)))
            except MeterBusy as busy:  # so would be the others, after as many polls each
                return results + [busy] * (len(refs) - len(results))
            except (Skip, Again) as error:
                results.append(error)
        return results

    def _get_list(self, refs: Sequence[AttributeRef], terms: Association) -> Exchange[list[Data | BridgeError] | None]:
        """Return the results of one list; None when lists are not to be used, or this one went wrong."""
        if len(refs) < 2 or not self._lists or not terms.supports_with_list:
            return None
        invoke = self._next_invoke()
        try:
            answer = yield from self._call(encode_get_list(invoke, refs), invoke)
            results = _listed((yield from self._blocks(answer)) if isinstance(answer, GetBlock) else answer, len(refs))
        except TemporaryFailure:
            return None
        except (UnexpectedReply, ExceptionResponse, Skip):
            self._give_up_lists()
            return None
        except (Relink, MeterBusy):
            if not self._list_answered:  # there are meters that negotiate lists and never answer one
                self._give_up_lists()
            raise
        self._list_answered = True
        return results

    def _give_up_lists(self) -> None:
        self.counters.with_list_fallbacks += 1
        self._lists = False

    def _blocks(self, block: GetBlock) -> Exchange[bytes]:
        """Fetch the blocks behind the first; return what they hold together."""
        parts: list[bytes] = []
        size = 0
        while True:
            if isinstance(block.content, BridgeError):
                raise block.content
            parts.append(block.content)
            size += len(block.content)
            if size > MAX_VALUE:
                raise BadData(f"a value of more than {MAX_VALUE} octets")
            if block.last:
                return b"".join(parts)
            block = yield from self._next_block(block)

    def _next_block(self, block: GetBlock) -> Exchange[GetBlock]:
        invoke = block.invoke & INVOKE_MASK
        answer = yield from self._call(encode_get_next(invoke, block.number), invoke)
        if isinstance(answer, GetNormal) and isinstance(answer.result, BridgeError):
            raise answer.result
        if not isinstance(answer, GetBlock) or answer.number != block.number + 1:
            raise UnexpectedReply(f"block {block.number + 1} expected, not {type(answer).__name__}")
        if not block.content:
            raise UnexpectedReply(f"block {block.number} is empty and not the last")
        return answer

    def _call(self, request: bytes, invoke: int) -> Exchange[Apdu]:
        """Send a request, return the answer with its invoke id; drop and count answers to anything older."""
        octets = yield from self._link.request(request)
        for _ in range(MAX_LATE):
            if self._is_late(octets, invoke):
                octets = yield from self._link.more()
            else:
                return decode_apdu(octets)
        raise UnexpectedReply(f"{MAX_LATE} answers came, and none to invoke id {invoke}")

    def _is_late(self, octets: bytes, invoke: int) -> bool:
        """Say whether an APDU answers something older, or nothing; raise when it answers with no get-response."""
        if octets[:1] == bytes((GET_RESPONSE,)) and len(octets) > 2:
            late = octets[2] & INVOKE_MASK != invoke
        elif octets and octets[0] in _UNSOLICITED:
            late = True
        else:
            raise _complaint(decode_apdu(octets))
        self.counters.late_answers += late
        return late

    def _next_invoke(self) -> int:
        """Return 1 to 15, in turn."""
        self._invoke = self._invoke % INVOKE_MASK + 1
        return self._invoke

    def _terms(self) -> Association:
        if self.association is None:
            raise AssociationLost("there is no association: open one first")
        return self.association


def _listed(answer: Apdu | bytes, expected: int) -> list[Data | BridgeError]:
    """Return the results of a list; raise UnexpectedReply when they are not what was asked for."""
    if isinstance(answer, GetList):
        results = answer.results
    elif isinstance(answer, bytes):
        results = decode_results(answer)
    else:
        raise UnexpectedReply(f"a get-response-with-list expected, not {type(answer).__name__}")
    if len(results) != expected:
        raise UnexpectedReply(f"{expected} results expected, {len(results)} came")
    return list(results)


def _complaint(answer: Apdu) -> ExceptionResponse | UnexpectedReply:
    if isinstance(answer, ServiceError | ExceptionApdu):
        return ExceptionResponse(f"the meter answers with {answer}")
    return UnexpectedReply(f"a get-response expected, not {type(answer).__name__}")
