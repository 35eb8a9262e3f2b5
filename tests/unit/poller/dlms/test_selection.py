"""Selections by their octets; those of a profile by range and by entry are vectors that must come out the same."""

import json
from pathlib import Path

import pytest

from common.obis import Obis
from poller.dlms.axdr import encode_data
from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadParameter
from poller.dlms.selection import (
    Column,
    by_classes,
    by_entry,
    by_object,
    by_objects,
    by_range,
    without_rights,
)

VECTORS = Path(__file__).parents[3] / "vectors" / "dlms_public.json"
CLOCK = Obis(0, 0, 1, 0, 0)
ENERGY = AttributeRef(3, Obis(1, 0, 1, 8, 0), 2)


def octets_of(selection: Selection) -> str:
    return (bytes((selection.selector,)) + encode_data(selection.parameters)).hex()


def stated(name: str) -> str:
    """Return what a vector has behind the attribute: that there is a selection, and the selection."""
    (vector,) = [each for each in json.loads(VECTORS.read_text("utf-8"))["vectors"] if each["id"] == name]
    hexed: str = vector["hex"]
    return hexed[24:]


def moment(hour: int) -> DateTime:
    return DateTime(Date(2017, 10, 1, 7), Time(hour, 0, 0, 0), -60, 0x80)


def test_a_range_is_that_of_the_vector() -> None:
    assert "01" + octets_of(by_range(moment(0), moment(1))) == stated("get-req-range")


def test_entries_are_those_of_the_vector() -> None:
    assert "01" + octets_of(by_entry(1, 2)) == stated("get-req-entry")


def test_columns_of_a_range_are_capture_objects() -> None:
    column = Column(ENERGY, index=1)
    chosen = by_range(Data(DataType.UINT32, 1), Data(DataType.UINT32, 9), [column], restricting=column)
    definition = "020412000309060100010800ff0f02120001"
    assert octets_of(chosen) == f"010204{definition}06000000010600000009" + f"0101{definition}"


def test_no_end_means_all_that_follow() -> None:
    assert octets_of(by_entry(3, first_column=2, last_column=4)) == "020204060000000306000000001200021200" + "04"


@pytest.mark.parametrize(
    ("entries", "columns"),
    [
        ((0, 1), (1, 0)),
        ((2, 1), (1, 0)),
        ((1, 0), (0, 0)),
        ((1, 0), (3, 2)),
        ((1, 1 << 32), (1, 0)),
        ((1, 0), (1, 1 << 16)),
    ],
)
def test_places_that_cannot_be_are_refused(entries: tuple[int, int], columns: tuple[int, int]) -> None:
    with pytest.raises(BadParameter):
        by_entry(*entries, *columns)


def test_objects_of_an_association_by_class_and_by_name() -> None:
    assert octets_of(without_rights()) == "0100"
    assert octets_of(by_classes([3, 8])) == "020102120003120008"
    clock = "020212000809060000010000ff"
    assert octets_of(by_objects([(8, CLOCK)])) == f"030101{clock}"
    assert octets_of(by_object(8, CLOCK)) == f"04{clock}"
