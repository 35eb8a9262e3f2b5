"""xDLMS services around the reading itself (IEC 62056-5-3): initiate, confirmed-service-error, exception-response.

Goes in: what we propose, or received octets. Comes out: octets, or typed fields. Every fault of received octets is
UnexpectedReply.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

from poller.dlms.axdr import Reader
from poller.dlms.errors import BadData, UnexpectedReply

INITIATE_REQUEST, INITIATE_RESPONSE, SERVICE_ERROR, EXCEPTION_RESPONSE = 0x01, 0x08, 0x0E, 0xD8
DLMS_VERSION: Final = 6
_CONFORMANCE_TAG: Final = bytes.fromhex("5f1f")
_UNUSED_BITS: Final = 0
_NO_QUALITY: Final = 0


class Conformance(IntFlag):
    """The conformance block; bit 0 of the standard is the highest of the 24 (IEC 62056-5-3, 7.3.1)."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE_0_WITH_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE_0_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET = 1 << 12
    BLOCK_TRANSFER_WITH_SET = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


DEFAULT_CONFORMANCE: Final = (
    Conformance.ATTRIBUTE_0_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)
FULL_CONFORMANCE: Final = (
    DEFAULT_CONFORMANCE
    | Conformance.ATTRIBUTE_0_WITH_SET
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.DATA_NOTIFICATION
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACCESS
)
"""All that a client with logical names can use, for those who do more than read values."""

_ERROR_SERVICES: Final = {1: "initiateError", 5: "read", 6: "write"}
_SERVICE_ERRORS: Final = {
    0: ("application-reference", ("other", "time-elapsed", "application-unreachable", "application-reference-invalid",
                                  "application-context-unsupported", "provider-communication-error",
                                  "deciphering-error")),
    1: ("hardware-resource", ("other", "memory-unavailable", "processor-resource-unavailable",
                              "mass-storage-unavailable", "other-resource-unavailable")),
    2: ("vde-state-error", ("other", "no-dlms-context", "loading-data-set", "status-nochange", "status-inoperable")),
    3: ("service", ("other", "pdu-size", "service-unsupported")),
    4: ("definition", ("other", "object-undefined", "object-class-inconsistent", "object-attribute-inconsistent")),
    5: ("access", ("other", "scope-of-access-violated", "object-access-violated", "hardware-fault",
                   "object-unavailable")),
    6: ("initiate", ("other", "dlms-version-too-low", "incompatible-conformance", "pdu-size-too-short",
                     "refused-by-the-VDE-Handler")),
    7: ("load-data-set", ("other", "primitive-out-of-sequence", "not-loadable", "dataset-size-too-large",
                          "not-awaited-segment", "interpretation-failure", "storage-failure",
                          "data-set-not-ready")),
    9: ("task", ("other", "no-remote-control", "ti-stopped", "ti-running", "ti-unusable")),
}  # fmt: skip
_STATE_ERRORS: Final = {1: "service-not-allowed", 2: "service-unknown"}
_EXCEPTION_SERVICES: Final = {
    1: "operation-not-possible",
    2: "service-not-supported",
    3: "other-reason",
    4: "pdu-too-long",
    5: "deciphering-error",
    6: "invocation-counter-error",
}
_DECIPHERING_ERROR: Final = 5
_INVOCATION_COUNTER_ERROR: Final = 6


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """What a client proposes. A conformance is a number here: of a Flag each combination is kept for ever."""

    conformance: int
    max_pdu: int
    version: int = DLMS_VERSION
    response_allowed: bool = True
    dedicated_key: bytes | None = field(default=None, repr=False)
    quality_of_service: int | None = None


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """What a server grants."""

    conformance: int
    max_pdu: int
    vaa_name: int
    version: int = DLMS_VERSION
    quality_of_service: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceError:
    """A confirmed-service-error."""

    service: int
    error_class: int
    error: int

    @property
    def service_text(self) -> str:
        """The service's name."""
        return _ERROR_SERVICES.get(self.service, f"service {self.service}")

    @property
    def error_text(self) -> str:
        """Class, name and numbers of the error."""
        name, errors = _SERVICE_ERRORS.get(self.error_class, ("unknown", ()))
        error = errors[self.error] if self.error < len(errors) else "unknown"
        return f"{name}: {error} ({self.error_class},{self.error})"

    def __str__(self) -> str:
        return f"confirmed-service-error {self.service_text}, {self.error_text}"


