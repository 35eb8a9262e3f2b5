"""Disconnect control (IEC 62056-6-2, 4.5.8): whether the premises are supplied, and who may change it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadParameter
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, Refused, answers, invoke, write
from poller.dlms.objects.fields import boolean, choice, integer

DISCONNECT_CONTROL: Final = 70
_OUTPUT, _STATE, _MODE = 2, 3, 4
_DISCONNECT, _RECONNECT = 1, 2
_MODES: Final = range(7)


class ControlState(IntEnum):
    """The internal state, attribute 3."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


@dataclass(frozen=True, slots=True)
class DisconnectControl:
    """Class 70."""

    obis: Obis
    output: bool
    """Whether the device is physically connected."""
    state: ControlState | None
    mode: int | None
    """0 to 6: which of remote, manual and local disconnection and reconnection are possible (table of attribute 4)."""
    refused: tuple[Refused, ...] = ()


def read_disconnect_control(conversation: Asking, obis: Obis) -> Exchange[DisconnectControl]:
    """Return output, state and mode."""
    found = yield from answers(conversation, DISCONNECT_CONTROL, obis, (_OUTPUT, _STATE, _MODE))
    output = found.required(_OUTPUT, boolean)
    state = found.optional(_STATE, lambda data: choice(data, ControlState))
    return DisconnectControl(obis, output, state, found.optional(_MODE, integer), found.refused)


def set_control_mode(conversation: Asking, obis: Obis, mode: int) -> Exchange[None]:
    """Write the mode (attribute 4); raise BadParameter when there is none such."""
    if mode not in _MODES:
        raise BadParameter(f"a control mode is {_MODES[0]} to {_MODES[-1]}, not {mode}")
    yield from write(conversation, AttributeRef(DISCONNECT_CONTROL, obis, _MODE), Data(DataType.ENUM, mode))


def remote_disconnect(conversation: Asking, obis: Obis) -> Exchange[None]:
    """Cut the supply (method 1)."""
    yield from invoke(conversation, MethodRef(DISCONNECT_CONTROL, obis, _DISCONNECT))


def remote_reconnect(conversation: Asking, obis: Obis) -> Exchange[None]:
    """Restore the supply, or make it ready for somebody at the meter (method 2)."""
    yield from invoke(conversation, MethodRef(DISCONNECT_CONTROL, obis, _RECONNECT))
