"""Protected APDUs of a simulated meter: glo, ded, general-glo, general-ded ciphering (Green Book 9.2, suites 0 and 1).

Keys, titles and protected octets in; plain APDUs, and protected answers, out. What cannot be opened raises Undeciphered
with the exception-response that a meter gives. Counters of clients are kept per system title, for the life of a meter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, NamedTuple

from common.errors import BridgeError
from poller.simulator import axdr, gcm
from poller.simulator.acse import BadRequest
from poller.simulator.personality import Keys
from poller.simulator.values import read_octets

AUTHENTICATED: Final = 0x10
ENCRYPTED: Final = 0x20
_SUITE: Final = 0x0F
_COMPRESSED: Final = 0x80
_BROADCAST: Final = 0x40
MAX_TITLES: Final = 256
"""Clients whose counters are kept: more than any test runs."""
TITLE: Final = 8
OVERHEAD: Final = 40
"""Octets that protection adds at most: tags, lengths, title, control, counter and authentication tag."""
GLO_INITIATE: Final = 0x21
_GLO_INITIATE_RESPONSE: Final = 0x28
GENERAL_GLO: Final = 0xDB
_GENERAL_DED: Final = 0xDC


class Form(Enum):
    """Where the key comes from, and whether the service shows outside."""

    GLO = auto()
    DED = auto()
    GENERAL_GLO = auto()
    GENERAL_DED = auto()

    @property
    def dedicated(self) -> bool:
        """Whether the association's own key is used."""
        return self in {Form.DED, Form.GENERAL_DED}


_GLO: Final = {0x05: 0x25, 0x06: 0x26, 0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB}
_DED: Final = {0x05: 0x45, 0x06: 0x46, 0xC0: 0xD0, 0xC1: 0xD1, 0xC3: 0xD3}
REQUESTS: Final[Mapping[int, Form]] = {
    **dict.fromkeys(_GLO.values(), Form.GLO),
    **dict.fromkeys(_DED.values(), Form.DED),
    GENERAL_GLO: Form.GENERAL_GLO,
    _GENERAL_DED: Form.GENERAL_DED,
}
"""Tags of protected requests."""
_RESPONSES: Final[Mapping[Form, Mapping[int, int]]] = {
    Form.GLO: {0x0C: 0x2C, 0x0D: 0x2D, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF, 0x0F: GENERAL_GLO},
    Form.DED: {0x0C: 0x4C, 0x0D: 0x4D, 0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7, 0x0F: GENERAL_GLO},
}
_PLAIN_ALWAYS: Final = frozenset({0xD8, 0x0E})
"""exception-response and confirmedServiceError: sent as they are."""


class Undeciphered(BridgeError):
    """A protected APDU that is refused. ``answer``: what the meter says; ``why``: for the log."""

    def __init__(self, answer: bytes, why: str, counter: int = 0) -> None:
        super().__init__(why)
        self.answer = answer
        self.why = why
        self.counter = counter


class Opened(NamedTuple):
    """A plain APDU and how it was protected."""

    plain: bytes
    control: int
    form: Form


@dataclass(slots=True)
class KeyRing:
    """Keys of one meter, its title, and the invocation counters on both sides."""

    keys: Keys
    title: bytes
    expected: dict[bytes, int] = field(default_factory=dict)
    """Least counter accepted next, by the client's title."""
    sent: int = 0

    def least(self, client: bytes) -> int:
        """Return the least counter that is accepted of a client."""
        return self.expected.get(client, self.keys.counter)

    def next_counter(self) -> int:
        """Return the counter of the next APDU of ours."""
        self.sent += 1
        return self.sent

    def check(self, client: bytes, counter: int) -> None:
        """Refuse a counter that was used already."""
        least = self.least(client)
        if counter < least:
            raise Undeciphered(b"\xd8\x01\x06" + least.to_bytes(4, "big"), "counter", counter)

    def used(self, client: bytes, counter: int) -> None:
        """Note that a counter was used, in an APDU that was undamaged."""
        if client in self.expected or len(self.expected) < MAX_TITLES:
            self.expected[client] = counter + 1

    def highest(self) -> int:
        """Return what the frame counter object shows: the highest counter seen of anybody."""
        return max(0, max([self.keys.counter, *self.expected.values()]) - 1)

    def raise_policy(self, policy: int) -> None:
        """Ask more protection from now on."""
        self.keys = replace(self.keys, policy=policy)

    def expect(self, counter: int) -> None:
        """Accept nothing below ``counter`` any more, of nobody."""
        self.expected = {client: max(least, counter) for client, least in self.expected.items()}
        self.keys = replace(self.keys, counter=max(self.keys.counter, counter))


