"""Initiate services and refusals (IEC 62056-5-3, 7.3 and 8.2), field by field.

Goes in: a scan that stands at the APDU's tag. Comes out: nodes. A dedicated key that is met is remembered.
"""

from typing import Final

from poller.dlms.explain.memory import Memory
from poller.dlms.explain.tree import Scan
from poller.dlms.xdlms import Conformance, ExceptionApdu, ServiceError

_COUNTER_REFUSED: Final = 6


def read_initiate_request(scan: Scan, memory: Memory) -> None:
    """Read an initiateRequest."""
    scan.leaf(1, "tag", "initiateRequest")
    if scan.flag("dedicated-key"):
        memory.dedicated_key = scan.leaf(scan.length(), "dedicated-key").octets
    if scan.flag("response-allowed", absent="default: true"):
        scan.flag("response-allowed", "true", "false")
    _quality(scan)
    scan.number(1, "proposed-dlms-version-number")
    _conformance(scan, "proposed-conformance")
    scan.number(2, "client-max-receive-pdu-size")


def read_initiate_response(scan: Scan, _memory: Memory) -> None:
    """Read an initiateResponse."""
    scan.leaf(1, "tag", "initiateResponse")
    _quality(scan)
    scan.number(1, "negotiated-dlms-version-number")
    _conformance(scan, "negotiated-conformance")
    scan.number(2, "server-max-receive-pdu-size")
    name = scan.leaf(2, "vaa-name")
    name.meaning = {"0007": "0007 logical names", "fa00": "fa00 short names"}.get(name.octets.hex(), name.octets.hex())


def read_service_error(scan: Scan, _memory: Memory) -> None:
    """Read a confirmed-service-error."""
    scan.leaf(1, "tag", "confirmed-service-error")
    service, error_class, error = (scan.leaf(1, name) for name in ("service", "error class", "error"))
    refusal = ServiceError(service.octets[0], error_class.octets[0], error.octets[0])
    service.meaning, error.meaning = refusal.service_text, refusal.error_text


def read_exception(scan: Scan, _memory: Memory) -> None:
    """Read an exception-response; with the counter that the server expects when ours was too low."""
    scan.leaf(1, "tag", "exception-response")
    state, service = scan.leaf(1, "state-error"), scan.leaf(1, "service-error")
    refusal = ExceptionApdu(state.octets[0], service.octets[0])
    state.meaning, service.meaning = refusal.state_text, refusal.service_text
    if refusal.service == _COUNTER_REFUSED:
        scan.number(4, "expected invocation counter")


def conformance_words(bits: int) -> str:
    """Return the names of the bits that are set, first the number."""
    names = (str(flag.name).lower().replace("_", "-") for flag in Conformance if bits & flag)
    return f"{bits:06x}: {', '.join(names) or 'nothing'}"


def _quality(scan: Scan) -> None:
    if scan.flag("quality-of-service"):
        scan.number(1, "quality-of-service", signed=True)


def _conformance(scan: Scan, name: str) -> None:
    scan.leaf(2, f"{name} tag")
    scan.leaf(2, "length and unused bits")
    node = scan.leaf(3, name)
    node.meaning = conformance_words(int.from_bytes(node.octets, "big"))
