"""Any APDU, told by its first octet (IEC 62056-5-3, 8.2): plain, protected, or in blocks of the general kind.

Goes in: a scan over one APDU. Comes out: nodes, and the APDU's name. What is protected is read as well where it opens.
"""

from collections.abc import Callable, Mapping
from typing import Final

from poller.dlms.acse import AARE, AARQ, RLRE, RLRQ
from poller.dlms.errors import BadData
from poller.dlms.explain import further, initiate
from poller.dlms.explain.acse import read_acse
from poller.dlms.explain.ciphered import GENERAL, NAMES, read_ciphered, read_general
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.services import read_service
from poller.dlms.explain.tree import Scan, derived, guarded, within

GENERAL_BLOCK: Final = 0xE0
MAX_WRAPPED: Final = 4
"""APDUs within APDUs: blocks, protection and user-information are three."""
_LAST_BLOCK, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F

_READERS: Final[Mapping[int, tuple[str, Callable[[Scan, Memory], object]]]] = {
    0x01: ("initiateRequest", initiate.read_initiate_request),
    0x08: ("initiateResponse", initiate.read_initiate_response),
    0x0E: ("confirmed-service-error", initiate.read_service_error),
    0xD8: ("exception-response", initiate.read_exception),
    0x05: ("readRequest", further.read_short),
    0x06: ("writeRequest", further.read_short),
    0x0C: ("readResponse", further.read_short),
    0x0D: ("writeResponse", further.read_short),
    0x16: ("unconfirmedWriteRequest", further.read_short),
    0x18: ("informationReportRequest", further.read_short),
    0x0F: ("data-notification", further.read_data_notification),
    0x10: ("data-notification-confirm", further.read_notification_confirm),
    0xC2: ("event-notification-request", further.read_event_notification),
    0xD9: ("access-request", further.read_access_request),
    0xDA: ("access-response", further.read_access_response),
    0xC0: ("get-request", read_service),
    0xC1: ("set-request", read_service),
    0xC3: ("action-request", read_service),
    0xC4: ("get-response", read_service),
    0xC5: ("set-response", read_service),
    0xC7: ("action-response", read_service),
    GENERAL: ("general-ciphering", read_general),
}
_ACSE: Final = {AARQ: "AARQ", AARE: "AARE", RLRQ: "RLRQ", RLRE: "RLRE"}
TAGS: Final = frozenset({*_READERS, *_ACSE, *NAMES, GENERAL_BLOCK})


def read_apdu(scan: Scan, memory: Memory, wrapped: int = 0) -> None:
    """Read one APDU, to the end of the scan; raise BadData for what is none."""
    octets = scan.peek()
    if not octets:
        raise BadData("an empty APDU")
    if wrapped > MAX_WRAPPED:
        raise BadData(f"more than {MAX_WRAPPED} APDUs within each other")
    tag = octets[0]
    with scan.branch(_name(tag)) as node:
        within(scan, scan.left, lambda part: _read(part, tag, memory, wrapped))
        described = next((child.meaning for child in node.children if child.name == "type"), "")
        node.meaning = described.split(" (")[0]


def _name(tag: int) -> str:
    if tag in _READERS:
        return _READERS[tag][0]
    return _ACSE.get(tag) or NAMES.get(tag) or ("general-block-transfer" if tag == GENERAL_BLOCK else "APDU")


def _read(scan: Scan, tag: int, memory: Memory, wrapped: int) -> None:
    if tag in _READERS:
        _READERS[tag][1](scan, memory)
    elif tag in _ACSE:
        read_acse(scan, memory, lambda part, known: read_apdu(part, known, wrapped + 1))
    elif tag in NAMES:
        plain = read_ciphered(scan, memory)
        if plain is not None:
            _derive(scan, plain, "plain APDU", memory, wrapped)
    elif tag == GENERAL_BLOCK:
        _read_block(scan, memory, wrapped)
    else:
        raise BadData(f"an APDU with unknown tag {tag:02x}")


def _read_block(scan: Scan, memory: Memory, wrapped: int) -> None:
    """Read a general-block-transfer APDU (IEC 62056-5-3, 9.3.13); with the last block, the APDU they make."""
    scan.leaf(1, "tag", "general-block-transfer")
    control = scan.leaf(1, "block-control")
    bits = control.octets[0]
    last = bool(bits & _LAST_BLOCK)
    streaming = ", streaming" if bits & _STREAMING else ""
    control.meaning = f"last={last}{streaming}, window {bits & _WINDOW}"
    number = scan.number(2, "block-number")
    scan.number(2, "block-number-ack")
    size = scan.length("block-data length")
    content = scan.leaf(size, "block-data").octets
    if not content and not last:
        return  # a bare acknowledgement
    joined = memory.join("general-block-transfer", content, first=number <= 1, last=last)
    if joined:
        _derive(scan, joined, "joined APDU", memory, wrapped)


def _derive(scan: Scan, octets: bytes, name: str, memory: Memory, wrapped: int) -> None:
    scan.derive(
        derived(octets, name, f"{len(octets)} octets", memory.budget, lambda part: read_apdu(part, memory, wrapped + 1))
    )


def apdu_nodes(scan: Scan, memory: Memory) -> None:
    """Read one APDU; whatever cannot be read becomes a node."""
    guarded(scan, lambda part: read_apdu(part, memory))
