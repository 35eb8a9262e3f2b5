"""Notifications of the three services; pushes of real meters are vectors."""

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import BadData, UnexpectedReply
from poller.dlms.notification import Notification, NotificationKind, decode_notification

FIVE = Data(DataType.UINT8, 5)
MOMENT = DateTime(Date(2026, 1, 2, 5), Time(3, 4, 5, 0), -60, 0)
MOMENT_HEX = "07ea01020503040500ffc400"


def decode(octets: str) -> Notification:
    return decode_notification(bytes.fromhex(octets))


def test_a_data_notification_with_and_without_its_moment() -> None:
    assert decode("0f4000000700" + "1105") == Notification(NotificationKind.DATA, FIVE, None, 7, confirmed=True)
    assert decode("0f80000007" + "0c" + MOMENT_HEX + "1105") == Notification(NotificationKind.DATA, FIVE, MOMENT, 7)


def test_a_moment_with_a_tag_before_it_is_understood() -> None:
    assert decode("0f00000007" + "090c" + MOMENT_HEX + "1105").moment == MOMENT


def test_an_event_notification_names_its_attribute() -> None:
    ref = AttributeRef(1, Obis(0, 0, 97, 98, 0), 2)
    body = "00010000616200ff02" + "1105"
    assert decode("c200" + body) == Notification(NotificationKind.EVENT, FIVE, ref=ref)
    assert decode("c201" + "0c" + MOMENT_HEX + body) == Notification(NotificationKind.EVENT, FIVE, MOMENT, ref=ref)


def test_an_information_report_names_its_variables() -> None:
    found = decode("18" + "01" + "0232" + "36" + "02" + "020100" + "0401080211" + "05" + "02" + "11051105")
    assert found.kind is NotificationKind.REPORT
    assert found.names == (0x0100, 0x0108)
    assert found.data == Data(DataType.STRUCTURE, (FIVE, FIVE))
    assert found.text_moment == "26"


@pytest.mark.parametrize(
    "octets",
    ["", "c4", "0f", "0f000000", "0f00000000" + "0c", "0f00000000" + "03aabbcc1105", "c200", "c2010c", "c2000001", "18",
     "1800" + "01050001" + "011105"],
)  # fmt: skip
def test_malformed_notifications_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode(octets)


@pytest.mark.parametrize(
    "octets", ["0f0000000000" + "11", "0f0000000000" + "110500", "c200" + "00010000616200ff02" + "aa"]
)
def test_a_value_that_cannot_be_read_is_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        decode(octets)
