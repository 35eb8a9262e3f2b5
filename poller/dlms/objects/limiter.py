"""Limiter (IEC 62056-6-2, 4.5.9): a value that is watched, thresholds for it, and what happens beyond them.

Goes in: a conversation, a logical name. Comes out: thresholds in the scaler and unit of the value that is monitored.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from common.obis import Obis
from poller.dlms.cosem import ScalerUnit, scaler_attribute, scaler_unit
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Answers, Asking, Refused, answers, write
from poller.dlms.objects.fields import array, boolean, encode_moment, integer, logical_name, moment, structure
from poller.dlms.objects.register import Measured

LIMITER: Final = 71
_MONITORED, _ACTIVE, _NORMAL, _EMERGENCY, _OVER, _UNDER = range(2, 8)
_PROFILE, _GROUPS, _PROFILE_ACTIVE, _ACTIONS = range(8, 12)


@dataclass(frozen=True, slots=True)
class EmergencyProfile:
    """Attribute 8: from when, and for how many seconds, the emergency threshold applies."""

    number: int
    starts: DateTime
    seconds: int


@dataclass(frozen=True, slots=True)
class Script:
    """What is run: an entry of a script table."""

    obis: Obis
    selector: int


@dataclass(frozen=True, slots=True)
class Limiter:
    """Class 71."""

    obis: Obis
    monitored: AttributeRef
    active: Measured | None
    normal: Measured | None
    emergency: Measured | None
    over_seconds: int | None
    """How long the value must be above before something happens."""
    under_seconds: int | None
    profile: EmergencyProfile | None
    groups: tuple[int, ...] | None
    profile_active: bool | None
    over_action: Script | None
    under_action: Script | None
    refused: tuple[Refused, ...] = ()


def read_limiter(conversation: Asking, obis: Obis) -> Exchange[Limiter]:
    """Return the limiter, its thresholds scaled by the register that it watches."""
    found = yield from answers(conversation, LIMITER, obis, range(_MONITORED, _ACTIONS + 1))
    monitored = found.required(_MONITORED, _monitored)
    scaling = yield from _scaling(conversation, monitored)
    over, under = found.optional(_ACTIONS, _actions) or (None, None)
    return Limiter(
        obis,
        monitored,
        _threshold(found, _ACTIVE, scaling),
        _threshold(found, _NORMAL, scaling),
        _threshold(found, _EMERGENCY, scaling),
        found.optional(_OVER, integer),
        found.optional(_UNDER, integer),
        found.optional(_PROFILE, _profile),
        found.optional(_GROUPS, lambda data: tuple(integer(each) for each in array(data))),
        found.optional(_PROFILE_ACTIVE, boolean),
        over,
        under,
        found.refused,
    )


def set_normal_threshold(conversation: Asking, obis: Obis, threshold: Data) -> Exchange[None]:
    """Write the normal threshold (attribute 4), in the type and scaler of the value that is monitored."""
    yield from write(conversation, AttributeRef(LIMITER, obis, _NORMAL), threshold)


def set_emergency_threshold(conversation: Asking, obis: Obis, threshold: Data) -> Exchange[None]:
    """Write the emergency threshold (attribute 5), in the type and scaler of the value that is monitored."""
    yield from write(conversation, AttributeRef(LIMITER, obis, _EMERGENCY), threshold)


def set_emergency_profile(conversation: Asking, obis: Obis, profile: EmergencyProfile) -> Exchange[None]:
    """Write the emergency profile (attribute 8)."""
    members = (
        Data(DataType.UINT16, profile.number),
        encode_moment(profile.starts),
        Data(DataType.UINT32, profile.seconds),
    )
    yield from write(conversation, AttributeRef(LIMITER, obis, _PROFILE), Data(DataType.STRUCTURE, members))


def _scaling(conversation: Asking, monitored: AttributeRef) -> Exchange[ScalerUnit | None]:
    attribute = scaler_attribute(monitored.class_id, monitored.attribute)
    if attribute is None:
        return None
    found = yield from answers(conversation, monitored.class_id, monitored.obis, (attribute,))
    return found.optional(attribute, scaler_unit)


def _threshold(found: Answers, attribute: int, scaling: ScalerUnit | None) -> Measured | None:
    return found.optional(attribute, partial(_measured, scaling))


def _measured(scaling: ScalerUnit | None, data: Data) -> Measured:
    return Measured(data.value, scaling)


def _monitored(data: Data) -> AttributeRef:
    class_id, name, attribute = structure(data, 3)
    return AttributeRef(integer(class_id), logical_name(name), integer(attribute))


def _profile(data: Data) -> EmergencyProfile:
    number, starts, seconds = structure(data, 3)
    return EmergencyProfile(integer(number), moment(starts), integer(seconds))


def _actions(data: Data) -> tuple[Script, Script]:
    over, under = structure(data, 2)
    return _script(over), _script(under)


def _script(data: Data) -> Script:
    name, selector = structure(data, 2)
    return Script(logical_name(name), integer(selector))
