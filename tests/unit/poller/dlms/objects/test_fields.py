"""What attributes are made of."""

from collections.abc import Callable
from enum import IntEnum

import pytest

from common.obis import Obis
from poller.dlms.data import BitString, Data, DataType, DateTime
from poller.dlms.errors import BadData
from poller.dlms.objects import fields

NOON = DateTime.from_bytes(bytes.fromhex("07e8060f060c0000ffff8880"))
BOOLEAN = Data(DataType.BOOLEAN, True)
TEXT = Data(DataType.VISIBLE_STRING, "a")
OCTETS = Data(DataType.OCTET_STRING, b"\xe9")
NUMBER = Data(DataType.UINT16, 300)
PAIR = Data(DataType.STRUCTURE, (NUMBER, TEXT))
MOMENT_OCTETS = Data(DataType.OCTET_STRING, NOON.to_bytes())
MOMENT = Data(DataType.DATE_TIME, NOON)


class Colour(IntEnum):
    RED = 300


@pytest.mark.parametrize(
    ("parse", "data", "value"),
    [
        (fields.array, Data(DataType.ARRAY, (NUMBER,)), (NUMBER,)),
        (fields.array, Data(DataType.COMPACT_ARRAY, (NUMBER,)), (NUMBER,)),
        (lambda data: fields.structure(data, 1), PAIR, (NUMBER,)),
        (fields.integer, NUMBER, 300),
        (fields.integer, Data(DataType.ENUM, 3), 3),
        (fields.count, NUMBER, 300),
        (lambda data: fields.choice(data, Colour), NUMBER, Colour.RED),
        (fields.boolean, BOOLEAN, True),
        (fields.boolean, Data(DataType.UINT8, 0), False),
        (fields.octets, OCTETS, b"\xe9"),
        (fields.text, OCTETS, "é"),
        (fields.text, TEXT, "a"),
        (fields.bits, Data(DataType.BIT_STRING, BitString(b"\x80", 1)), BitString(b"\x80", 1)),
        (fields.logical_name, Data(DataType.OCTET_STRING, bytes((1, 0, 1, 8, 0, 255))), Obis(1, 0, 1, 8, 0)),
        (fields.moment, MOMENT, NOON),
        (fields.moment, MOMENT_OCTETS, NOON),
        (fields.is_moment, MOMENT, True),
        (fields.is_moment, MOMENT_OCTETS, True),
        (fields.is_moment, OCTETS, False),
        (fields.is_moment, NUMBER, False),
    ],
)
def test_values(parse: Callable[[Data], object], data: Data, value: object) -> None:
    assert parse(data) == value


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (fields.array, PAIR),
        (fields.array, Data(DataType.ARRAY, None)),
        (lambda data: fields.structure(data, 3), PAIR),
        (lambda data: fields.structure(data, 1), Data(DataType.ARRAY, (NUMBER,))),
        (fields.integer, BOOLEAN),
        (fields.integer, Data(DataType.FLOAT32, 1.0)),
        (fields.integer, Data(DataType.BCD, 1)),
        (fields.count, Data(DataType.INT8, -1)),
        (fields.count, Data(DataType.UINT64, 1 << 32)),
        (lambda data: fields.choice(data, Colour), Data(DataType.ENUM, 1)),
        (fields.boolean, TEXT),
        (fields.octets, TEXT),
        (fields.text, NUMBER),
        (fields.bits, OCTETS),
        (fields.logical_name, OCTETS),
        (fields.moment, OCTETS),
        (fields.moment, NUMBER),
    ],
)
def test_anything_else_is_bad_data(parse: Callable[[Data], object], data: Data) -> None:
    with pytest.raises(BadData):
        parse(data)


def test_a_moment_goes_as_octets_or_as_its_own_type() -> None:
    assert fields.encode_moment(NOON) == MOMENT_OCTETS
    assert fields.encode_moment(NOON, DataType.DATE_TIME) == MOMENT
    assert fields.encode_name(Obis(1, 0, 1, 8, 0)) == Data(DataType.OCTET_STRING, bytes((1, 0, 1, 8, 0, 255)))
