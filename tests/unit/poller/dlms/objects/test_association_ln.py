"""Association LN: what a client finds, on which terms."""

import pytest

from common.obis import Obis
from poller.dlms.data import BitString, Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData
from poller.dlms.objects import association_ln
from poller.dlms.objects.access_rights import Rights
from poller.dlms.objects.association_ln import (
    CURRENT,
    AssociationStatus,
    ContextInfo,
    Partners,
    User,
    object_list,
    read_association_ln,
    read_object_list,
    read_objects_of,
)
from poller.dlms.selection import by_classes
from tests.support.cosem_objects import NULL, Objects, array, integer, name, octets, run, structure


def listed(class_id: int, obis: str, version: int = 0, mode: int | None = 1) -> Data:
    members = [integer(class_id, DataType.UINT16), integer(version, DataType.UINT8), name(obis)]
    if mode is not None:
        attribute = structure(Data(DataType.INT8, 2), Data(DataType.ENUM, mode), NULL)
        members.append(structure(array(attribute), array()))
    return structure(*members)


def test_the_list_tells_its_version() -> None:
    objects = object_list(array(listed(15, "0-0:40.0.0", 3, 1), listed(3, "1-0:1.8.0", 0, 5)))
    assert (objects[0].class_id, objects[0].version, objects[0].obis) == (15, 3, CURRENT)
    assert objects[1].access.of_attribute(2) is Rights.READ | Rights.AUTHENTICATED_REQUEST


@pytest.mark.parametrize(
    ("mode", "version", "rights"),
    [
        (5, None, Rights.WRITE | Rights.AUTHENTICATED_REQUEST),
        (0x21, None, Rights.READ | Rights.AUTHENTICATED_RESPONSE),
        (5, 3, Rights.READ | Rights.AUTHENTICATED_REQUEST),
    ],
)
def test_a_list_without_the_association_is_judged_by_its_rights(mode: int, version: int | None, rights: Rights) -> None:
    objects = object_list(array(listed(15, "0-0:40.0.1", 7), listed(3, "1-0:1.8.0", 0, mode)), version)
    assert objects[1].access.of_attribute(2) == rights


def test_a_list_may_be_without_rights() -> None:
    (found,) = object_list(array(listed(3, "1-0:1.8.0", 0, None)))
    assert found.access.attributes == ()


def test_a_list_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association_ln, "MAX_OBJECTS", 1)
    with pytest.raises(BadData, match="more than 1"):
        object_list(array(listed(3, "1-0:1.8.0"), listed(3, "1-0:2.8.0")))


def test_the_list_is_read_whole_or_by_class() -> None:
    selections: list[Selection | None] = []

    def answer(selection: Selection | None) -> Data:
        selections.append(selection)
        return array(listed(3, "1-0:1.8.0"))

    objects = Objects()
    objects.give(15, CURRENT, {2: answer})
    assert run(read_object_list(objects)) == run(read_objects_of(objects, 3, 4))
    assert selections == [None, by_classes((3, 4))]
    objects.attributes[AttributeRef(15, CURRENT, 2)] = NULL
    with pytest.raises(BadData, match=r"0-0:40\.0\.0 \(class 15\) attribute 2"):
        run(read_object_list(objects))


ARCS = (2, 16, 756, 5, 8, 1, 1)
OF_ARCS = [2, 16, 756, 5, 8, 1, 1]
TERMS = structure(
    Data(DataType.BIT_STRING, BitString(bytes.fromhex("00301d"), 24)),
    integer(6400, DataType.UINT16),
    integer(1024, DataType.UINT16),
    integer(6, DataType.UINT8),
    integer(0, DataType.INT8),
)


@pytest.mark.parametrize(
    "context",
    [
        octets(bytes.fromhex("60857405080101")),
        octets(bytes.fromhex("060760857405080101")),
        structure(*(integer(arc, DataType.UINT16) for arc in OF_ARCS)),
    ],
)
def test_the_terms_of_an_association(context: Data) -> None:
    objects = Objects()
    objects.give(
        15,
        CURRENT,
        {
            3: structure(integer(16, DataType.INT8), integer(1, DataType.UINT16)),
            4: context,
            5: structure(*TERMS.value, octets(b"\1")) if isinstance(TERMS.value, tuple) else NULL,
            6: octets(bytes.fromhex("60857405080205")),
            8: Data(DataType.ENUM, 2),
            9: name("0-0:43.0.0"),
            10: array(structure(integer(1, DataType.UINT8), Data(DataType.VISIBLE_STRING, "reader"))),
            11: structure(integer(1, DataType.UINT8), octets(b"reader")),
        },
    )
    found = run(read_association_ln(objects))
    assert (found.partners, found.context, found.mechanism) == (Partners(16, 1), ARCS, (2, 16, 756, 5, 8, 2, 5))
    assert found.terms == ContextInfo(0x00301D, 6400, 1024, 6, 0, b"\1")
    assert (found.status, found.security_setup) == (AssociationStatus.ASSOCIATED, Obis(0, 0, 43, 0, 0))
    assert (found.users, found.current_user) == ((User(1, "reader"),), User(1, "reader"))
    assert found.refused == ()


def test_what_is_not_told_is_refused() -> None:
    objects = Objects()
    objects.give(15, CURRENT, {4: octets(b"\x60\x85"), 5: structure(*TERMS.value, NULL), 9: octets(b"")})  # type: ignore[misc]
    found = run(read_association_ln(objects))
    assert found.context is None
    assert found.terms is not None
    assert found.terms.ciphering_info == b""
    assert [refused.attribute for refused in found.refused] == [3, 4, 6, 8, 10, 11]


@pytest.mark.parametrize("name", [b"", b"\x06", b"\x06\x07", bytes(8), b"\x06\x08" + bytes(7), bytes(300)])
def test_a_name_that_is_none(name: bytes) -> None:
    objects = Objects()
    objects.give(15, CURRENT, {4: octets(name)})
    assert run(read_association_ln(objects)).context is None