@dataclass(slots=True)
class Guard:
    """Protects one association."""

    ring: KeyRing
    client: bytes
    """The client's system title."""
    dedicated: bytes = field(default=b"", repr=False)
    spoil: bool = False
    """The next answer gets a wrong tag."""
    replay: bool = False
    """The next answer is the last one again."""
    _least_dedicated: int = 0
    _last: bytes = b""
    _initiate: int = AUTHENTICATED | ENCRYPTED
    _inside: int | None = None
    """Least counter inside the APDU last opened: a proof is made, and its counter drawn, before what carries it."""

    def open_initiate(self, octets: bytes) -> bytes:
        """Return the InitiateRequest of a glo-initiate-request, or of one in general-glo-ciphering."""
        if octets[:1] == bytes((GENERAL_GLO,)):
            opened = self.open(octets)
        elif octets[:1] == bytes((GLO_INITIATE,)):
            opened = self._opened(_content(octets, 1), Form.GLO)
        else:
            raise BadRequest("user information is not protected")
        self._initiate = opened.control
        return opened.plain

    def close_initiate(self, plain: bytes) -> bytes:
        """Return a glo-initiate-response, protected as the request was."""
        sealed = self._sealed(plain, self._initiate | self.ring.keys.policy, self.ring.keys.encryption)
        return bytes((_GLO_INITIATE_RESPONSE,)) + axdr.length(len(sealed)) + sealed

    def open(self, apdu: bytes) -> Opened:
        """Return what a protected request holds."""
        form = REQUESTS[apdu[0]]
        if form in {Form.GLO, Form.DED}:
            return self._opened(_content(apdu, 1), form)
        title, at = read_octets(apdu, 1)
        if not self.client:
            self.client = title
        if title and title != self.client:
            raise Undeciphered(b"\xd8\x01\x05", "title")
        return self._opened(_content(apdu, at), form)

    def _opened(self, content: bytes, form: Form) -> Opened:
        if len(content) < 5 or (form.dedicated and not self.dedicated):
            raise Undeciphered(b"\xd8\x01\x05", "cut")
        control, counter = content[0], int.from_bytes(content[1:5], "big")
        keys = self.ring.keys
        if control & _SUITE != keys.suite or control & (_COMPRESSED | _BROADCAST):
            raise Undeciphered(b"\xd8\x01\x05", "suite")
        if control & keys.policy != keys.policy:
            raise Undeciphered(b"\xd8\x01\x03", "policy")
        self._check(counter, dedicated=form.dedicated)
        key = self.dedicated if form.dedicated else keys.encryption
        try:
            plain = self._unsealed(key, control, content)
        except gcm.Damaged:
            raise Undeciphered(b"\xd8\x01\x05", "tag") from None
        self._used(counter, dedicated=form.dedicated)
        return Opened(plain, control, form)

    def _check(self, counter: int, *, dedicated: bool) -> None:
        if not dedicated:
            self._inside = self.ring.least(self.client)
            self.ring.check(self.client, counter)
        elif counter < self._least_dedicated:
            raise Undeciphered(b"\xd8\x01\x06" + self._least_dedicated.to_bytes(4, "big"), "counter", counter)

    def _used(self, counter: int, *, dedicated: bool) -> None:
        if dedicated:
            self._least_dedicated = counter + 1
        else:
            self.ring.used(self.client, counter)

    def _unsealed(self, key: bytes, control: int, content: bytes) -> bytes:
        """Return the text behind control and counter (Green Book 9.2.7.2.3, table of associated data)."""
        nonce = self.client + content[1:5]
        head = content[:1] + self.ring.keys.authentication
        body, tag = (content[5 : -gcm.TAG], content[-gcm.TAG :]) if control & AUTHENTICATED else (content[5:], None)
        if control & ENCRYPTED:
            return gcm.unseal(key, nonce, body, head, tag)
        if tag is not None and gcm.gmac(key, nonce, head + body) != tag:
            raise gcm.Damaged("authentication tag")
        return body

    def protect(self, answer: bytes, opened: Opened) -> bytes:
        """Return an answer in the form and at the level of its request, or at what the policy asks beyond."""
        if answer[0] in _PLAIN_ALWAYS:
            return answer
        keys = self.ring.keys
        control = opened.control | keys.policy
        key = self.dedicated if opened.form.dedicated else keys.encryption
        sealed = self._sealed(answer, control, key)
        protected = self._wrapped(answer[0], sealed, opened.form)
        if self.replay and self._last:
            return self._last
        self._last = protected
        return protected

    def _wrapped(self, tag: int, sealed: bytes, form: Form) -> bytes:
        outside = _RESPONSES.get(form, {}).get(tag)
        if outside is None or outside == GENERAL_GLO:
            outside = _GENERAL_DED if form.dedicated else GENERAL_GLO
            title = axdr.length(len(self.ring.title)) + self.ring.title
            return bytes((outside,)) + title + axdr.length(len(sealed)) + sealed
        return bytes((outside,)) + axdr.length(len(sealed)) + sealed

    def _sealed(self, plain: bytes, control: int, key: bytes) -> bytes:
        counter = self.ring.next_counter().to_bytes(4, "big")
        nonce = self.ring.title + counter
        head = bytes((control,)) + self.ring.keys.authentication
        if control & ENCRYPTED:
            body, tag = gcm.seal(key, nonce, plain, head if control & AUTHENTICATED else b"")
        else:
            body, tag = plain, gcm.gmac(key, nonce, head + plain)
        if self.spoil:
            tag = bytes(octet ^ 0xA5 for octet in tag)
        return bytes((control,)) + counter + body + (tag if control & AUTHENTICATED else b"")

    def notify(self, plain: bytes) -> bytes:
        """Return an APDU that nobody asked for in general-glo-ciphering, authenticated and encrypted."""
        control = AUTHENTICATED | ENCRYPTED | self.ring.keys.suite
        return self._wrapped(0, self._sealed(plain, control, self.ring.keys.encryption), Form.GENERAL_GLO)

    def proof(self, challenge: bytes) -> bytes:
        """Return our answer to a challenge under GMAC: control, counter and tag (Green Book 9.2.7.4)."""
        control = AUTHENTICATED | self.ring.keys.suite
        counter = self.ring.next_counter().to_bytes(4, "big")
        return bytes((control,)) + counter + self._gmac(self.ring.title, control, counter, challenge)

    def proven(self, answer: bytes, challenge: bytes) -> bool:
        """Say whether the client's answer to our challenge is right; a counter that was used raises Undeciphered."""
        if len(answer) != 5 + gcm.TAG or answer[0] != AUTHENTICATED | self.ring.keys.suite:
            return False
        counter = int.from_bytes(answer[1:5], "big")
        least = self.ring.least(self.client)
        if self._inside is None:
            self.ring.check(self.client, counter)
        elif counter < self._inside or counter == least - 1:
            raise Undeciphered(b"\xd8\x01\x06" + least.to_bytes(4, "big"), "counter", counter)
        if self._gmac(self.client, answer[0], answer[1:5], challenge) != answer[5:]:
            return False
        self.ring.used(self.client, max(counter, least - 1))
        return True

    def _gmac(self, title: bytes, control: int, counter: bytes, challenge: bytes) -> bytes:
        keys = self.ring.keys
        return gcm.gmac(keys.encryption, title + counter, bytes((control,)) + keys.authentication + challenge)


def _content(octets: bytes, at: int) -> bytes:
    """Return the octets behind a length; raise Undeciphered when they are not all of the rest."""
    try:
        content, end = read_octets(octets, at)
    except BadRequest:
        raise Undeciphered(b"\xd8\x01\x05", "cut") from None
    if end != len(octets):
        raise Undeciphered(b"\xd8\x01\x05", "cut")
    return content
