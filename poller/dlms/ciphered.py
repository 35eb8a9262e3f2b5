"""The outside of protected APDUs (IEC 62056-5-3, 8.2; Green Book 9.2.7.2): their tags, and the security header.

Goes in: octets. Comes out: which form it is, the system title, security control, invocation counter, and the protected
text. No key is needed to know these; what they protect is ``ciphering``'s. Every fault of received octets is
UnexpectedReply.
"""

from dataclasses import dataclass
from typing import Final

from poller.dlms.axdr import encode_length
from poller.dlms.errors import UnexpectedReply

AUTHENTICATED: Final = 0x10
ENCRYPTED: Final = 0x20
BROADCAST: Final = 0x40
"""Key-set: the global broadcast key instead of the unicast key; without meaning under a dedicated key."""
COMPRESSED: Final = 0x80
SUITE_MASK: Final = 0x0F
HEADER_OCTETS: Final = 5
"""Security control and invocation counter."""
GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC

GLOBAL_TAGS: Final = {
    0x01: 0x21, 0x05: 0x25, 0x06: 0x26, 0x08: 0x28, 0x0C: 0x2C, 0x0D: 0x2D, 0x0E: 0x2E, 0x16: 0x36, 0x18: 0x38,
    0xC0: 0xC8, 0xC1: 0xC9, 0xC2: 0xCA, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF,
}  # fmt: skip
"""From the tag of a plain APDU to that of its form under the global key; what is absent has the general form alone."""
DEDICATED_TAGS: Final = {
    0x01: 0x41, 0x05: 0x45, 0x06: 0x46, 0x08: 0x48, 0x0C: 0x4C, 0x0D: 0x4D, 0x0E: 0x4E, 0x16: 0x56, 0x18: 0x58,
    0xC0: 0xD0, 0xC1: 0xD1, 0xC2: 0xD2, 0xC3: 0xD3, 0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7,
}  # fmt: skip
DEDICATED: Final = frozenset((*DEDICATED_TAGS.values(), GENERAL_DED))
"""Tags of all forms under a dedicated key."""
CIPHERED: Final = frozenset((*GLOBAL_TAGS.values(), GENERAL_GLO)) | DEDICATED
"""Tags of all protected APDUs."""
PLAIN_TAGS: Final = {ciphered: plain for tags in (GLOBAL_TAGS, DEDICATED_TAGS) for plain, ciphered in tags.items()}
"""From the tag of a protected APDU to that of what it protects; the general forms tell it only inside."""


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A protected APDU as it travels; ``text`` is cipher text, plain text where it is only authenticated, and tag."""

    tag: int
    title: bytes
    """The sender's system title, which only the general forms carry, and not always."""
    control: int
    counter: int
    text: bytes

    @property
    def authenticated(self) -> bool:
        """Whether a tag ends the text."""
        return bool(self.control & AUTHENTICATED)

    @property
    def encrypted(self) -> bool:
        """Whether the text is cipher text."""
        return bool(self.control & ENCRYPTED)

    def to_bytes(self) -> bytes:
        """Return the octets."""
        content = bytes((self.control,)) + self.counter.to_bytes(4, "big") + self.text
        return bytes((self.tag,)) + _title_field(self.tag, self.title) + encode_length(len(content)) + content


def decode_ciphered(octets: bytes) -> Ciphered:
    """Return the parts of a protected APDU; nothing is deciphered."""
    title, at = find_header(octets)
    counter = int.from_bytes(octets[at + 1 : at + HEADER_OCTETS], "big")
    return Ciphered(octets[0], title, octets[at], counter, octets[at + HEADER_OCTETS :])


def find_header(octets: bytes) -> tuple[bytes, int]:
    """Return the system title of a protected APDU, and where its security header begins."""
    at, title = 1, b""
    if octets[0] in {GENERAL_GLO, GENERAL_DED}:
        size, at = _length(octets, at)
        title = octets[at : at + size]
        at += size
    size, at = _length(octets, at)
    if at + size != len(octets) or size < HEADER_OCTETS:
        raise UnexpectedReply(
            f"a protected APDU of {size} octets announced, {len(octets) - at} there, at least 5 needed"
        )
    return title, at


def _title_field(tag: int, title: bytes) -> bytes:
    return bytes((len(title),)) + title if tag in {GENERAL_GLO, GENERAL_DED} else b""


def _length(octets: bytes, at: int) -> tuple[int, int]:
    """Return the length that stands at an octet, and where what it measures begins (A-XDR, IEC 61334-6)."""
    start = at + 1
    first = octets[at] if at < len(octets) else 0xFF
    if first < 0x80:
        return first, start
    end = start + (first & 0x7F)
    if not start < end <= min(start + 4, len(octets)):
        raise UnexpectedReply("a protected APDU whose length cannot be read")
    return int.from_bytes(octets[start:end], "big"), end
