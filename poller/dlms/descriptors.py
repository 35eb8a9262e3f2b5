"""What a service names: attributes, methods, and the part of an attribute that is meant (IEC 62056-5-3, 9.5).

Goes in: class, logical name, number. Comes out: frozen references, and their octets. Nothing is sent or received here.
"""

from dataclasses import dataclass

from common.obis import Obis
from poller.dlms.data import Data
from poller.dlms.errors import BadParameter


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """One attribute of one object."""

    class_id: int
    obis: Obis
    attribute: int

    def to_bytes(self) -> bytes:
        """Return the cosem-attribute-descriptor; raise BadParameter when its numbers do not fit."""
        return _descriptor(self.class_id, self.obis, self.attribute)

    def __str__(self) -> str:
        return f"{self.class_id}/{_written(self.obis)}/{self.attribute}"


@dataclass(frozen=True, slots=True)
class MethodRef:
    """One method of one object."""

    class_id: int
    obis: Obis
    method: int

    def to_bytes(self) -> bytes:
        """Return the cosem-method-descriptor; raise BadParameter when its numbers do not fit."""
        return _descriptor(self.class_id, self.obis, self.method)

    def __str__(self) -> str:
        return f"{self.class_id}/{_written(self.obis)}/method {self.method}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of an attribute that is asked for: access-selector and its parameters (IEC 62056-6-2, by class)."""

    selector: int
    parameters: Data


def _written(obis: Obis) -> str:
    """Return all six groups, 255 too."""
    return f"{obis.a}-{obis.b}:{obis.c}.{obis.d}.{obis.e}.{obis.f}"


def _descriptor(class_id: int, obis: Obis, number: int) -> bytes:
    try:
        return class_id.to_bytes(2, "big") + obis.to_bytes() + number.to_bytes(1, "big", signed=True)
    except OverflowError:
        raise BadParameter(f"a class has 16 bits and an attribute or method 8, not {class_id} and {number}") from None
