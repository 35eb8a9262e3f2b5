"""What a server sends unasked (IEC 62056-5-3, 6.10, 6.11 and 6.17): notifications of three kinds.

Goes in: a received APDU. Comes out: one Notification, whatever the service. A structure that is wrong raises
UnexpectedReply, a value that cannot be decoded BadData. Nothing here answers: none of the three asks for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from common.obis import Obis
from poller.dlms.axdr import Reader
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import BadData, UnexpectedReply
from poller.dlms.short_service import INFORMATION_REPORT, Parameterized, Variable, decode_information_report
from poller.dlms.xdlms import structure_of

DATA_NOTIFICATION, EVENT_NOTIFICATION = 0x0F, 0xC2
UNSOLICITED: Final = frozenset((DATA_NOTIFICATION, EVENT_NOTIFICATION, INFORMATION_REPORT))
"""The tags of what nobody asked for."""
_INVOKE_MASK: Final = 0xFF_FFFF
_CONFIRMED: Final = 0x4000_0000
_MOMENT_OCTETS: Final = 12
_TAGGED_MOMENT: Final = bytes((DataType.OCTET_STRING, _MOMENT_OCTETS))
"""How some meters begin the time: with a tag, as if it were a value. No time has nine octets."""


class NotificationKind(StrEnum):
    """The three services."""

    DATA = "data-notification"
    EVENT = "event-notification"
    REPORT = "information-report"


@dataclass(frozen=True, slots=True)
class Notification:
    """What came: ``data`` is the body of a data-notification, or the value of an attribute or variables."""

    kind: NotificationKind
    data: Data
    moment: DateTime | None = None
    """When the server says that it was; None: it does not."""
    invoke: int | None = None
    """The number of a data-notification."""
    confirmed: bool = False
    """The service class of a data-notification. A confirmation goes by the link below, not by an APDU of ours."""
    ref: AttributeRef | None = None
    """Whose value an event-notification brings."""
    names: tuple[int, ...] = ()
    """Whose values an information-report brings: short names, in the order of the structure in ``data``."""
    text_moment: str | None = None
    """The time of an information-report, a text of its own kind."""


def decode_notification(octets: bytes) -> Notification:
    """Return what a received APDU of one of the three services says."""
    if not octets:
        raise UnexpectedReply("an empty APDU")
    decoder = _DECODERS.get(octets[0])
    if decoder is None:
        raise UnexpectedReply(f"a notification expected, not an APDU with tag {octets[0]:02x}")
    return decoder(octets)


def _data_notification(octets: bytes) -> Notification:
    reader = Reader(octets)
    with structure_of("data-notification"):
        reader.take(1)
        invoke = reader.unsigned(4)
        if octets[reader.at : reader.at + len(_TAGGED_MOMENT)] == _TAGGED_MOMENT:
            reader.take(1)
        moment = _moment(reader)
    data = _last_value(reader)
    confirmed = bool(invoke & _CONFIRMED)
    return Notification(NotificationKind.DATA, data, moment, invoke & _INVOKE_MASK, confirmed)


def _event_notification(octets: bytes) -> Notification:
    reader = Reader(octets)
    with structure_of("event-notification"):
        reader.take(1)
        moment = _moment(reader) if reader.octet() else None
        class_id, obis = reader.unsigned(2), Obis.from_bytes(reader.take(6))
        ref = AttributeRef(class_id, obis, int.from_bytes(reader.take(1), "big", signed=True))
    return Notification(NotificationKind.EVENT, _last_value(reader), moment, ref=ref)


def _information_report(octets: bytes) -> Notification:
    report = decode_information_report(octets)
    names = [variable.name for variable in report.variables if isinstance(variable, Variable | Parameterized)]
    if len(names) != len(report.variables):
        raise UnexpectedReply("an information-report of blocks")
    values = Data(DataType.STRUCTURE, report.values)
    return Notification(NotificationKind.REPORT, values, names=tuple(names), text_moment=report.moment)


def _moment(reader: Reader) -> DateTime | None:
    """Read a date-time that may be empty."""
    octets = reader.take(reader.length())
    return DateTime.from_bytes(octets) if octets else None


def _last_value(reader: Reader) -> Data:
    data = reader.data()
    if reader.left:
        raise BadData(f"{reader.left} octets follow the value")
    return data


_DECODERS: Final[Mapping[int, Callable[[bytes], Notification]]] = {
    DATA_NOTIFICATION: _data_notification,
    EVENT_NOTIFICATION: _event_notification,
    INFORMATION_REPORT: _information_report,
}
