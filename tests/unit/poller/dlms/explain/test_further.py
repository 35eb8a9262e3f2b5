"""ACCESS, notifications and short names field by field."""

import pytest

from tests.support.explaining import faults, lines

CLOCK = "00080000010000ff02"
METHOD = "0046000060030aff01"
LONG_INVOKE = "c0000005"
MOMENT = "0c07e50603040e091700ffc400"


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("0f" + LONG_INVOKE + MOMENT + "1105", "data-notification", "date-time: 2021-06-03T14:09:23+01:00"),
        ("0f" + LONG_INVOKE + "00" + "1105", "data-notification", "notification-body: unsigned: 5"),
        ("10" + LONG_INVOKE + "00", "data-notification-confirm", "date-time: not given"),
        ("c201" + MOMENT + CLOCK + "1105", "event-notification-request", "attribute-value: unsigned: 5"),
        ("c200" + CLOCK + "1105", "event-notification-request", "time: absent"),
        (
            "d9" + LONG_INVOKE + "00" + "03" + "01" + CLOCK + "03" + METHOD + "04" + CLOCK + "011105" + "03000000",
            "access-request",
            "access: get-with-selection (4)",
        ),
        ("da" + LONG_INVOKE + "00" + "00" + "011105" + "020100030f", "access-response", "result: success (0)"),
        ("da" + LONG_INVOKE + "00" + "0101" + "02" + CLOCK + "0100" + "010203", "access-response", "access: set (2)"),
        ("050102fa08", "readRequest", "short name: fa08"),
        ("050104fa08011105", "readRequest", "parameter: unsigned: 5"),
        ("05010500" + "02", "readRequest", "block-number: 2"),
        ("0501060100" + "02" + "01aa", "readRequest", "raw-data"),
        ("0501070100" + "02", "readRequest", "last-block: true"),
        ("0c02001105" + "0103", "readResponse", "data-access-error: read-write-denied (3)"),
        ("0c0202010001" + "01aa" + "030002", "readResponse", "block-number: 2"),
        ("060102fa08011105", "writeRequest", "values: 1"),
        ("0d0300" + "0103" + "020005", "writeResponse", "block-number: 5"),
        ("160102fa08011105", "unconfirmedWriteRequest", "unsigned: 5"),
        ("1801" + MOMENT + "0102fa08011105", "informationReportRequest", "current-time: present"),
        ("18000102fa08011105", "informationReportRequest", "current-time: absent"),
    ],
)
def test_each_service_is_told(text: str, name: str, line: str) -> None:
    found = lines(text)
    assert found[0] == name
    assert line in found
    assert not [each for each in found if each.startswith("!")]


def test_action_results_of_access_are_those_of_actions() -> None:
    text = "da" + LONG_INVOKE + "00" + "00" + "011105" + "01030f"
    assert "result: long-action-aborted (15)" in lines(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("d9" + LONG_INVOKE + "00" + "0109", "an access specification has no type 9"),
        ("050109", "a variable access specification has no type 9"),
        ("0c0109", "a read result has no type 9"),
        ("0f" + LONG_INVOKE + "05" + "aa", "5 octets expected for date-time, but only 1 are left"),
    ],
)
def test_what_is_wrong_is_told(text: str, reason: str) -> None:
    assert reason in faults(text)


def test_a_date_time_of_another_size_is_only_shown() -> None:
    assert "date-time" in lines("0f" + LONG_INVOKE + "02aabb" + "1105")
