"""ACCESS, notifications, and reading and writing by short name (IEC 62056-5-3, 9.3 and 9.4), field by field.

Goes in: a scan that stands at the APDU's tag. Comes out: nodes.
"""

from typing import Final

from poller.dlms.errors import BadData
from poller.dlms.explain.data import read_data
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.services import ACTION_RESULTS, RESULTS, attribute, long_invoke, many, moment
from poller.dlms.explain.tree import Scan

_ACCESS_KINDS: Final = {1: "get", 2: "set", 3: "action", 4: "get-with-selection", 5: "set-with-selection"}
_ACTION, _WITH_SELECTION = 3, 4
_SHORT_TAGS: Final = {
    0x05: "readRequest", 0x06: "writeRequest", 0x0C: "readResponse", 0x0D: "writeResponse",
    0x16: "unconfirmedWriteRequest", 0x18: "informationReportRequest",
}  # fmt: skip
_SHORT_KINDS: Final = {
    2: "variable-name", 4: "parameterized-access", 5: "block-number-access", 6: "read-data-block-access",
    7: "write-data-block-access",
}  # fmt: skip
_SHORT_RESULTS: Final = {0: "data", 1: "data-access-error", 2: "data-block-result", 3: "block-number"}


def read_data_notification(scan: Scan, _memory: Memory) -> None:
    """Read a data-notification: what a meter pushes."""
    scan.leaf(1, "tag", "data-notification")
    long_invoke(scan)
    moment(scan)
    read_data(scan, "notification-body")


def read_notification_confirm(scan: Scan, _memory: Memory) -> None:
    """Read a data-notification-confirm."""
    scan.leaf(1, "tag", "data-notification-confirm")
    long_invoke(scan)
    moment(scan)


def read_event_notification(scan: Scan, _memory: Memory) -> None:
    """Read an event-notification-request."""
    scan.leaf(1, "tag", "event-notification-request")
    if scan.flag("time"):
        moment(scan)
    attribute(scan)
    read_data(scan, "attribute-value")


def read_access_request(scan: Scan, _memory: Memory) -> None:
    """Read an access-request."""
    scan.leaf(1, "tag", "access-request")
    long_invoke(scan)
    moment(scan)
    many(scan, "access-request-specification", _access_item)
    many(scan, "access-request-list-of-data", read_data)


def read_access_response(scan: Scan, _memory: Memory) -> None:
    """Read an access-response."""
    scan.leaf(1, "tag", "access-response")
    long_invoke(scan)
    moment(scan)
    if scan.flag("access-request-specification"):
        many(scan, "access-request-specification", _access_item)
    many(scan, "access-response-list-of-data", read_data)
    many(scan, "access-response-specification", _access_result)


def _access_item(scan: Scan) -> None:
    kind = scan.number(1, "access", _ACCESS_KINDS)
    if kind not in _ACCESS_KINDS:
        raise BadData(f"an access specification has no type {kind}")
    attribute(scan, "method" if kind == _ACTION else "attribute")
    if kind >= _WITH_SELECTION:
        scan.number(1, "access-selector")
        read_data(scan, "parameters")


def _access_result(scan: Scan) -> None:
    kind = scan.number(1, "access", _ACCESS_KINDS)
    scan.number(1, "result", ACTION_RESULTS if kind == _ACTION else RESULTS)


def read_short(scan: Scan, _memory: Memory) -> None:
    """Read a service with short names."""
    tag = scan.peek()[0]
    scan.leaf(1, "tag", _SHORT_TAGS[tag])
    if tag == 0x05:
        many(scan, "variable-access-specifications", _variable)
    elif tag == 0x0C:
        many(scan, "results", _read_result)
    elif tag == 0x0D:
        many(scan, "results", _write_result)
    else:
        if tag == 0x18 and scan.flag("current-time"):
            moment(scan)
        many(scan, "variable-access-specifications", _variable)
        many(scan, "values", read_data)


def _variable(scan: Scan) -> None:
    kind = scan.number(1, "choice", _SHORT_KINDS)
    if kind not in _SHORT_KINDS:
        raise BadData(f"a variable access specification has no type {kind}")
    if kind in {6, 7}:
        scan.flag("last-block", "true", "false")
    node = scan.leaf(2, "block-number" if kind > 4 else "short name")
    node.meaning = str(int.from_bytes(node.octets, "big")) if kind > 4 else f"{node.octets.hex()}"
    if kind == 4:
        scan.number(1, "selector")
        read_data(scan, "parameter")
    elif kind == 6:
        scan.leaf(scan.length(), "raw-data")


def _read_result(scan: Scan) -> None:
    kind = scan.number(1, "choice", _SHORT_RESULTS)
    if kind == 0:
        read_data(scan)
    elif kind == 1:
        scan.number(1, "data-access-error", RESULTS)
    elif kind == 2:
        scan.flag("last-block", "true", "false")
        scan.number(2, "block-number")
        scan.leaf(scan.length(), "raw-data")
    elif kind == 3:
        scan.number(2, "block-number")
    else:
        raise BadData(f"a read result has no type {kind}")


def _write_result(scan: Scan) -> None:
    kind = scan.number(1, "choice", {0: "success", 1: "data-access-error", 2: "block-number"})
    if kind == 1:
        scan.number(1, "data-access-error", RESULTS)
    elif kind == 2:
        scan.number(2, "block-number")
