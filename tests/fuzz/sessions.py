"""A live conversation whose peer answers with mutants of what a meter once answered.

Goes in: a case: which recorded conversation, and what its peer will answer. Comes out: nothing, or the typed error that
ended it. Whatever came: the conversation takes a bounded number of steps, closes without an error, and works again
with a meter that is sound.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from common.errors import Again, Barred, BridgeError, Reassociate, Relink, Skip
from poller.dlms import gcm
from poller.dlms.channel import MAX_NOTIFICATIONS
from poller.dlms.ciphered import CIPHERED, decode_ciphered
from poller.dlms.conversation import Conversation
from poller.dlms.errors import UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import FrameKind
from poller.dlms.profile import Transport
from tests.fuzz.mutator import Chance, mutated, random_octets, resealed_frame, resealed_line, rewrapped
from tests.fuzz.scenarios import ENERGY, OPERATIONS, SCENARIOS, SimulatedPeer, drive
from tests.fuzz.seeds import Session, corpus
from tests.fuzz.targets import Bits, Broken, Case, Target, joined, parted, pieces
from tests.support.keyring import AUTHENTICATION_KEY, ENCRYPTION_KEY

TITLE: Final = b"SIM\0\0\0\0\1"
"""Of the meter that was recorded."""
DEDICATED_KEY: Final = b"\x5a" * 16
_MOST_ANSWER: Final = 0xFFFF
_LLC_OCTETS: Final = 3
_ENDINGS: Final = bytes.fromhex("0f1f9773531115 1931f1f51303")
"""Control octets of DM, FRMR, UA, DISC, RR, RNR, REJ, UI."""
_COMPLAINTS: Final = tuple(
    bytes.fromhex(each)
    for each in (
        "d80102", "d8010600000008", "d80106f0000001", "d801060fffffff", "0e010203", "0e060600", "c401c1010b",
        "c403c100", "c402c10100000001010e", "6303800100", "0f0000000100020106000000010f01",
    )
)  # fmt: skip
"""What meters say instead of an answer."""


def encoded(number: int, answers: Sequence[bytes]) -> bytes:
    """Return a recorded conversation's number and what its peer answers, as one input."""
    return bytes((number,)) + joined(answers)


def decoded(octets: bytes) -> tuple[Session, list[bytes]]:
    """Return the conversation and its answers; any octets are some."""
    sessions = corpus().sessions
    return sessions[(octets[0] if octets else 0) % len(sessions)], parted(octets[1:])


class HostilePeer:
    """Answers what it has, cut as ``choice`` has it, now and then with silence first."""

    def __init__(self, answers: Sequence[bytes], choice: int) -> None:
        self._answers = deque(answers)
        self._choice = choice
        self._state = choice
        self._coming: deque[bytes] = deque()

    def answer(self, out: bytes) -> bytes | None:
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        if not self._coming and self._answers and self._speaks(bool(out)):
            self._coming.extend(pieces(self._answers.popleft(), self._choice))
        return self._coming.popleft() if self._coming else None

    def _speaks(self, asked: bool) -> bool:
        """Say whether the next answer comes: mostly when it is asked, sometimes when it is not."""
        silent = bool(self._choice & 32) and (self._state >> 10) % 12 == 0
        return not silent if asked else (self._state >> 10) % 8 == 0


def _make_session(chance: Chance, bits: Bits) -> Case:
    sessions = corpus().sessions
    number = int(chance() * len(sessions))
    session = sessions[number]
    hdlc = SCENARIOS[session.scenario].profile.transport is Transport.HDLC
    answers = [came for _, came in session.passed]
    for _ in range(1 + int(chance() * chance() * 4)):
        at = int(chance() * len(answers))
        how = chance()
        if how < 0.78:
            answers[at] = _bent(answers[at], hdlc, chance)[:_MOST_ANSWER]
        elif how < 0.82:
            answers[at] = b""
        elif how < 0.86:
            answers.insert(at, answers[int(chance() * len(answers))])
        elif how < 0.9:
            other = sessions[int(chance() * len(sessions))].passed
            answers[at] = other[int(chance() * len(other))][1]
        else:
            answers.insert(at, _interjected(session, hdlc, chance, bits))
    return Case(encoded(number, answers), bits(30))


