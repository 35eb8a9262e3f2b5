"""Association SN (IEC 62056-6-2, 4.4.3): the object list of a meter with short names.

Goes in: a conversation, or the value of attribute 2. Comes out: objects with their base names.
"""

from dataclasses import dataclass
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, read
from poller.dlms.objects.fields import array, integer, logical_name, structure

ASSOCIATION_SN: Final = 12
_CURRENT: Final = Obis(0, 0, 40, 0, 0)
_LIST: Final = 2
MAX_OBJECTS: Final = 5_000
"""Of one list; 16 bits leave room for 8192 attributes and methods."""


@dataclass(frozen=True, slots=True)
class ShortObject:
    """An object; ``base`` is the short name of its attribute 1."""

    base: int
    class_id: int
    version: int
    obis: Obis


def read_short_list(conversation: Asking, obis: Obis = _CURRENT) -> Exchange[tuple[ShortObject, ...]]:
    """Return the objects that this client sees (attribute 2)."""
    return (yield from read(conversation, AttributeRef(ASSOCIATION_SN, obis, _LIST), short_list))


def short_list(data: Data) -> tuple[ShortObject, ...]:
    """Return the objects of an object_list; raise BadData."""
    items = array(data)
    if len(items) > MAX_OBJECTS:
        raise BadData(f"an object list of {len(items)}, more than {MAX_OBJECTS}")
    return tuple(_object(item) for item in items)


def _object(item: Data) -> ShortObject:
    """A base name is sent as a signed number, 0xFA00 as -1536."""
    base, class_id, version, name = structure(item, 4)
    return ShortObject(integer(base) & 0xFFFF, integer(class_id), integer(version), logical_name(name))
