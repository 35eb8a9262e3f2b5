"""GET, SET, ACTION, ACCESS and notifications by logical name (IEC 62056-5-3, 9.3), field by field.

Goes in: a scan that stands at the APDU's tag. Comes out: nodes. Blocks are joined in the memory; the last one brings
the whole value with it.
"""

from collections.abc import Callable
from typing import Final

from common.obis import Obis
from poller.dlms.data import DateTime
from poller.dlms.errors import BadData
from poller.dlms.explain.data import read_data
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.names import class_name, named
from poller.dlms.explain.tree import Node, Scan, derived
from poller.dlms.explain.values import moment_words

RESULTS: Final = {
    0: "success", 1: "hardware-fault", 2: "temporary-failure", 3: "read-write-denied", 4: "object-undefined",
    9: "object-class-inconsistent", 11: "object-unavailable", 12: "type-unmatched", 13: "scope-of-access-violated",
    14: "data-block-unavailable", 15: "long-get-aborted", 16: "no-long-get-in-progress", 17: "long-set-aborted",
    18: "no-long-set-in-progress", 19: "data-block-number-invalid", 250: "other-reason",
}  # fmt: skip
ACTION_RESULTS: Final = RESULTS | {15: "long-action-aborted", 16: "no-long-action-in-progress"}
_KINDS: Final = {
    0xC0: ("get-request", {1: "normal", 2: "next", 3: "with-list"}),
    0xC1: ("set-request", {1: "normal", 2: "with-first-datablock", 3: "with-datablock", 4: "with-list",
                           5: "with-list-and-first-datablock"}),
    0xC3: ("action-request", {1: "normal", 2: "next-pblock", 3: "with-list", 4: "with-first-pblock",
                              5: "with-list-and-first-pblock", 6: "with-pblock"}),
    0xC4: ("get-response", {1: "normal", 2: "with-datablock", 3: "with-list"}),
    0xC5: ("set-response", {1: "normal", 2: "datablock", 3: "last-datablock", 4: "last-datablock-with-list",
                            5: "with-list"}),
    0xC7: ("action-response", {1: "normal", 2: "with-pblock", 3: "with-list", 4: "next-pblock"}),
}  # fmt: skip
_MOMENT_OCTETS: Final = 12


def read_service(scan: Scan, memory: Memory) -> str:
    """Read a request or response of GET, SET or ACTION; return its name."""
    tag = scan.peek()[0]
    service, kinds = _KINDS[tag]
    scan.leaf(1, "tag", service)
    kind = scan.number(1, "type", kinds)
    invoke_words(scan.leaf(1, "invoke-id-and-priority"))
    content = _CONTENTS.get((tag, kind))
    if content is None:
        raise BadData(f"{service} has no type {kind}")
    content(scan, memory)
    return f"{service}-{kinds[kind]}"


def invoke_words(node: Node) -> None:
    """Say what an invoke-id-and-priority is: the identifier, confirmed or not, the priority."""
    octet = node.octets[0]
    priority = "high priority" if octet & 0x80 else "normal priority"
    node.meaning = f"invoke-id {octet & 0x0F}, {'confirmed' if octet & 0x40 else 'unconfirmed'}, {priority} ({octet})"


def attribute(scan: Scan, member: str = "attribute") -> None:
    """Read a cosem-attribute-descriptor, or with ``member`` method a cosem-method-descriptor."""
    with scan.branch(f"cosem-{member}-descriptor") as node:
        class_id = scan.leaf(2, "class-id")
        number = int.from_bytes(class_id.octets, "big")
        class_id.meaning = f"{class_name(number)} ({number})"
        name = scan.leaf(6, "instance-id")
        name.meaning = named(Obis.from_bytes(name.octets))
        index = scan.number(1, f"{member}-id", signed=True)
        node.meaning = f"{class_name(number)} {name.meaning} {member} {index}"


def many(scan: Scan, name: str, read: Callable[[Scan], object]) -> None:
    """Read a count and that many fields."""
    with scan.branch(name) as node:
        count = scan.length("count")
        node.meaning = str(count)
        for done in range(count):
            if not scan.left:
                raise BadData(f"{name} ends after {done} of {count}")
            read(scan)


def result(scan: Scan) -> None:
    """Read a Get-Data-Result: data, or why there is none."""
    choice = scan.look().octet()
    if choice > 1:
        raise BadData(f"a result is data (0) or an error (1), not {choice}")
    scan.leaf(1, "choice", "data-access-result" if choice else "data")
    if choice:
        scan.number(1, "data-access-result", RESULTS)
    else:
        read_data(scan)


def moment(scan: Scan) -> None:
    """Read an octet-string that holds a date-time, or nothing."""
    size = scan.length("date-time length")
    node = scan.leaf(size, "date-time", "not given" if size == 0 else "")
    if size == _MOMENT_OCTETS:
        node.meaning = moment_words(DateTime.from_bytes(node.octets))


def long_invoke(scan: Scan) -> None:
    """Read a long-invoke-id-and-priority."""
    node = scan.leaf(4, "long-invoke-id-and-priority")
    number = int.from_bytes(node.octets, "big")
    node.meaning = f"invoke-id {number & 0xFFFFFF}, {'high' if number >> 31 else 'normal'} priority"


