"""Disconnect control."""

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadParameter
from poller.dlms.objects.asking import NOTHING, Refused
from poller.dlms.objects.disconnect import (
    ControlState,
    DisconnectControl,
    read_disconnect_control,
    remote_disconnect,
    remote_reconnect,
    set_control_mode,
)
from tests.support.cosem_objects import Objects, run

NAME = Obis(0, 0, 96, 3, 10)


def breaker(state: int) -> Objects:
    objects = Objects(methods={MethodRef(70, NAME, 1): lambda _: None, MethodRef(70, NAME, 2): lambda _: None})
    objects.give(
        70,
        NAME,
        {2: Data(DataType.BOOLEAN, True), 3: Data(DataType.ENUM, state), 4: Data(DataType.ENUM, 4)},
    )
    return objects


def test_output_state_and_mode() -> None:
    found = run(read_disconnect_control(breaker(2), NAME))
    assert found == DisconnectControl(NAME, True, ControlState.READY_FOR_RECONNECTION, 4)


def test_a_state_that_is_none_is_told() -> None:
    found = run(read_disconnect_control(breaker(3), NAME))
    assert (found.state, found.refused) == (None, (Refused(3, "bad_data: 3 is no ControlState"),))


def test_methods_and_mode() -> None:
    objects = breaker(1)
    run(remote_disconnect(objects, NAME))
    run(remote_reconnect(objects, NAME))
    run(set_control_mode(objects, NAME, 6))
    assert objects.invoked == [(MethodRef(70, NAME, 1), NOTHING), (MethodRef(70, NAME, 2), NOTHING)]
    assert objects.written == [(AttributeRef(70, NAME, 4), Data(DataType.ENUM, 6))]
    with pytest.raises(BadParameter):
        run(set_control_mode(objects, NAME, 7))
