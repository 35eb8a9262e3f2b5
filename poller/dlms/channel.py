"""One association's requests and answers over a link: protection, general blocks, invoke ids, late and pushed APDUs.

Goes in: plain service APDUs, received octets. Comes out: the plain APDU that answers, pushes that came meanwhile, typed
errors. What a service's fields mean belongs to the modules above; octets on the line to the link below.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from common.errors import BridgeError, Skip
from poller.dlms.association import Association
from poller.dlms.errors import (
    AssociationLost,
    BadData,
    ExceptionResponse,
    NotNegotiated,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.profile import Profile
from poller.dlms.wrapper import WrapperLink
from poller.dlms.xdlms import Conformance, ExceptionApdu, ServiceError

if TYPE_CHECKING:
    from poller.dlms.blocks import BlockTerms
    from poller.dlms.ciphering import Cipher
    from poller.dlms.notification import Notification

MAX_LATE: Final = 8
"""Answers to something older, and pushes, that one request may bring before the meter counts as confused."""
MAX_NOTIFICATIONS: Final = 64
"""Pushes kept for whoever fetches them; more than a meter sends between two cycles."""
MAX_VALUE: Final = 4 * 1024 * 1024
"""Octets of one value or answer over blocks, either way; a year of quarter hours with ten columns is about 2 MiB."""
MAX_LIST: Final = 64
"""Items of one list: more than a cycle has, and far from what a meter's buffers bear."""
INVOKE_MASK: Final = 0x0F
"""invoke-id-and-priority: the identifier is its low nibble (IEC 62056-5-3, 7.3.2)."""
LONG_INVOKE_MASK: Final = 0xFF_FFFF
"""long-invoke-id-and-priority: its low 24 bits."""
_GENERAL_BLOCK: Final = b"\xe0"
ACCESS_RESPONSE: Final = 0xDA
_NOTHING: Final = Conformance(0)
_PROTECTION: Final = 21
"""Octets that glo- and ded- forms add at most: tag, length, security-control, counter, authentication tag."""
_GENERAL_PROTECTION: Final = _PROTECTION + 9
"""With a system title and its length besides."""
_SHORT_INVOKE: Final = {0xC4, 0xC5, 0xC7}
"""Responses of GET, SET and ACTION: kind, then invoke-id-and-priority."""
_UNSOLICITED: Final = {0x0F, 0xC2, 0x18}
"""data-notification, event-notification, information-report."""
_GENERAL_FORMS: Final = {0xDB, 0xDC, 0xDD, 0xDF}
"""Protection of any service: glo, ded, signed, general."""
_CIPHERED_PUSHES: Final = {0xCA, 0xD2, 0x38, 0x58} | _GENERAL_FORMS
"""What is left of a push, or may be one, when there are no keys to read it."""


