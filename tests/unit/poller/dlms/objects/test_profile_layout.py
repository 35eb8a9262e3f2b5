"""What a profile is."""

import pytest

from common.obis import Obis
from poller.dlms.cosem import ScalerUnit
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData
from poller.dlms.objects import profile_layout
from poller.dlms.objects.asking import NOTHING
from poller.dlms.objects.clock import Zone
from poller.dlms.objects.profile_layout import (
    ColumnKind,
    SortMethod,
    capture_object,
    capture_objects,
    capture_profile,
    kind_of,
    read_layout,
    reset_profile,
)
from poller.dlms.selection import Column
from tests.support.cosem_objects import PROFILE, Objects, array, capture, integer, octets, run, scaling

COLUMNS = [
    capture(8, "0-0:1.0.0"),
    capture(1, "0-0:96.10.1"),
    capture(3, "1-0:1.8.0"),
    capture(3, "1-0:1.8.0"),
    capture(5, "1-0:1.4.0", 3),
    capture(4, "1-0:1.6.0", 5),
    capture(3, "1-0:2.8.0"),
]


def profile(*columns: Data) -> Objects:
    objects = Objects()
    objects.give(
        7,
        PROFILE,
        {3: array(*columns), 4: integer(900), 5: Data(DataType.ENUM, 2), 6: capture(8, "0-0:1.0.0")}
        | {7: integer(10), 8: integer(100)},
    )
    objects.give(3, "1-0:1.8.0", {3: scaling(-1, 30)})
    objects.give(5, "1-0:1.4.0", {4: scaling(1, 27)})
    objects.give(3, "1-0:2.8.0", {3: octets(b"")})
    objects.give(8, "0-0:1.0.0", {3: Data(DataType.INT16, -60), 7: Data(DataType.INT8, 60)})
    return objects


def test_columns_have_kinds_and_scalers_and_each_scaler_is_read_once() -> None:
    objects = profile(*COLUMNS)
    layout = run(read_layout(objects, PROFILE))
    energy = ScalerUnit(-1, 30)
    assert [(column.kind, column.scaling) for column in layout.columns] == [
        (ColumnKind.MOMENT, None),
        (ColumnKind.STATUS, None),
        (ColumnKind.SCALED, energy),
        (ColumnKind.SCALED, energy),
        (ColumnKind.SCALED, ScalerUnit(1, 27)),
        (ColumnKind.MOMENT, None),
        (ColumnKind.SCALED, None),
    ]
    assert [column.unit for column in layout.columns] == [None, None, "Wh", "Wh", "W", None, None]
    assert (layout.period, layout.sort, layout.entries_in_use, layout.capacity) == (900, SortMethod.LIFO, 10, 100)
    assert (layout.zone, layout.time_index, layout.refused) == (Zone(-60, 60), 0, ())
    assert sum(ref.obis == Obis(1, 0, 1, 8, 0) for ref in objects.asked) == 1


def test_a_profile_may_tell_no_more_than_its_columns() -> None:
    objects = Objects()
    objects.give(7, PROFILE, {3: array(capture(3, "1-0:1.8.0", 4))})
    layout = run(read_layout(objects, PROFILE))
    assert (layout.period, layout.sort, layout.sort_object, layout.time_index) == (0, None, None, None)
    assert [refused.attribute for refused in layout.refused] == [4, 5, 6, 7, 8]
    assert {ref.class_id for ref in objects.asked} == {7}


@pytest.mark.parametrize("number", [Data(DataType.INT32, -900), Data(DataType.UINT64, 1 << 32)])
def test_periods_and_rows_that_cannot_be_are_not_known(number: Data) -> None:
    objects = profile(*COLUMNS)
    objects.give(7, PROFILE, {3: array(*COLUMNS), 4: number, 7: number, 8: number})
    layout = run(read_layout(objects, PROFILE))
    assert (layout.period, layout.entries_in_use, layout.capacity) == (0, None, None)
    assert [refused.attribute for refused in layout.refused][-2:] == [7, 8]


def test_the_time_is_that_of_the_sort_object() -> None:
    other = capture(8, "0-0:1.0.1")
    objects = profile(capture(3, "1-0:1.8.0"), other, capture(8, "0-0:1.0.0"))
    assert run(read_layout(objects, PROFILE)).time_index == 2
    objects.attributes[AttributeRef(7, PROFILE, 6)] = capture(3, "1-0:1.8.0")
    assert run(read_layout(objects, PROFILE)).time_index == 1


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (Column(AttributeRef(3, PROFILE, 2), 1), ColumnKind.PLAIN),
        (Column(AttributeRef(3, PROFILE, 0)), ColumnKind.PLAIN),
        (Column(AttributeRef(4, PROFILE, 2)), ColumnKind.SCALED),
        (Column(AttributeRef(1, PROFILE, 2)), ColumnKind.PLAIN),
    ],
)
def test_elements_and_whole_objects_are_plain(column: Column, kind: ColumnKind) -> None:
    assert kind_of(column) is kind


def test_an_element_is_not_scaled() -> None:
    layout = run(read_layout(profile(capture(3, "1-0:1.8.0", index=1)), PROFILE))
    assert layout.columns[0].scaling is None


def test_a_capture_object_comes_back_as_it_was_sent() -> None:
    assert capture_object(COLUMNS[4]).to_data() == COLUMNS[4]


def test_columns_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_layout, "MAX_COLUMNS", 1)
    for columns in [array(), array(COLUMNS[0], COLUMNS[1])]:
        with pytest.raises(BadData, match="columns"):
            capture_objects(columns)


def test_methods() -> None:
    objects = Objects(methods={MethodRef(7, PROFILE, number): lambda _: None for number in (1, 2)})
    run(reset_profile(objects, PROFILE))
    run(capture_profile(objects, PROFILE))
    assert objects.invoked == [(MethodRef(7, PROFILE, 1), NOTHING), (MethodRef(7, PROFILE, 2), NOTHING)]