def _selected(scan: Scan) -> None:
    """Read an attribute and the part of it that is meant."""
    attribute(scan)
    if scan.flag("access-selection"):
        selector = scan.number(1, "access-selector", {1: "by range", 2: "by entry"})
        read_data(scan, {1: "range", 2: "entries"}.get(selector, "parameters"))


def _method(scan: Scan) -> None:
    attribute(scan, "method")


def _block(scan: Scan, memory: Memory, service: str, whole: Callable[[Scan], object], *, choice: bool = False) -> None:
    """Read one block of a value; with the last one, the value. ``choice``: it may be a refusal instead."""
    last = scan.flag("last-block", "true", "false")
    number = scan.number(4, "block-number")
    if choice and scan.leaf(1, "choice").octets != b"\0":
        scan.number(1, "data-access-result", RESULTS)
        return
    size = scan.length("raw-data length")
    content = scan.leaf(size, "raw-data", f"block {number}{', the last' if last else ''}").octets
    joined = memory.join(service, content, first=number <= 1, last=last)
    if joined is not None and number > 1:
        scan.derive(derived(joined, "joined blocks", f"{len(joined)} octets", memory.budget, whole))
    elif joined is not None:
        scan.derive(derived(joined, "content of the block", f"{len(joined)} octets", memory.budget, whole))


def _get_normal(scan: Scan, memory: Memory) -> None:
    memory.asked_list = False
    _selected(scan)


def _get_list(scan: Scan, memory: Memory) -> None:
    memory.asked_list = True
    many(scan, "attributes", _selected)


def _get_block(scan: Scan, memory: Memory) -> None:
    def whole(part: Scan) -> None:
        if memory.asked_list:
            many(part, "results", result)
        else:
            read_data(part)

    _block(scan, memory, "get", whole, choice=True)


def _set_normal(scan: Scan, _memory: Memory) -> None:
    _selected(scan)
    read_data(scan, "value")


def _set_list(scan: Scan, _memory: Memory) -> None:
    many(scan, "attributes", _selected)
    many(scan, "values", read_data)


def _set_first(scan: Scan, memory: Memory) -> None:
    _selected(scan)
    _block(scan, memory, "set", read_data)


def _set_list_first(scan: Scan, memory: Memory) -> None:
    many(scan, "attributes", _selected)
    _block(scan, memory, "set", lambda part: many(part, "values", read_data))


def _action_normal(scan: Scan, _memory: Memory) -> None:
    _method(scan)
    if scan.flag("method-invocation-parameters"):
        read_data(scan, "parameters")


def _action_list(scan: Scan, _memory: Memory) -> None:
    many(scan, "methods", _method)
    many(scan, "parameters", read_data)


def _action_first(scan: Scan, memory: Memory) -> None:
    _method(scan)
    _block(scan, memory, "action", read_data)


def _action_list_first(scan: Scan, memory: Memory) -> None:
    many(scan, "methods", _method)
    _block(scan, memory, "action", lambda part: many(part, "parameters", read_data))


def _answered(scan: Scan) -> None:
    scan.number(1, "action-result", ACTION_RESULTS)
    if scan.flag("return-parameters"):
        result(scan)


def _set_result(scan: Scan) -> None:
    scan.number(1, "result", RESULTS)


def _set_last(scan: Scan, _memory: Memory) -> None:
    _set_result(scan)
    scan.number(4, "block-number")


def _set_last_list(scan: Scan, _memory: Memory) -> None:
    many(scan, "results", _set_result)
    scan.number(4, "block-number")


def _number(scan: Scan, _memory: Memory) -> None:
    scan.number(4, "block-number")


_CONTENTS: Final[dict[tuple[int, int], Callable[[Scan, Memory], None]]] = {
    (0xC0, 1): _get_normal,
    (0xC0, 2): _number,
    (0xC0, 3): _get_list,
    (0xC1, 1): _set_normal,
    (0xC1, 2): _set_first,
    (0xC1, 3): lambda scan, memory: _block(scan, memory, "set", read_data),
    (0xC1, 4): _set_list,
    (0xC1, 5): _set_list_first,
    (0xC3, 1): _action_normal,
    (0xC3, 2): _number,
    (0xC3, 3): _action_list,
    (0xC3, 4): _action_first,
    (0xC3, 5): _action_list_first,
    (0xC3, 6): lambda scan, memory: _block(scan, memory, "action", read_data),
    (0xC4, 1): lambda scan, _memory: result(scan),
    (0xC4, 2): _get_block,
    (0xC4, 3): lambda scan, _memory: many(scan, "results", result),
    (0xC5, 1): lambda scan, _memory: _set_result(scan),
    (0xC5, 2): _number,
    (0xC5, 3): _set_last,
    (0xC5, 4): _set_last_list,
    (0xC5, 5): lambda scan, _memory: many(scan, "results", _set_result),
    (0xC7, 1): lambda scan, _memory: _answered(scan),
    (0xC7, 2): lambda scan, memory: _block(scan, memory, "action answer", _answered),
    (0xC7, 3): lambda scan, _memory: many(scan, "responses", _answered),
    (0xC7, 4): _number,
}