def _interjected(session: Session, hdlc: bool, chance: Chance, bits: Bits) -> bytes:
    """Return something that meters, modems and other masters say out of turn."""
    apdu = _COMPLAINTS[int(chance() * len(_COMPLAINTS))]
    if chance() < 0.1:
        return random_octets(chance, bits)
    if not hdlc:
        return rewrapped(bytes(8) + apdu, chance)
    frames = HdlcDecoder(Counters()).feed(session.passed[-1][1])
    addresses = frames[0].destination.to_bytes() + frames[0].source.to_bytes() if frames else b"\x03\x21"
    if chance() < 0.5:
        return resealed_frame(addresses, _ENDINGS[int(chance() * len(_ENDINGS))], b"")
    return resealed_frame(addresses, bits(8) & 0xFE, b"\xe6\xe7\x00" + apdu)


def _bent(answer: bytes, hdlc: bool, chance: Chance) -> bytes:
    """Return a mutant of an answer: of what is innermost in it, of its outside, or of its bare octets."""
    others = corpus().lines if hdlc else corpus().messages
    if not answer or chance() < 0.25:
        return mutated(answer, chance, others)
    if not hdlc:
        return rewrapped(answer[:8] + _bent_apdu(answer[8:], chance), chance)
    frames = HdlcDecoder(Counters()).feed(answer)
    if len(frames) != 1 or frames[0].kind is not FrameKind.I or chance() < 0.2:
        return resealed_line(mutated(answer, chance, others))
    frame, head = frames[0], frames[0].info[:_LLC_OCTETS]
    info = head + _bent_apdu(frame.info[_LLC_OCTETS:], chance)
    addresses = frame.destination.to_bytes() + frame.source.to_bytes()
    return resealed_frame(addresses, frame.control, info[:2030], segmented=frame.segmented)


def _bent_apdu(apdu: bytes, chance: Chance) -> bytes:
    others = corpus().apdus
    if apdu[:1] and apdu[0] in CIPHERED and chance() < 0.8:
        return _resealed(apdu, chance)
    return mutated(apdu, chance, others)


def _resealed(octets: bytes, chance: Chance) -> bytes:
    """Return a protected APDU whose plain text is a mutant, protected again with the meter's keys."""
    try:
        apdu = decode_ciphered(octets)
    except UnexpectedReply:
        return mutated(octets, chance, corpus().apdus)
    dedicated = octets[0] == 0xDC or 0x40 <= octets[0] < 0x60 or 0xD0 <= octets[0] < 0xD8
    key = DEDICATED_KEY if dedicated else ENCRYPTION_KEY
    nonce = TITLE + apdu.counter.to_bytes(4, "big")
    associated = bytes((apdu.control,)) + AUTHENTICATION_KEY
    both = apdu.encrypted and apdu.authenticated
    plain = gcm.stream(key, nonce, apdu.text[:-12]) if both else apdu.text[:-12]
    plain = mutated(plain, chance, corpus().apdus)
    text = gcm.seal(key, nonce, plain, associated) if both else plain + gcm.tag(key, nonce, associated + plain)
    size = 5 + len(text)
    length = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    title = bytes((len(apdu.title),)) + apdu.title if octets[0] in {0xDB, 0xDC} else b""
    return octets[:1] + title + length + associated[:1] + nonce[8:] + text


def _run_session(case: Case) -> None:
    session, answers = decoded(case.octets)
    scenario = SCENARIOS[session.scenario]
    conversation, peer = scenario.conversation(), HostilePeer(answers, case.choice)
    try:
        drive(conversation.open(), peer)
        drive(OPERATIONS[session.operation](conversation), peer)
    finally:
        if len(conversation.take_notifications()) > MAX_NOTIFICATIONS:
            raise Broken("more pushes are kept than there is room for")
        drive(conversation.close(), peer)
        if case.choice & 0x1C0 == 0:
            _works_again(conversation, SimulatedPeer(scenario.kind))


def _works_again(conversation: Conversation, peer: SimulatedPeer) -> None:
    """Open the same conversation with a sound meter, and read."""
    try:
        drive(conversation.open(), peer)
        drive(conversation.get(ENERGY), peer)
        drive(conversation.close(), peer)
    except BridgeError as error:
        raise Broken(f"a sound meter cannot be read afterwards: {error.kind}: {error}") from error


SESSION: Final = Target(
    "sessions", _make_session, _run_session, (Relink, Reassociate, Again, Skip, Barred), 0.03, 400, 8_192
)
