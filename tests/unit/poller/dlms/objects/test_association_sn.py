"""Association SN: base names."""

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData
from poller.dlms.objects import association_sn
from poller.dlms.objects.association_sn import ShortObject, read_short_list, short_list
from tests.support.cosem_objects import Objects, array, integer, name, run, structure


def listed(base: int, class_id: int, obis: str) -> Data:
    return structure(
        integer(base, DataType.INT16), integer(class_id, DataType.UINT16), integer(0, DataType.UINT8), name(obis)
    )


def test_a_base_name_is_unsigned() -> None:
    objects = Objects()
    objects.give(12, "0-0:40.0.0", {2: array(listed(-1536, 12, "0-0:40.0.0"), listed(0x1000, 3, "1-0:1.8.0"))})
    assert run(read_short_list(objects)) == (
        ShortObject(0xFA00, 12, 0, Obis(0, 0, 40, 0, 0)),
        ShortObject(0x1000, 3, 0, Obis(1, 0, 1, 8, 0)),
    )


def test_a_list_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association_sn, "MAX_OBJECTS", 1)
    with pytest.raises(BadData):
        short_list(array(listed(0, 3, "1-0:1.8.0"), listed(8, 3, "1-0:2.8.0")))
