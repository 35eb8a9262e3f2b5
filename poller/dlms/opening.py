"""Opening and releasing an association over a channel (Green Book 9.3.2, 9.2.7.4; IEC 62056-5-3, 6.2 and 6.3).

Goes in: a Channel whose link is up. Comes out: its terms, proven by both sides with high-level security, or the
error that says why not. What may not happen: a service before the proof is complete, or a refusal answered more than
MAX_RESYNCS times.
"""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from common.errors import BridgeError, Skip
from common.obis import Obis
from poller.dlms.acse import encode_rlrq
from poller.dlms.apdu import decode_apdu
from poller.dlms.association import Association, Mechanism
from poller.dlms.axdr import encode_data
from poller.dlms.channel import Channel
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import (
    AuthenticationFailed,
    BadData,
    BadParameter,
    CounterExhausted,
    CounterRefused,
    DecipheringFailed,
    ExceptionResponse,
)
from poller.dlms.exchange import Exchange
from poller.dlms.profile import Profile, Referencing
from poller.dlms.proposing import NAMES, Proposal, association_request, judge
from poller.dlms.security import CHALLENGE_OCTETS, MAX_COUNTER, MAX_RESYNC, SecuritySettings, SecuritySource

if TYPE_CHECKING:
    from poller.dlms.ciphering import Cipher

MAX_RESYNCS: Final = 1
"""Counters raised in one opening: a meter that refuses the number it asked for asks for no other."""
MAX_PUSHES: Final = 8
"""Pushes that may come before the answer to an AARQ; what comes then is taken for the answer."""
REPLY_TO_HLS: Final = MethodRef(15, Obis(0, 0, 40, 0, 0, 255), 1)
"""reply_to_HLS_authentication of the current association (IEC 62056-6-2, Association LN)."""
REPLY_TO_HLS_NAME: Final = 0xFA58
"""The same method of Association SN: its method 8, at 0x58 behind the base name 0xFA00 (IEC 62056-6-2)."""
FRAME_COUNTER: Final = Obis(0, 0, 43, 1, 0, 255)
"""Where the invocation counter usually is to be read (Blue Book 6.2.32); some meters have it at 0-0:43.1.e."""
PUBLIC_CLIENT: Final = 16
"""The client SAP that needs no proof (IEC 62056-5-3, 4.3.3)."""
_UNPROVEN: Final = "the meter could not prove that it knows the key"
_ACTION_RESPONSE, _READ_RESPONSE = 0xC7, 0x0C
_DATA_CLASS: Final = 1
_PUSHES: Final = (b"\x0f", b"\xc2", b"\x18", b"\xca", b"\xd2", b"\x38", b"\x58", b"\xdb", b"\xdc")
"""data-notification, event-notification and information-report plain and protected, and the general forms, which no
AARE has."""


class Reading(Protocol):
    """As much of a Conversation as reading one value takes."""

    def open(self) -> Exchange[Association]:
        """Connect and associate."""

    def get(self, ref: AttributeRef) -> Exchange[Data]:
        """Return a value."""

    def close(self) -> Exchange[None]:
        """Leave in order."""


def associate(channel: Channel) -> Exchange[Association]:
    """Open an association: AARQ and AARE, and with HLS passes 3 and 4; set and return the channel's terms.

    A meter that finds our counter too low says which one it expects; it is then asked once more. Raises leaves of
    Barred, Reassociate and Relink.
    """
    for _ in range(MAX_RESYNCS):
        with suppress(CounterRefused):
            return (yield from _once(channel))
    return (yield from _once(channel))


def release(channel: Channel) -> Exchange[None]:
    """Release the association: in a ciphered context RLRQ carries a ciphered initiate-request (Green Book 9.3.3).

    There are meters that answer with an exception, or not at all: that costs the wait for one answer.
    """
    terms, channel.terms = channel.terms, None
    if terms is None:
        return
    with suppress(BridgeError):
        information = _proposal(channel, b"").initiate() if terms.ciphered else b""
        yield from channel.raw(encode_rlrq(information))


def public_profile(profile: Profile) -> Profile:
    """Return how the public client reaches the same meter: without proof or protection."""
    return replace(profile, client_id=PUBLIC_CLIENT, mechanism=Mechanism.NONE, secret=b"", security=SecuritySettings())


def next_counter(seen: Data, obis: Obis = FRAME_COUNTER) -> int:
    """Return the counter that follows the one that a meter's object holds.

    Raises BadData when it holds none, CounterExhausted next to the end of the key.
    """
    counter = seen.value
    if not isinstance(counter, int) or isinstance(counter, bool) or not 0 <= counter <= MAX_COUNTER:
        raise BadData(f"{obis} holds no invocation counter, but {seen.type.name.lower()}")
    if counter > MAX_RESYNC:
        raise CounterExhausted(f"{obis} of the meter is {counter}, next to the end of the key")
    return counter + 1


def resynchronise(public: Reading, source: SecuritySource, obis: Obis = FRAME_COUNTER) -> Exchange[None]:
    """Raise our counter above the one that the meter saw last, which the public client reads.

    ``public`` is a conversation of ``public_profile``, not open. Raises what opening, reading and next_counter raise.
    """
    yield from public.open()
    try:
        seen = yield from public.get(AttributeRef(_DATA_CLASS, obis, 2))
    except Skip:
        yield from public.close()
        raise
    yield from public.close()
    source.raise_to(next_counter(seen, obis))