@dataclass(frozen=True, slots=True)
class ExceptionApdu:
    """An exception-response; with the counter that is expected when ours was too low."""

    state: int
    service: int
    expected_counter: int | None = None

    @property
    def undeciphered(self) -> bool:
        """Whether the server could not open what we sent: deciphering-error."""
        return self.service == _DECIPHERING_ERROR

    @property
    def state_text(self) -> str:
        """The state error's name and number."""
        return f"{_STATE_ERRORS.get(self.state, 'unknown')} ({self.state})"

    @property
    def service_text(self) -> str:
        """The service error's name and number."""
        return f"{_EXCEPTION_SERVICES.get(self.service, 'unknown')} ({self.service})"

    def __str__(self) -> str:
        return f"exception-response {self.state_text}, {self.service_text}"


@contextmanager
def structure_of(name: str) -> Iterator[None]:
    """Turn faults of what is read inside into UnexpectedReply: the APDU itself is malformed, not a value in it."""
    try:
        yield
    except BadData as fault:
        raise UnexpectedReply(f"{name}: {fault.detail}") from None


@contextmanager
def apdu_reader(octets: bytes, name: str) -> Iterator[Reader]:
    """Give a reader for one APDU; faults of its structure, and octets behind it, become UnexpectedReply."""
    reader = Reader(octets)
    with structure_of(name):
        yield reader
    if reader.left:
        raise UnexpectedReply(f"{name}: {reader.left} octets follow it")


def encode_initiate_request(request: InitiateRequest) -> bytes:
    """Return the octets of a request without quality of service or a refusal of responses."""
    key = request.dedicated_key
    return (
        bytes((INITIATE_REQUEST,))
        + (bytes((1, len(key))) + key if key else bytes(1))
        + bytes((0, 0, request.version))
        + _CONFORMANCE_TAG
        + bytes((4, _UNUSED_BITS))
        + request.conformance.to_bytes(3, "big")
        + request.max_pdu.to_bytes(2, "big")
    )


def decode_initiate_request(octets: bytes) -> InitiateRequest:
    """Return the fields of an initiate request."""
    with apdu_reader(octets, "initiate-request") as reader:
        _expect(reader, bytes((INITIATE_REQUEST,)))
        key = reader.take(reader.length()) if _present(reader) else None
        allowed = bool(reader.octet()) if _present(reader) else True
        quality = reader.octet() if _present(reader) else None
        version = reader.octet()
        conformance = _conformance(reader)
        return InitiateRequest(conformance, reader.unsigned(2), version, allowed, key, quality)


def decode_initiate_response(octets: bytes) -> InitiateResponse:
    """Return the fields of an initiate response."""
    with apdu_reader(octets, "initiate-response") as reader:
        _expect(reader, bytes((INITIATE_RESPONSE,)))
        quality = reader.octet() if _present(reader) else None
        version = reader.octet()
        conformance = _conformance(reader)
        return InitiateResponse(conformance, reader.unsigned(2), reader.unsigned(2), version, quality)


def decode_service_error(octets: bytes) -> ServiceError:
    """Return the fields of a confirmed-service-error."""
    with apdu_reader(octets, "confirmed-service-error") as reader:
        _expect(reader, bytes((SERVICE_ERROR,)))
        return ServiceError(reader.octet(), reader.octet(), reader.octet())


def decode_exception(octets: bytes) -> ExceptionApdu:
    """Return the fields of an exception-response."""
    with apdu_reader(octets, "exception-response") as reader:
        _expect(reader, bytes((EXCEPTION_RESPONSE,)))
        state, service = reader.octet(), reader.octet()
        told = service == _INVOCATION_COUNTER_ERROR and reader.left  # there are meters that keep it to themselves
        counter = reader.unsigned(4) if told else None
        return ExceptionApdu(state, service, counter)


def _present(reader: Reader) -> bool:
    return reader.octet() != 0


def _conformance(reader: Reader) -> int:
    """Read the conformance block: an application tag, as BER has it, and a bit string of 24 bits."""
    _expect(reader, _CONFORMANCE_TAG)
    _expect(reader, bytes((4, _UNUSED_BITS)))
    return reader.unsigned(3)


def _expect(reader: Reader, octets: bytes) -> None:
    found = reader.take(len(octets))
    if found != octets:
        raise BadData(f"{octets.hex()} expected, not {found.hex()}")
