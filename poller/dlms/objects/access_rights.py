"""Access rights of attributes and methods (IEC 62056-6-2, 4.4.4): four versions of the class, one meaning.

Goes in: an access_rights structure, the version of Association LN. Comes out: rights as flags. Versions 0 to 2 count
modes, version 3 has a bit for each right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData
from poller.dlms.objects.fields import array, integer, structure

BITS_FROM: Final = 3
"""The version of Association LN whose rights are bits."""
_HIGHEST_MODE: Final = 6


class Rights(IntFlag):
    """What a client may do, and how its request and the answer must be protected."""

    NONE = 0
    READ = 0x01
    WRITE = 0x02
    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80
    INVOKE = 0x100


@dataclass(frozen=True, slots=True)
class AttributeRights:
    """What may be done with an attribute, and the selectors that it takes."""

    attribute: int
    rights: Rights
    selectors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodRights:
    """Whether a method may be invoked, and how."""

    method: int
    rights: Rights


@dataclass(frozen=True, slots=True)
class AccessRights:
    """Of one object, for this client."""

    attributes: tuple[AttributeRights, ...] = ()
    methods: tuple[MethodRights, ...] = ()

    def of_attribute(self, attribute: int) -> Rights:
        """Return the rights of an attribute; NONE when it is not listed."""
        return next((each.rights for each in self.attributes if each.attribute == attribute), Rights.NONE)

    def of_method(self, method: int) -> Rights:
        """Return the rights of a method; NONE when it is not listed."""
        return next((each.rights for each in self.methods if each.method == method), Rights.NONE)


_AUTHENTICATED: Final = Rights.AUTHENTICATED_REQUEST
_ATTRIBUTE_MODES: Final[Mapping[int, Rights]] = {
    0: Rights.NONE,
    1: Rights.READ,
    2: Rights.WRITE,
    3: Rights.READ | Rights.WRITE,
    4: Rights.READ | _AUTHENTICATED,
    5: Rights.WRITE | _AUTHENTICATED,
    6: Rights.READ | Rights.WRITE | _AUTHENTICATED,
}
_METHOD_MODES: Final[Mapping[int, Rights]] = {
    0: Rights.NONE,
    1: Rights.INVOKE,
    2: Rights.INVOKE | _AUTHENTICATED,
}
_METHOD_BITS: Final = 0xFC
"""Of a method of version 3: bit 0 is the access, bit 1 is not used, the others are as with attributes."""


NO_RIGHTS: Final = AccessRights()


def access_rights(data: Data, version: int) -> AccessRights:
    """Return the rights that an access_rights structure grants; raise BadData."""
    attributes, methods = structure(data, 2)
    return AccessRights(
        tuple(_attribute(item, version) for item in array(attributes)),
        tuple(_method(item, version) for item in array(methods)),
    )


def must_be_bits(data: Data) -> bool:
    """Say whether an access_rights structure has a number for an attribute that is no mode of versions 0 to 2."""
    attributes, _ = structure(data, 2)
    return any(integer(structure(item, 2)[1]) > _HIGHEST_MODE for item in array(attributes))


def _attribute(item: Data, version: int) -> AttributeRights:
    number, mode, selectors = structure(item, 3)
    found = integer(mode)
    rights = Rights(found & 0xFF) if version >= BITS_FROM else _mode(found, _ATTRIBUTE_MODES)
    return AttributeRights(integer(number), rights, _selectors(selectors))


def _method(item: Data, version: int) -> MethodRights:
    number, mode = structure(item, 2)
    found = int(mode.value) if isinstance(mode.value, bool) else integer(mode)
    if version < BITS_FROM:
        return MethodRights(integer(number), _mode(found, _METHOD_MODES))
    return MethodRights(integer(number), Rights(found & _METHOD_BITS) | (Rights.INVOKE if found & 1 else Rights.NONE))


def _mode(number: int, modes: Mapping[int, Rights]) -> Rights:
    try:
        return modes[number]
    except KeyError:
        raise BadData(f"{number} is no access mode") from None


def _selectors(data: Data) -> tuple[int, ...]:
    return () if data.type is DataType.NULL else tuple(integer(each) for each in array(data))
