"""Where attributes and methods lie under short names (IEC 62056-6-2, 4.2 and the table of each class).

Goes in: the object_list of Association SN. Comes out: the short name of any attribute or method of its objects; raises
BadData when the list is none, ObjectUndefined when it has no such object.
"""

from collections.abc import Mapping
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData, ObjectUndefined

ASSOCIATION_BASE: Final = 0xFA00
"""The base name of the current association, the same in every meter."""
OBJECT_LIST: Final = 0xFA08
"""Its attribute 2."""
MAX_OBJECTS: Final = 0x2000
"""Of one list: more base names than this leave no attribute its step."""
_STEP: Final = 8
_NAMES: Final = 0x10000
_OBIS_OCTETS: Final = 6
_SELF: Final = Obis(0, 0, 40, 0, 0, 255)
_ASSOCIATION_SN, _ASSOCIATION_LN = 12, 15
_METHODS: Final[Mapping[int, tuple[int, ...]]] = {
    3: (0x28,),
    4: (0x38,),
    5: (0x48,),
    6: (0x30,),
    7: (0x58,),
    8: (0x60,),
    9: (0x20,),
    10: (0x20,),
    11: (0x10,),
    12: (0x20,),
    15: (0x60,),
    17: (0x20,),
    18: (0x40,),
    20: (0x50,),
    40: (0x38,),
    42: (0x60,),
    61: (0x28,),
    64: (0x28, 0x30),
    70: (0x20,),
    72: (0x60, 0x70),
}
"""By class the offset of its first method, by version from 0; later versions are as the last."""

Objects = Mapping[tuple[int, Obis], tuple[int, int]]
"""Base name and version, by class and logical name."""


class ShortNames:
    """The short names of one association's objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __len__(self) -> int:
        return len(self._objects)

    def attribute(self, ref: AttributeRef) -> int:
        """Return the short name of an attribute; raise ObjectUndefined."""
        base, _version = self._find(ref.class_id, ref.obis)
        return (base + _STEP * (ref.attribute - 1)) % _NAMES

    def method(self, ref: MethodRef) -> int:
        """Return the short name of a method; raise ObjectUndefined, also for a class without known methods."""
        base, version = self._find(ref.class_id, ref.obis)
        offsets = _METHODS.get(ref.class_id)
        if offsets is None:
            raise ObjectUndefined(f"where class {ref.class_id} has its methods under short names is not known")
        return (base + offsets[min(version, len(offsets) - 1)] + _STEP * (ref.method - 1)) % _NAMES

    def _find(self, class_id: int, obis: Obis) -> tuple[int, int]:
        if obis == _SELF and class_id in {_ASSOCIATION_SN, _ASSOCIATION_LN}:
            return ASSOCIATION_BASE, 0
        found = self._objects.get((class_id, obis))
        if found is None:
            raise ObjectUndefined(f"class {class_id} {obis} is not in the association's object list")
        return found


def short_names(object_list: Data) -> ShortNames:
    """Return the short names that an object_list gives; raise BadData when it is none."""
    entries = object_list.value
    if object_list.type is not DataType.ARRAY or not isinstance(entries, tuple) or len(entries) > MAX_OBJECTS:
        raise BadData(f"an object list is an array of at most {MAX_OBJECTS} entries, not {object_list.type.name}")
    return ShortNames(dict(map(_entry, entries)))


def _entry(entry: Data) -> tuple[tuple[int, Obis], tuple[int, int]]:
    """Return class and logical name, base name and version of an entry."""
    parts = entry.value if isinstance(entry.value, tuple) else ()
    match [part.value for part in parts]:
        case [int(base), int(class_id), int(version), bytes(name)] if len(name) == _OBIS_OCTETS and version >= 0:
            return (class_id, Obis.from_bytes(name)), (base % _NAMES, version)
    raise BadData("an entry of an object list is base name, class, version and logical name")
