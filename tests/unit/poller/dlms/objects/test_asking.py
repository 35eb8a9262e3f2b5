"""Errors name the object and the part of it; what is refused is said."""

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import AccessDenied, AssociationLost, BadData, ObjectUndefined, TemporaryFailure
from poller.dlms.objects.asking import NOTHING, Refused, answers, get, invoke, read, write
from poller.dlms.objects.fields import integer
from tests.support.cosem_objects import Objects, octets, run

ENERGY = Obis(1, 0, 1, 8, 0)
REF = AttributeRef(3, ENERGY, 2)
METHOD = MethodRef(3, ENERGY, 1)
FIVE = Data(DataType.UINT8, 5)


def test_a_value_is_read_parsed_and_written() -> None:
    objects = Objects({REF: FIVE})
    assert run(get(objects, REF)) == FIVE
    assert run(read(objects, REF, integer)) == 5
    run(write(objects, REF, NOTHING))
    assert objects.written == [(REF, NOTHING)]


def test_a_refusal_says_what_was_refused() -> None:
    objects = Objects({REF: AccessDenied("read-write-denied (3)")})
    with pytest.raises(AccessDenied, match=r"^1-0:1\.8\.0 \(class 3\) attribute 2: read-write-denied \(3\)$"):
        run(get(objects, REF))
    with pytest.raises(ObjectUndefined, match=r"attribute 3: object-undefined"):
        run(write(objects, AttributeRef(3, ENERGY, 3), FIVE))
    with pytest.raises(ObjectUndefined, match=r"1-0:1\.8\.0 \(class 3\) method 1: "):
        run(invoke(objects, METHOD))


def test_a_value_that_is_none_says_where() -> None:
    objects = Objects({REF: octets(b"")})
    with pytest.raises(BadData, match=r"attribute 2: a whole number expected, not OCTET_STRING"):
        run(read(objects, REF, integer))


def test_the_loss_of_the_association_is_nobodys_in_particular() -> None:
    objects = Objects({REF: AssociationLost("gone")})
    with pytest.raises(AssociationLost, match=r"^gone$"):
        run(get(objects, REF))


def test_a_method_without_parameters_takes_nothing() -> None:
    objects = Objects(methods={METHOD: lambda parameters: parameters})
    assert run(invoke(objects, METHOD)) == NOTHING
    assert run(invoke(objects, METHOD, FIVE)) == FIVE


def test_what_is_optional_is_none_and_the_reason_is_kept() -> None:
    objects = Objects()
    objects.give(3, ENERGY, {2: FIVE, 3: octets(b""), 4: TemporaryFailure("busy")})
    found = run(answers(objects, 3, ENERGY, (2, 3, 4, 5)))
    assert [found.optional(attribute, integer) for attribute in (2, 3, 4, 5)] == [5, None, None, None]
    assert found.refused == (
        Refused(3, "bad_data: a whole number expected, not OCTET_STRING"),
        Refused(4, "temporary_failure: busy"),
        Refused(5, "object_undefined: object-undefined (4)"),
    )


def test_what_is_required_is_raised() -> None:
    objects = Objects()
    objects.give(3, ENERGY, {2: FIVE, 3: octets(b"")})
    found = run(answers(objects, 3, ENERGY, (2, 3, 5)))
    assert found.required(2, integer) == 5
    with pytest.raises(BadData, match="attribute 3"):
        found.required(3, integer)
    with pytest.raises(ObjectUndefined, match="attribute 5"):
        found.required(5, integer)
