"""Rows: nulls, scalers, damaged rows, compact arrays."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from common.obis import Obis
from poller.dlms.axdr import decode_whole
from poller.dlms.cosem import ScalerUnit
from poller.dlms.data import BitString, Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import BadData
from poller.dlms.objects import rows as rows_module
from poller.dlms.objects.profile_layout import ColumnKind, ProfileColumn, ProfileLayout, SortMethod
from poller.dlms.objects.rows import Row, Skips, decode_rows, in_order, stepped
from poller.dlms.selection import Column
from tests.support.cosem_objects import NULL, PROFILE, array, integer, octets, structure

START = datetime(2024, 3, 30, 22, 30, tzinfo=timezone(timedelta(hours=1)))
QUARTER = timedelta(minutes=15)


def column(class_id: int, obis: str, kind: ColumnKind, scaling: ScalerUnit | None = None) -> ProfileColumn:
    return ProfileColumn(Column(AttributeRef(class_id, Obis.parse(obis), 2)), kind, scaling)


CLOCK = column(8, "0-0:1.0.0", ColumnKind.MOMENT)
STATUS = column(1, "0-0:96.10.1", ColumnKind.STATUS)
ENERGY = column(3, "1-0:1.8.0", ColumnKind.SCALED, ScalerUnit(-1, 30))
NOTE = column(1, "0-0:96.5.0", ColumnKind.PLAIN)
LAYOUT = ProfileLayout(PROFILE, (CLOCK, STATUS, ENERGY), 900, SortMethod.FIFO)


def at(moment: datetime) -> Data:
    return octets(DateTime.from_datetime(moment).to_bytes())


def decode(buffer: Data, layout: ProfileLayout = LAYOUT, chosen: tuple[int, ...] | None = None) -> list[Row]:
    skips = Skips()
    found = decode_rows(buffer, layout, range(len(layout.columns)) if chosen is None else chosen, skips)
    assert skips.reasons == []
    return found


def test_a_row_is_typed() -> None:
    bits = Data(DataType.BIT_STRING, BitString(b"\x80", 8))
    (row,) = decode(array(structure(at(START), bits, integer(15))))
    moment = DateTime.from_datetime(START)
    assert row == Row(
        START,
        moment,
        BitString(b"\x80", 8),
        (moment.to_bytes(), BitString(b"\x80", 8), 15),
        (moment, BitString(b"\x80", 8), Decimal("1.5")),
    )


def test_what_is_left_out_is_as_before_and_the_time_one_period_on() -> None:
    first = structure(at(START), integer(1), integer(15))
    found = decode(array(first, structure(NULL, NULL, integer(16)), structure(NULL, integer(2), NULL)))
    assert [row.time for row in found] == [START, START + QUARTER, START + 2 * QUARTER]
    assert [row.status for row in found] == [1, 1, 2]
    assert [row.values[2] for row in found] == [Decimal("1.5"), Decimal("1.6"), Decimal("1.6")]
    assert [row.repeated for row in found] == [(), (0, 1), (0, 2)]
    assert found[1].moment == DateTime.from_datetime(START + QUARTER)


def test_newest_first_the_time_is_one_period_earlier() -> None:
    layout = ProfileLayout(PROFILE, (CLOCK, ENERGY), 3600, SortMethod.LIFO)
    found = decode(array(structure(at(START), integer(15)), structure(NULL, integer(14))), layout)
    assert found[1].time == START - timedelta(hours=1)


def test_without_a_period_a_time_that_is_left_out_is_not_known() -> None:
    layout = ProfileLayout(PROFILE, (CLOCK, ENERGY))
    found = decode(array(structure(at(START), integer(15)), structure(NULL, NULL), structure(NULL, NULL)), layout)
    assert [(row.time, row.values[1]) for row in found[1:]] == [(None, Decimal("1.5"))] * 2


def test_what_is_left_out_in_the_first_row_is_not_known_and_said() -> None:
    skips = Skips()
    rows = decode_rows(array(structure(NULL, integer(1), NULL)), LAYOUT, (0, 1, 2), skips)
    assert (rows[0].time, rows[0].values, rows[0].repeated) == (None, (None, 1, None), ())
    assert skips.reasons == ["row 1 of an answer: columns (0, 2) are left out, and nothing is before"]


@pytest.mark.parametrize(
    "bad",
    [
        integer(1),
        structure(integer(1)),
        structure(integer(1), integer(1), integer(1)),
        structure(octets(bytes.fromhex("07e80d0fff0c000000ff8880")), integer(1), integer(1)),
    ],
)
def test_a_damaged_row_costs_itself_and_what_was_left_out_behind_it(bad: Data) -> None:
    skips = Skips()
    good = structure(at(START), integer(1), integer(15))
    rows = decode_rows(array(good, bad, structure(NULL, NULL, NULL), good), LAYOUT, (0, 1, 2), skips)
    assert [row.time for row in rows] == [START, None, START]
    assert skips.count == 2
    assert skips.reasons[0].startswith("row 2 of an answer: ")


def test_reasons_have_a_limit_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_SKIPPED", 2)
    skips = Skips()
    assert decode_rows(array(*[integer(1)] * 5), LAYOUT, (0, 1, 2), skips) == []
    assert (skips.count, len(skips.reasons)) == (5, 2)


def test_a_time_beyond_the_calendar_has_no_next_one() -> None:
    last = DateTime.from_datetime(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    with pytest.raises(BadData, match="beyond"):
        stepped(last, QUARTER)
    with pytest.raises(BadData, match="not specified"):
        stepped(DateTime.from_bytes(bytes.fromhex("ffffffffffffffffff8000ff")), QUARTER)


def test_the_next_time_keeps_deviation_status_and_what_is_not_specified() -> None:
    octets = bytes.fromhex("07e80c1fff173b00ff800081")
    assert stepped(DateTime.from_bytes(octets), QUARTER).to_bytes().hex() == "07e9010103000e00ff800081"


def test_columns_that_were_not_asked_for_are_taken_away() -> None:
    whole = array(structure(at(START), integer(1), integer(15)))
    narrow = array(structure(at(START), integer(15)))
    assert decode(whole, chosen=(0, 2)) == decode(narrow, chosen=(0, 2))
    (row,) = decode(whole, chosen=(1, 2))
    assert (row.time, row.moment, row.status) == (None, None, 1)


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (ENERGY, Data(DataType.FLOAT32, 12.5), Decimal("1.25")),
        (ENERGY, Data(DataType.FLOAT32, float("inf")), None),
        (ENERGY, octets(b"1"), None),
        (column(3, "1-0:1.8.0", ColumnKind.SCALED), integer(15), None),
        (NOTE, integer(15), 15),
        (NOTE, octets(b"text"), b"text"),
        (column(4, "1-0:1.6.0", ColumnKind.MOMENT), at(START), DateTime.from_datetime(START)),
        (column(4, "1-0:1.6.0", ColumnKind.MOMENT), octets(b""), b""),
    ],
)
def test_cells(column: ProfileColumn, cell: Data, value: object) -> None:
    (row,) = decode(array(structure(cell)), ProfileLayout(PROFILE, (column,)))
    assert row.values == (value,)
    assert row.raw == (cell.value,)
    assert row.time is None


def test_a_compact_array_is_a_buffer() -> None:
    moment = DateTime.from_datetime(START).to_bytes()
    content = b"".join(b"\x0c" + moment + number.to_bytes(4, "big") for number in (15, 16))
    buffer = decode_whole(bytes.fromhex("1302020906") + bytes((len(content),)) + content)
    found = decode(buffer, ProfileLayout(PROFILE, (CLOCK, ENERGY), 900))
    assert [row.values[1] for row in found] == [Decimal("1.5"), Decimal("1.6")]
    assert found[0].time == START


def test_no_buffer_is_bad_data() -> None:
    with pytest.raises(BadData):
        decode_rows(integer(1), LAYOUT, (0, 1, 2), Skips())


def test_rows_in_order() -> None:
    rows = [Row(START + QUARTER * number, None, None, (number,), ()) for number in (3, 2, 2, 1)]
    rows[1] = Row(rows[2].time, None, None, ("later",), ())
    ordered = in_order([*rows, Row(None, None, None, (), ())])
    assert [row.raw[0] for row in ordered] == [1, 2, "later", 3]
    assert in_order([]) == []
