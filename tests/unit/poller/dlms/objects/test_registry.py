"""The registry: every reader reads; names stand where the standard has them."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.objects.registry import CLASSES, interface_class, read_object
from tests.support.cosem_objects import Objects, integer, run

NAME = Obis(1, 0, 1, 8, 0)


@pytest.mark.parametrize(
    ("class_id", "attribute", "method"),
    [
        (3, (3, "scaler_unit"), (1, "reset")),
        (5, (9, "number_of_periods"), (2, "next_period")),
        (7, (8, "profile_entries"), (2, "capture")),
        (8, (9, "clock_base"), (6, "shift_time")),
        (15, (11, "current_user"), (6, "remove_user")),
        (18, (7, "image_to_activate_info"), (4, "image_activate")),
        (64, (6, "certificates"), (2, "key_transfer")),
        (70, (4, "control_mode"), (2, "remote_reconnect")),
        (71, (11, "actions"), (1, None)),
        (1, (3, None), (0, None)),
    ],
)
def test_names(class_id: int, attribute: tuple[int, str | None], method: tuple[int, str | None]) -> None:
    found = interface_class(class_id)
    assert found is not None
    assert found.attribute_name(1) == "logical_name"
    assert found.attribute_name(attribute[0]) == attribute[1]
    assert found.method_name(method[0]) == method[1]


@pytest.mark.parametrize("class_id", [class_id for class_id, known in CLASSES.items() if known.reader])
def test_every_reader_asks_its_own_class(class_id: int) -> None:
    objects = Objects()
    try:
        run(read_object(objects, class_id, NAME))
    except BridgeError as error:
        assert "object-undefined" in error.detail  # noqa: PT017
    assert {ref.class_id for ref in objects.asked} == {class_id}


def test_a_data_object_is_its_value() -> None:
    objects = Objects()
    objects.give(1, NAME, {2: integer(5)})
    assert run(read_object(objects, 1, NAME)) == Data(DataType.UINT32, 5)


@pytest.mark.parametrize("class_id", [6, 9999])
def test_what_has_no_reader_is_none(class_id: int) -> None:
    assert run(read_object(Objects(), class_id, NAME)) is None
