"""Protecting and unprotecting APDUs with AES-GCM (IEC 62056-5-3, 5.3 and 5.7; Green Book 9.2.7.2).

Goes in: plain APDUs to send, protected ones that came. Comes out: the other of the two, or DecipheringFailed. Counters
and randomness come from the SecuritySource. No key, title secret or plain text may enter a message, a repr or a log.

The nonce is the sender's system title and its invocation counter, so one pair of key and counter must never protect
two texts: ``take`` is called once for each, whatever becomes of it.
"""

from hmac import compare_digest
from typing import Final

from poller.dlms import gcm
from poller.dlms.axdr import encode_length
from poller.dlms.ciphered import (
    AUTHENTICATED,
    BROADCAST,
    CIPHERED,
    COMPRESSED,
    DEDICATED,
    DEDICATED_TAGS,
    ENCRYPTED,
    GENERAL_DED,
    GENERAL_GLO,
    GLOBAL_TAGS,
    HEADER_OCTETS,
    SUITE_MASK,
    find_header,
)
from poller.dlms.errors import BadParameter, CounterExhausted, CounterRefused, DecipheringFailed, UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.security import (
    KEY_OCTETS,
    MAX_RESYNC,
    SUITES,
    TITLE_OCTETS,
    Security,
    SecuritySettings,
    SecuritySource,
)

LEVEL_BITS: Final = {
    Security.NONE: 0,
    Security.AUTHENTICATED: AUTHENTICATED,
    Security.ENCRYPTED: ENCRYPTED,
    Security.BOTH: AUTHENTICATED | ENCRYPTED,
}
"""Of the security control octet (Green Book 9.2.7.2.4.1)."""
PLAIN_ALLOWED: Final = frozenset((0x0E, 0xD8))
"""confirmed-service-error and exception-response: a meter that could not decipher has no other way to say so."""
_INITIATE: Final = frozenset((0x01, 0x08))
"""initiate-request and -response, which have the global key even where there is a dedicated one."""
_ANY_KEY: Final = PLAIN_ALLOWED | {0x0F, 0xC2, 0x18}
"""Error reports, and what is pushed: to one client or to all, in an association or outside."""
_GMAC_OCTETS: Final = HEADER_OCTETS + gcm.TAG_OCTETS


