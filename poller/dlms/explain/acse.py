"""AARQ, AARE, RLRQ and RLRE (ISO/IEC 8650, IEC 62056-5-3, 7.2), field by field.

Goes in: a scan that stands at the APDU's tag. Comes out: nodes; titles are remembered. What the user-information holds
is read by whoever calls.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from poller.dlms.acse import AARE, AARQ, DIAGNOSTICS, RLRE, RLRQ, Context, MechanismName, ReleaseReason, Result, Source
from poller.dlms.errors import BadData
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.tree import Node, Scan, within
from poller.dlms.explain.values import octet_words

_MAX_LENGTH_OCTETS: Final = 4
_NAMES: Final[Mapping[int, str]] = {AARQ: "AARQ", AARE: "AARE", RLRQ: "RLRQ", RLRE: "RLRE"}
_COMMON: Final = {
    0x80: "protocol-version", 0xA1: "application-context-name", 0xBD: "implementation-information",
    0xBE: "user-information",
}  # fmt: skip
_FIELDS: Final[dict[int, dict[int, str]]] = {
    AARQ: _COMMON | {
        0xA2: "called-AP-title", 0xA3: "called-AE-qualifier", 0xA4: "called-AP-invocation-id",
        0xA5: "called-AE-invocation-id", 0xA6: "calling-AP-title", 0xA7: "calling-AE-qualifier",
        0xA8: "calling-AP-invocation-id", 0xA9: "calling-AE-invocation-id", 0x8A: "sender-acse-requirements",
        0x8B: "mechanism-name", 0xAC: "calling-authentication-value",
    },
    AARE: _COMMON | {
        0xA2: "result", 0xA3: "result-source-diagnostic", 0xA4: "responding-AP-title",
        0xA5: "responding-AE-qualifier", 0xA6: "responding-AP-invocation-id", 0xA7: "responding-AE-invocation-id",
        0x88: "responder-acse-requirements", 0x89: "mechanism-name", 0xAA: "responding-authentication-value",
    },
    RLRQ: {0x80: "reason", 0xBE: "user-information"},
    RLRE: {0x80: "reason", 0xBE: "user-information"},
}  # fmt: skip
_CONTEXTS: Final = {int(context): context.name.replace("_CIPHERED", "-ciphered") for context in Context}
_MECHANISMS: Final = {int(name): name.name.replace("_", "-") for name in MechanismName}
_UNIVERSAL: Final = {
    0x02: "integer", 0x04: "octet-string", 0x06: "object identifier", 0x80: "charstring", 0x81: "bitstring",
}  # fmt: skip
_REASONS: Final = {int(reason): reason.name.lower().replace("_", "-") for reason in ReleaseReason}
_RESULTS: Final = {int(result): result.name.lower().replace("_", "-") for result in Result}
_SOURCES: Final = {int(Source.USER): "acse-service-user", int(Source.PROVIDER): "acse-service-provider"}

Inner = Callable[[Scan, Memory], None]


def read_acse(scan: Scan, memory: Memory, inner: Inner) -> None:
    """Read one of the four; ``inner`` reads the APDU in the user-information."""
    tag, size = _head(scan, dict.fromkeys(_NAMES, "tag and length"))
    within(scan, size, lambda part: _read_fields(part, tag, memory, inner))


def _read_fields(scan: Scan, apdu: int, memory: Memory, inner: Inner) -> None:
    while scan.left:
        tag = scan.peek()[0]
        name = _FIELDS[apdu].get(tag, f"field {tag:02x}")
        with scan.branch(name) as node:
            _, size = _head(scan, {tag: "tag and length"})
            within(scan, size, partial(_read_content, name=name, memory=memory, inner=inner))
            node.meaning = next((child.meaning for child in reversed(node.children[1:]) if child.meaning), "")


def _read_content(scan: Scan, name: str, memory: Memory, inner: Inner) -> None:
    if name == "user-information":
        _, size = _head(scan, {0x04: "octet-string"})
        within(scan, size, lambda part: inner(part, memory))
    elif name in _CONTENTS:
        _CONTENTS[name](scan)
    elif name.endswith("AP-title"):
        title = _inner(scan)
        memory.learn_title(title.octets)
    elif name.startswith("field") or scan.peek(1)[:1] not in {b"\x02", b"\x04"}:
        scan.leaf(scan.left, "octets")
    else:
        _inner(scan)


def _inner(scan: Scan) -> Node:
    """Read a field within a field."""
    _, size = _head(scan, _UNIVERSAL)
    node = scan.leaf(size, "content")
    node.meaning = octet_words(node.octets)
    return node


def _read_context(scan: Scan) -> None:
    node = _inner(scan)
    node.meaning = _CONTEXTS.get(_last(node), "unknown") + f" ({_dotted(node.octets)})"


def _read_mechanism(scan: Scan) -> None:
    node = scan.leaf(scan.left, "object identifier")
    node.meaning = _MECHANISMS.get(_last(node), "unknown") + f" ({_dotted(node.octets)})"


def _read_result(scan: Scan) -> None:
    node = _inner(scan)
    node.meaning = f"{_RESULTS.get(_last(node), 'unknown')} ({_last(node)})"


def _read_diagnostic(scan: Scan) -> None:
    tag, size = _head(scan, _SOURCES)
    within(scan, size, lambda part: _diagnosed(part, tag))


def _diagnosed(scan: Scan, source: int) -> None:
    node = _inner(scan)
    names = {number: name for (who, number), name in DIAGNOSTICS.items() if who == source}
    node.meaning = f"{names.get(_last(node), 'unknown')} ({_last(node)})"


def _read_reason(scan: Scan) -> None:
    node = scan.leaf(scan.left, "reason")
    number = int.from_bytes(node.octets, "big")
    node.meaning = f"{_REASONS.get(number, 'unknown')} ({number})"


def _read_requirements(scan: Scan) -> None:
    node = scan.leaf(scan.left, "bits")
    node.meaning = "authentication" if node.octets[-1:] == b"\x80" else node.octets.hex()


_CONTENTS: Final[Mapping[str, Callable[[Scan], object]]] = {
    "application-context-name": _read_context,
    "mechanism-name": _read_mechanism,
    "result": _read_result,
    "result-source-diagnostic": _read_diagnostic,
    "reason": _read_reason,
    "sender-acse-requirements": _read_requirements,
    "responder-acse-requirements": _read_requirements,
    "calling-authentication-value": _inner,
    "responding-authentication-value": _inner,
}


def _head(scan: Scan, names: Mapping[int, str]) -> tuple[int, int]:
    """Read tag and length (BER); return both."""
    octets = scan.peek(2 + _MAX_LENGTH_OCTETS)
    if len(octets) < 2:
        raise BadData("a field without length")
    count, size = 0, octets[1]
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= _MAX_LENGTH_OCTETS or len(octets) < 2 + count:
            raise BadData(f"a length of {count} octets")
        size = int.from_bytes(octets[2 : 2 + count], "big")
    scan.leaf(2 + count, names.get(octets[0], f"tag {octets[0]:02x}"), f"{size} octets")
    return octets[0], size


def _last(node: Node) -> int:
    return node.octets[-1] if node.octets else -1


def _dotted(octets: bytes) -> str:
    """Return an object identifier as numbers with dots (X.690, 8.19)."""
    numbers: list[int] = []
    number = 0
    for octet in octets:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers += [number] if numbers else [min(number // 40, 2), number - 40 * min(number // 40, 2)]
            number = 0
    return ".".join(map(str, numbers))