class Channel:
    """One association over one link; not for two requests at the same time."""

    def __init__(
        self, profile: Profile, link: HdlcLink | WrapperLink, counters: Counters, cipher: "Cipher | None" = None
    ) -> None:
        self.profile = profile
        self.link = link
        self.counters = counters
        self.cipher = cipher
        self.terms: Association | None = None
        self.notifications: deque[Notification] = deque(maxlen=MAX_NOTIFICATIONS)
        self.invoke = 0
        """Of the last request."""
        self._blocks: tuple[Association, BlockTerms] | None = None
        self._overdue: Association | None = None
        """The terms under which a request without invoke id was left without its answer."""
        self._unnumbered: deque[bytes] = link.unnumbered if isinstance(link, HdlcLink) else deque()

    def next_invoke(self) -> int:
        """Return 1 to 15, in turn."""
        self.invoke = self.invoke % INVOKE_MASK + 1
        return self.invoke

    def require(self, service: Conformance = _NOTHING) -> Association:
        """Return the terms; raise AssociationLost when there are none, NotNegotiated without the service."""
        if self.terms is None:
            raise AssociationLost("there is no association: open one first")
        missing = service & ~self.terms.conformance
        if missing:
            names = " and ".join(
                bit.name.lower().replace("_", "-") for bit in Conformance if bit & missing and bit.name
            )
            raise NotNegotiated(f"the meter did not grant {names} to this association")
        return self.terms

    @property
    def room(self) -> int:
        """Octets of the longest plain APDU that the server takes."""
        return self.require().max_pdu - self._overhead

    @property
    def own_room(self) -> int:
        """Octets of the longest plain APDU that we take."""
        return self.profile.max_pdu - self._overhead

    def takes(self, octets: int, *, general: bool = False) -> bool:
        """Say whether a plain APDU of that many octets can be sent: at once, or in general blocks.

        ``general``: of a service that has no protected form of its own.
        """
        more = _GENERAL_PROTECTION - self._overhead if general and self._overhead else 0
        return octets + more <= self.room or self.require().supports_general_block

    def raw(self, apdu: bytes) -> Exchange[bytes]:
        """Send an APDU as it is, return the next one that comes: for AARQ and RLRQ."""
        return self.link.request(apdu)

    def call(self, request: bytes, tag: int, invoke: int) -> Exchange[bytes]:
        """Send a plain service APDU, return the plain one with that tag and invoke id that answers.

        Answers to anything older are dropped and counted, pushes kept. Raises ExceptionResponse,
        CounterRefused, UnexpectedReply, DecipheringFailed, NotNegotiated, and what the link raises.

        With short names an answer has no number: when one is overdue, AssociationLost is raised in place of a request.
        """
        if not _has_invoke(tag):
            return (yield from self._call_unnumbered(request, tag))
        return (yield from self.call_protected(self._protected(request), tag, invoke))

    def call_protected(self, apdu: bytes, tag: int, invoke: int) -> Exchange[bytes]:
        """Do what ``call`` does, with a request that is protected already."""
        octets = yield from self._send(apdu)
        return (yield from self.answer_to(self._plain(octets), tag, invoke))

    def answer_to(self, plain: bytes | None, tag: int, invoke: int) -> Exchange[bytes]:
        """Return the answer to a request, after the first APDU that came behind it: mostly that is it."""
        for _ in range(MAX_LATE):
            if plain is not None and self._is_answer(plain, tag, invoke):
                return plain
            plain = self._plain((yield from self._more()))
        raise UnexpectedReply(f"{MAX_LATE} answers came, and none to invoke id {invoke}")

    def _call_unnumbered(self, request: bytes, tag: int) -> Exchange[bytes]:
        """Do what ``call`` does, where nothing but their order tells answers apart."""
        terms = self.require()
        if self._overdue is terms:
            self.terms = None
            raise AssociationLost("an answer is overdue, and has no number that could tell it from the next")
        protected = self._protected(request)
        self._overdue = terms
        try:
            answer = yield from self.call_protected(protected, tag, 0)
        except (ExceptionResponse, Skip):  # it has answered, or was not asked
            self._overdue = None
            raise
        self._overdue = None
        return answer

    def _protected(self, request: bytes) -> bytes:
        return self.cipher.protect(request) if self.cipher else request

    @property
    def _overhead(self) -> int:
        """Octets that protection adds at most."""
        security = self.profile.security
        if not security.protects:
            return 0
        return _GENERAL_PROTECTION if security.general else _PROTECTION

    def _send(self, apdu: bytes) -> Exchange[bytes]:
        """Send an APDU as it is when it fits, else in general blocks; return what answers, its blocks put together."""
        terms = self.require()
        if len(apdu) <= terms.max_pdu:
            return (yield from self._whole((yield from self.link.request(apdu))))
        if not terms.supports_general_block:
            raise NotNegotiated(f"an APDU of {len(apdu)} octets; the meter takes {terms.max_pdu}, and no blocks")
        from poller.dlms.blocks import exchange_blocks

        return (yield from exchange_blocks(self.link, apdu, self._block_terms(terms), self.counters, self._aside))

    def _more(self) -> Exchange[bytes]:
        return (yield from self._whole((yield from self.link.more())))

    def _whole(self, octets: bytes) -> Exchange[bytes]:
        """Return an APDU that came, its general blocks put together."""
        terms = self.require()
        if self._unnumbered:
            self._hear()
        if octets[:1] != _GENERAL_BLOCK or not terms.supports_general_block:
            return octets
        from poller.dlms.blocks import collect_blocks

        return (yield from collect_blocks(self.link, octets, self._block_terms(terms), self.counters, self._aside))

    def _block_terms(self, terms: Association) -> "BlockTerms":
        """Return what both ends take in blocks; the meter's window is learnt anew in each association."""
        from poller.dlms.blocks import BlockTerms

        if self._blocks is None or self._blocks[0] is not terms:
            at_once = self.link.at_once(terms.max_pdu)
            self._blocks = terms, BlockTerms(terms.max_pdu, self.profile.block_window, at_once)
        return self._blocks[1]

    def _aside(self, octets: bytes) -> bool:
        """Take an APDU that came among blocks; say whether it was a push."""
        if octets[:1] and octets[0] in _UNSOLICITED | _CIPHERED_PUSHES - _GENERAL_FORMS:
            plain = self._plain(octets)
            return plain is None or self._is_push(plain)
        return False

    def _plain(self, octets: bytes) -> bytes | None:
        """Return what an APDU says; None when it is a repetition, or a push without the protection agreed on."""
        if self.cipher is None:
            return octets
        if self.cipher.protects and octets and octets[0] in _UNSOLICITED:
            self.counters.notifications_dropped += 1
            return None
        return self.cipher.unprotect_fresh(octets)

    def _hear(self) -> None:
        """Keep the pushes that came beside numbered frames, before the answer: their invocation counters are older."""
        while self._unnumbered:
            try:
                plain = self._plain(self._unnumbered.popleft())
                kept = plain is None or self._is_push(plain)
            except BridgeError:
                kept = False
            self.counters.notifications_dropped += not kept

    def _is_push(self, plain: bytes) -> bool:
        """Say whether an APDU is a push, and keep it, or count it when nobody can read it."""
        found = plain[0] if plain else None
        if found in _UNSOLICITED:
            self._notify(plain)
        elif found in _CIPHERED_PUSHES:
            self.counters.notifications_dropped += 1
        else:
            return False
        return True

    def _is_answer(self, plain: bytes, tag: int, invoke: int) -> bool:
        """Say whether an APDU answers this request; raise when it is neither that, nor late, nor a push."""
        if self._is_push(plain):
            return False
        came = _invoke_of(plain)
        if came is not None and came != invoke:
            self.counters.late_answers += 1
            return False
        if plain[:1] == bytes((tag,)) and (came is not None or not _has_invoke(tag)):
            return True
        raise self._complaint(plain, tag)

    def _notify(self, plain: bytes) -> None:
        """Keep a push for whoever fetches it; the oldest makes room."""
        from poller.dlms.notification import decode_notification

        try:
            notification = decode_notification(plain)
        except BridgeError:
            self.counters.notifications_dropped += 1
            return
        self.counters.notifications += 1
        self.counters.notifications_dropped += len(self.notifications) == MAX_NOTIFICATIONS
        self.notifications.append(notification)

    def _complaint(self, plain: bytes, tag: int) -> BridgeError:
        """Return the error that an APDU in place of the answer means."""
        from poller.dlms.apdu import decode_apdu

        try:
            answer = decode_apdu(plain)
        except BadData:
            return UnexpectedReply(f"an answer with tag {tag:02x} expected, not a broken one with tag {plain[0]:02x}")
        if isinstance(answer, ExceptionApdu) and answer.expected_counter is not None and self.cipher:
            return self.cipher.refused(answer.expected_counter)
        if isinstance(answer, ServiceError | ExceptionApdu):
            return ExceptionResponse(f"the meter answers with {answer}")
        return UnexpectedReply(f"an answer with tag {tag:02x} expected, not {type(answer).__name__}")


def _has_invoke(tag: int) -> bool:
    return tag in _SHORT_INVOKE or tag == ACCESS_RESPONSE


def _invoke_of(plain: bytes) -> int | None:
    """Return the invoke id of a response that has one."""
    if not plain:
        return None
    if plain[0] in _SHORT_INVOKE and len(plain) > 2:
        return plain[2] & INVOKE_MASK
    if plain[0] == ACCESS_RESPONSE and len(plain) > 4:
        return int.from_bytes(plain[1:5], "big") & LONG_INVOKE_MASK
    return None
