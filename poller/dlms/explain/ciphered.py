"""Protected APDUs (IEC 62056-5-3, 5.7 and 8.4): their fields, and the plain APDU where the keys at hand open them.

Goes in: a scan that stands at the tag, titles and keys in the memory. Comes out: nodes, and the plain octets or None.
Keys are never part of a node.
"""

from typing import Final

from poller.dlms import gcm
from poller.dlms.errors import DecipheringFailed
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.tree import Scan
from poller.dlms.security import KEY_OCTETS

GENERAL_GLO, GENERAL_DED, GENERAL = 0xDB, 0xDC, 0xDD
SERVICES: Final = {
    0x21: "initiateRequest", 0x25: "readRequest", 0x26: "writeRequest", 0x28: "initiateResponse",
    0x2C: "readResponse", 0x2D: "writeResponse", 0x2E: "confirmedServiceError", 0x36: "unconfirmedWriteRequest",
    0x38: "informationReportRequest", 0xC8: "get-request", 0xC9: "set-request", 0xCA: "event-notification-request",
    0xCB: "action-request", 0xCC: "get-response", 0xCD: "set-response", 0xCF: "action-response",
}  # fmt: skip
NAMES: Final = (
    {tag: f"glo-{name}" for tag, name in SERVICES.items()}
    | {tag + (0x20 if tag < 0x80 else 8): f"ded-{name}" for tag, name in SERVICES.items()}
    | {GENERAL_GLO: "general-glo-ciphering", GENERAL_DED: "general-ded-ciphering"}
)
_AUTHENTICATED, _ENCRYPTED, _BROADCAST, _COMPRESSED = 0x10, 0x20, 0x40, 0x80
_GENERAL_FIELDS: Final = (
    "transaction-id", "originator-system-title", "recipient-system-title", "date-time", "other-information",
)  # fmt: skip
_KEY_INFO: Final = {0: "identified-key", 1: "wrapped-key", 2: "agreed-key"}


def read_ciphered(scan: Scan, memory: Memory) -> bytes | None:
    """Read a glo-, ded- or general- APDU; return what it protects, None when no key at hand opens it."""
    tag = scan.leaf(1, "tag", NAMES[scan.peek()[0]]).octets[0]
    title = b""
    if tag in {GENERAL_GLO, GENERAL_DED}:
        size = scan.length("system-title length")
        title = scan.leaf(size, "system-title", "not given: that of the association counts" if size == 0 else "").octets
        memory.learn_title(title)
    scan.length("ciphered-service length")
    return _read_protected(scan, memory, title, dedicated=NAMES[tag].find("ded") >= 0)


def read_general(scan: Scan, _memory: Memory) -> None:
    """Read a general-ciphering APDU; its key would have to be agreed or unwrapped first, so it stays closed."""
    scan.leaf(1, "tag", "general-ciphering")
    for name in (
        "transaction-id",
        "originator-system-title",
        "recipient-system-title",
        "date-time",
        "other-information",
    ):
        size = scan.length(f"{name} length")
        scan.leaf(size, name)
    if scan.flag("key-info"):
        kind = scan.number(1, "key-info", _KEY_INFO)
        if kind:
            scan.leaf(1 if kind == 1 else scan.length("key-parameters length"), "key id or parameters")
            scan.leaf(scan.length("key length"), "wrapped or agreed key")
        else:
            scan.number(1, "key id")
    scan.length("ciphered-content length")
    control = scan.leaf(1, "security-control")
    control.meaning = control_words(control.octets[0])
    scan.number(4, "invocation-counter")
    scan.leaf(scan.left, "protected", "not opened: keys that are agreed or wrapped are not followed")


def control_words(control: int) -> str:
    """Return what a security-control octet says (IEC 62056-5-3, 5.3.5)."""
    bits = {
        _AUTHENTICATED: "authenticated",
        _ENCRYPTED: "encrypted",
        _BROADCAST: "broadcast key",
        _COMPRESSED: "compressed",
    }
    names = [name for bit, name in bits.items() if control & bit]
    return f"SC {control:02x}: {', '.join(names) or 'plain'}, suite {control & 0x0F}"


def _read_protected(scan: Scan, memory: Memory, title: bytes, *, dedicated: bool) -> bytes | None:
    control = scan.leaf(1, "security-control")
    sc = control.octets[0]
    control.meaning = control_words(sc)
    counter = scan.leaf(4, "invocation-counter")
    counter.meaning = str(int.from_bytes(counter.octets, "big"))
    tag_octets = gcm.TAG_OCTETS if sc & _AUTHENTICATED else 0
    body = scan.leaf(max(0, scan.left - tag_octets), "ciphertext" if sc & _ENCRYPTED else "plain text")
    seal = scan.leaf(tag_octets, "authentication tag") if tag_octets else None
    titles = [title] if title else memory.titles
    nonces = [known + counter.octets for known in titles]
    sealed = body.octets + (seal.octets if seal else b"")
    plain = _open(memory, sc, nonces, sealed, dedicated=dedicated)
    (seal or body).meaning = _verdict(memory, sc, titles, opened=plain is not None)
    if plain is None and not sc & _ENCRYPTED and not sc & _COMPRESSED:
        return body.octets
    return plain


def _verdict(memory: Memory, sc: int, titles: list[bytes], *, opened: bool) -> str:
    if opened:
        return "right" if sc & _AUTHENTICATED else "opened; nothing confirms it"
    if sc & _COMPRESSED:
        return "not opened: compressed"
    if memory.keys is None or not memory.keys.encryption_key:
        return "not opened: no key is given" if sc & _ENCRYPTED else "not checked: no key is given"
    if not titles:
        return "not opened: the sender's system title is not known"
    return "not confirmed by any key and title at hand"


def _open(memory: Memory, sc: int, nonces: list[bytes], sealed: bytes, *, dedicated: bool) -> bytes | None:
    """Try the key that it must be with the nonces; return what the first that fits opens, None when none does."""
    keys = memory.keys
    if keys is None or sc & _COMPRESSED:
        return None
    key = memory.dedicated_key if dedicated else keys.broadcast_key if sc & _BROADCAST else keys.encryption_key
    if len(key) == KEY_OCTETS:  # a dedicated key is what the line says it is
        for nonce in nonces:
            try:
                return _opened(key, keys.authentication_key, nonce, sc, sealed)
            except DecipheringFailed:
                continue
    return None


def _opened(key: bytes, authentication_key: bytes, nonce: bytes, sc: int, sealed: bytes) -> bytes:
    if len(nonce) != gcm.NONCE_OCTETS:
        raise DecipheringFailed("a system title of the wrong size")
    if not sc & _AUTHENTICATED:
        return gcm.stream(key, nonce, sealed) if sc & _ENCRYPTED else sealed
    associated = bytes((sc,)) + authentication_key
    if sc & _ENCRYPTED:
        return gcm.open_(key, nonce, sealed, associated)
    plain = sealed[: -gcm.TAG_OCTETS]
    gcm.open_(key, nonce, sealed[-gcm.TAG_OCTETS :], associated + plain)
    return plain
