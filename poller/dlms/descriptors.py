"""What a service names: attributes, methods, and the part of an attribute that is meant (IEC 62056-5-3, 9.5).

Goes in: class, logical name, number. Comes out: frozen references, and their octets. Nothing is sent or received here.
"""

from dataclasses import dataclass

from common.obis import Obis
from poller.dlms.data import Data


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """One attribute of one object."""

    class_id: int
    obis: Obis
    attribute: int

    def to_bytes(self) -> bytes:
        """Return the cosem-attribute-descriptor."""
        return self.class_id.to_bytes(2, "big") + self.obis.to_bytes() + self.attribute.to_bytes(1, "big", signed=True)


@dataclass(frozen=True, slots=True)
class MethodRef:
    """One method of one object."""

    class_id: int
    obis: Obis
    method: int

    def to_bytes(self) -> bytes:
        """Return the cosem-method-descriptor."""
        return self.class_id.to_bytes(2, "big") + self.obis.to_bytes() + self.method.to_bytes(1, "big", signed=True)


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of an attribute that is asked for: access-selector and its parameters (IEC 62056-6-2, by class)."""

    selector: int
    parameters: Data