def _once(channel: Channel) -> Exchange[Association]:
    """Open an association, or leave none."""
    profile, cipher = channel.profile, channel.cipher
    channel.terms = None
    if cipher:
        cipher.begin()
    challenge = _cipher(channel).source.entropy(CHALLENGE_OCTETS) if profile.mechanism.high_level else b""
    proposal = _proposal(channel, challenge)
    request = association_request(profile.mechanism, profile.secret, proposal)
    terms = _judged((yield from _answer(channel, request)), profile.mechanism, proposal)
    if terms.authentication_pending:
        yield from _prove(channel, terms, challenge)
    channel.terms = replace(terms, authentication_pending=False)
    return channel.terms


def _answer(channel: Channel, request: bytes) -> Exchange[bytes]:
    """Send the AARQ, return what answers it; pushes that come before are dropped: nothing vouches for them yet."""
    answer = yield from channel.raw(request)
    for _ in range(MAX_PUSHES):
        if answer[:1] not in _PUSHES:
            break
        channel.counters.notifications_dropped += 1
        answer = yield from channel.link.more()
    return answer


def _judged(answer: bytes, mechanism: Mechanism, proposal: Proposal) -> Association:
    """Return the terms; a meter whose first words do not decipher has other keys, and repeating it would not help."""
    try:
        return judge(decode_apdu(answer), mechanism, proposal)
    except DecipheringFailed as failure:
        raise AuthenticationFailed(f"{_UNPROVEN}: {failure.detail}") from None


def _prove(channel: Channel, terms: Association, challenge: bytes) -> Exchange[None]:
    """Answer the meter's challenge (pass 3), check its answer to ours (pass 4); raise AuthenticationFailed."""
    proof = _own_proof(channel, terms, challenge)
    channel.terms = terms  # for these two passes only
    try:
        answer = yield from _invoke_reply(channel, Data(DataType.OCTET_STRING, proof))
    except ExceptionResponse as refusal:
        raise AuthenticationFailed(f"our proof of the key was not accepted: {refusal.detail}") from None
    finally:
        channel.terms = None
    if isinstance(answer, BridgeError):
        raise AuthenticationFailed(f"our proof of the key was not accepted: {answer.detail}")
    if answer is None or not isinstance(answer.value, bytes):
        raise AuthenticationFailed(f"{_UNPROVEN}: its answer is no proof")
    if not _confirmed(channel, terms, challenge, answer.value):
        raise AuthenticationFailed(_UNPROVEN)


def _own_proof(channel: Channel, terms: Association, challenge: bytes) -> bytes:
    """Return f(StoC), and make sure that f(CtoS) can be checked."""
    profile, cipher = channel.profile, _cipher(channel)
    if profile.mechanism is not Mechanism.HLS_GMAC:
        from poller.dlms.hls import answer_challenge

        titles = cipher.client_title, terms.server_title
        return answer_challenge(NAMES[profile.mechanism], profile.secret, terms.server_challenge, challenge, *titles)
    if not cipher.server_title:
        raise AuthenticationFailed("the meter does not tell its system title, without which GMAC cannot be checked")
    return cipher.gmac(terms.server_challenge)


def _confirmed(channel: Channel, terms: Association, challenge: bytes, answer: bytes) -> bool:
    profile, cipher = channel.profile, _cipher(channel)
    if profile.mechanism is Mechanism.HLS_GMAC:
        return cipher.check_gmac(answer, challenge)
    from poller.dlms.hls import answer_challenge, confirms

    titles = terms.server_title, cipher.client_title
    expected = answer_challenge(NAMES[profile.mechanism], profile.secret, challenge, terms.server_challenge, *titles)
    return confirms(expected, answer)


def _invoke_reply(channel: Channel, proof: Data) -> Exchange[Data | BridgeError | None]:
    """Invoke reply_to_HLS_authentication; return what it returns, or the error that the meter answers."""
    if channel.profile.referencing is Referencing.SN:
        return (yield from _invoke_short(channel, proof))
    from poller.dlms.action_service import ActionResponse, decode_action_response, encode_action

    invoke = channel.next_invoke()
    request = encode_action(invoke, REPLY_TO_HLS, encode_data(proof))
    answer = decode_action_response((yield from channel.call(request, _ACTION_RESPONSE, invoke)))
    if not isinstance(answer, ActionResponse) or len(answer.results) != 1:
        raise AuthenticationFailed(f"{_UNPROVEN}: it answers with {type(answer).__name__}")
    return answer.results[0].outcome


def _invoke_short(channel: Channel, proof: Data) -> Exchange[Data | BridgeError | None]:
    """With short names a method that returns something is read, its parameters with it (Green Book 9.3.14)."""
    from poller.dlms.short_service import Parameterized, decode_read_response, encode_read

    request = encode_read([Parameterized(REPLY_TO_HLS_NAME, 0, proof)])
    results = decode_read_response((yield from channel.call(request, _READ_RESPONSE, 0))).results
    found = results[0] if len(results) == 1 else None
    return found if isinstance(found, Data | BridgeError) else None


def _proposal(channel: Channel, challenge: bytes) -> Proposal:
    profile = channel.profile
    short = profile.referencing is Referencing.SN
    return Proposal(profile.proposed, profile.max_pdu, short, challenge, channel.cipher)


def _cipher(channel: Channel) -> "Cipher":
    if channel.cipher is None:
        raise BadParameter("high-level security needs a source of challenges")
    return channel.cipher