class Cipher:
    """Keys, titles and counters of one client at one meter; ``begin`` before each association."""

    def __init__(self, settings: SecuritySettings, source: SecuritySource, counters: Counters) -> None:
        self.source = source
        self.server_title = settings.server_title
        self.dedicated_key = b""
        self._settings, self._counters = settings, counters
        self._level = LEVEL_BITS[settings.level]
        self._seen: dict[bytes, int] = {}

    def begin(self) -> None:
        """Begin a new association: forget what the last one learnt, draw a dedicated key where one is used."""
        self.server_title = self._settings.server_title
        self.dedicated_key = self.source.entropy(KEY_OCTETS) if self._settings.dedicated else b""
        self._seen.clear()

    @property
    def protects(self) -> bool:
        """Whether APDUs are protected."""
        return self._level != 0

    @property
    def client_title(self) -> bytes:
        """Our system title; empty when there is none."""
        return self._settings.client_title

    def protect_initiate(self, initiate: bytes) -> bytes:
        """Return an initiate-request under the global key (glo-initiate-request, Green Book 9.4.3).

        One that carries a dedicated key is encrypted even where the level is authentication alone.
        """
        level = self._level | (ENCRYPTED if self.dedicated_key else 0)
        text = self._seal(self._settings.encryption_key, level, initiate)
        return bytes((GLOBAL_TAGS[initiate[0]],)) + encode_length(len(text)) + text

    def protect(self, apdu: bytes) -> bytes:
        """Return a service APDU in the form that was agreed; without protection the APDU itself."""
        if not self._level:
            return apdu
        dedicated = self.dedicated_key
        text = self._seal(dedicated or self._settings.encryption_key, self._level, apdu)
        tag = None if self._settings.general else (DEDICATED_TAGS if dedicated else GLOBAL_TAGS).get(apdu[0])
        if tag is None:
            tag, title = GENERAL_DED if dedicated else GENERAL_GLO, self._settings.client_title
            return bytes((tag, len(title))) + title + encode_length(len(text)) + text
        return bytes((tag,)) + encode_length(len(text)) + text

    def unprotect(self, apdu: bytes) -> bytes:
        """Return the plain APDU; raise DecipheringFailed, or UnexpectedReply when the form itself is broken.

        Without agreed protection a plain APDU is returned as it is; with it, only an error report may come plain
        (Green Book 9.2.7.2.2).
        """
        plain, key, counter = self._open(apdu)
        if key is not None:
            self._seen[key] = max(counter, self._seen.get(key, -1))
        return plain

    def unprotect_fresh(self, apdu: bytes) -> bytes | None:
        """Return the plain APDU, or None when its counter did not rise: a replay, which is counted (5.3.4.8.3)."""
        plain, key, counter = self._open(apdu)
        if key is not None:
            if counter <= self._seen.get(key, -1):
                self._counters.replayed += 1
                return None
            self._seen[key] = counter
        return plain

    def gmac(self, challenge: bytes) -> bytes:
        """Return our answer to the meter's challenge: security control, counter, tag (Green Book 9.2.7.4, HLS 5)."""
        settings = self._settings
        if not (settings.client_title and settings.encryption_key and settings.authentication_key):
            raise BadParameter("HLS with GMAC needs a client system title, an encryption and an authentication key")
        header = bytes((AUTHENTICATED | settings.suite,)) + self.source.take().to_bytes(4, "big")
        return header + self._tag(settings.client_title, header, challenge)

    def check_gmac(self, answer: bytes, challenge: bytes) -> bool:
        """Say whether an answer to our challenge was made by a peer that has our keys and the meter's title."""
        title = self.server_title
        if len(answer) != _GMAC_OCTETS or len(title) != TITLE_OCTETS or answer[0] & ~SUITE_MASK != AUTHENTICATED:
            return False
        header = answer[:HEADER_OCTETS]
        return compare_digest(self._tag(title, header, challenge), answer[HEADER_OCTETS:])

    def refused(self, expected: int) -> CounterRefused | CounterExhausted:
        """Raise our counter above what the meter expects; return the error that says so (exception-response, 6).

        One above: the standard has the number expected next, and there are meters that tell the last one they saw.
        """
        if expected > MAX_RESYNC:
            return CounterExhausted(f"the meter expects invocation counter {expected}, next to the end of the key")
        self.source.raise_to(expected + 1)
        return CounterRefused(f"the meter found our invocation counter too low; it expects {expected}")

    def _tag(self, title: bytes, header: bytes, challenge: bytes) -> bytes:
        settings = self._settings
        associated = header[:1] + settings.authentication_key + challenge
        return gcm.tag(settings.encryption_key, title + header[1:], associated)

    def _seal(self, key: bytes, level: int, apdu: bytes) -> bytes:
        """Return security header and protected text (Green Book 9.2.7.2.4.2, table of plain text and AAD)."""
        settings = self._settings
        counter = self.source.take().to_bytes(4, "big")
        control = bytes((level | settings.suite,))
        nonce = settings.client_title + counter
        if level == AUTHENTICATED | ENCRYPTED:
            return control + counter + gcm.seal(key, nonce, apdu, control + settings.authentication_key)
        if level == ENCRYPTED:
            return control + counter + gcm.stream(key, nonce, apdu)
        return control + counter + apdu + gcm.tag(key, nonce, control + settings.authentication_key + apdu)

    def _open(self, apdu: bytes) -> tuple[bytes, bytes | None, int]:
        """Return the plain APDU, the key that protected it (None: nothing did), and the counter."""
        if not apdu or apdu[0] not in CIPHERED:
            return self._plain(apdu), None, 0
        title, at = find_header(apdu)
        control, start = apdu[at], at + HEADER_OCTETS
        key = self._key(apdu[0], control)
        title = self._title(title)
        counter = apdu[at + 1 : start]
        plain = self._deciphered(key, control, title + counter, apdu[start:])
        self._check_key(key, plain)
        self.server_title = title
        return plain, key, int.from_bytes(counter, "big")

    def _deciphered(self, key: bytes, control: int, nonce: bytes, text: bytes) -> bytes:
        authentication_key = self._settings.authentication_key
        if not control & AUTHENTICATED:
            return gcm.stream(key, nonce, text)
        if not authentication_key:
            raise DecipheringFailed("an authenticated APDU, and no authentication key to check it")
        associated = bytes((control,)) + authentication_key
        if control & ENCRYPTED:
            return gcm.open_(key, nonce, text, associated)
        plain, tag = text[: -gcm.TAG_OCTETS], text[-gcm.TAG_OCTETS :]
        gcm.open_(key, nonce, tag, associated + plain)
        return plain

    def _plain(self, apdu: bytes) -> bytes:
        if not apdu:
            raise UnexpectedReply("an empty APDU")
        if self._level and apdu[0] not in PLAIN_ALLOWED:
            raise DecipheringFailed(f"an unprotected APDU with tag {apdu[0]:02x}, where protection was agreed")
        return apdu

    def _key(self, tag: int, control: int) -> bytes:
        """Return the key that a security control octet names; raise DecipheringFailed when it cannot be."""
        if control & COMPRESSED:
            raise DecipheringFailed("a compressed APDU: compression is not supported")
        if not control & (AUTHENTICATED | ENCRYPTED) or self._level & ~control:
            raise DecipheringFailed(f"an APDU with security control {control:02x}: less protection than was agreed")
        if control & SUITE_MASK not in SUITES:
            raise DecipheringFailed(f"an APDU of security suite {control & SUITE_MASK}; there are 0 and 1")
        if tag in DEDICATED:
            name, key = "dedicated", self.dedicated_key
        elif control & BROADCAST:
            name, key = "global broadcast", self._settings.broadcast_key
        else:
            name, key = "global unicast", self._settings.encryption_key
        if not key:
            raise DecipheringFailed(f"an APDU under the {name} key, and we have none")
        return key

    def _check_key(self, key: bytes, plain: bytes) -> None:
        """Refuse an answer under another key than the one agreed.

        The broadcast key is known to others, and what the global key protected in an earlier association comes again.
        """
        agreed = self.dedicated_key or self._settings.encryption_key
        tag = plain[0] if plain else None
        if key == agreed or tag in _ANY_KEY or (tag in _INITIATE and key == self._settings.encryption_key):
            return
        raise DecipheringFailed(f"an APDU with tag {plain[:1].hex()} under another key than was agreed")

    def _title(self, stated: bytes) -> bytes:
        """Return the sender's title: as stated, else as known; one that is not the meter's is refused.

        A request of ours that comes back states our title, and would decipher.
        """
        title = stated or self.server_title
        if len(title) != TITLE_OCTETS:
            raise DecipheringFailed(f"the meter's system title is not known, or has {len(title)} octets and not 8")
        if stated and stated != (self.server_title or stated):
            raise DecipheringFailed("an APDU with the system title of somebody else")
        if not self.server_title and title == self._settings.client_title:
            raise DecipheringFailed("an APDU with our own system title")
        return title
