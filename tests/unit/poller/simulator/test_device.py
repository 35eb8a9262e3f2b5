import json

import pytest

from poller.simulator.control import BadCommand, fault
from poller.simulator.device import Device, MeterSpec
from poller.simulator.faults import Asked, Fault, FaultKind, Where
from poller.simulator.personality import PERSONALITIES, BadSpecification, Personality, personality
from tests.support.simulated import StillClock


@pytest.mark.parametrize(
    "wrong",
    [
        {"personality": "nobody"},
        {"delay": (0.5, 0.1)},
        {"delay": (-1.0, 0.1)},
        {"port": 70_000},
        {"name": "*"},
        {"name": ""},
    ],
)
def test_a_senseless_meter_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSpecification):
        MeterSpec(**{"name": "sim-1", **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": (3,), "preferred_size": 3},
        {"preferred_size": 2, "sizes": (1,)},
        {"logical": 200},
        {"max_info": 3000},
        {"window": 0},
        {"linger": -1.0},
        {"inactivity": 0.0},
    ],
)
def test_a_senseless_personality_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSpecification):
        Personality("odd", **wrong)  # type: ignore[arg-type]


def test_the_microstar_meter_is_as_its_facts_say() -> None:
    kind = personality("microstar")
    assert dict(kind.saps) == {1: b"22222222", 16: None, 17: b"00000000", 32: b"11111111"}
    assert (kind.conformance, kind.max_pdu, kind.max_info, kind.window) == (0x00301D, 0x1900, 128, 1)
    assert (kind.channel, kind.inactivity, kind.logical, kind.preferred_size) == (1, 180.0, 1, 1)
    assert "22222222" not in repr(kind)


def test_all_personalities_have_their_name() -> None:
    assert [name for name, kind in PERSONALITIES.items() if name != kind.name] == []


def test_status_is_json_and_knows_what_is_armed() -> None:
    device = Device(MeterSpec("sim-1", faults=(Fault(FaultKind.STALL),)), 3, StillClock())
    status = json.loads(json.dumps(device.status()))
    assert (status["armed"], status["energy"], status["gets"]) == (["stall"], 59_281_000, 0)


def test_a_command_describes_a_fault() -> None:
    described = fault({"do": "garbage", "count": 2, "where": "after", "octets": 5, "on": ["get", "aarq"]})
    assert described == Fault(
        FaultKind.GARBAGE, count=2, where=Where.AFTER, octets=5, on=frozenset({Asked.GET, Asked.AARQ})
    )


@pytest.mark.parametrize(
    "command",
    [
        {"do": "melt"},
        {"do": "drop", "count": 0},
        {"do": "drop", "count": 1.5},
        {"do": "drop", "count": True},
        {"do": "drop", "count": "many"},
        {"do": "drop", "probability": 1.5},
        {"do": "drop", "on": "lunch"},
        {"do": "drop", "on": 5},
        {"do": "drop", "colour": "red"},
        {"do": "garbage", "where": "nowhere"},
        {"do": "stall", "seconds": float("nan")},
        {"do": "stall", "seconds": 1e9},
    ],
)
def test_a_bad_command_is_refused(command: dict[str, object]) -> None:
    with pytest.raises(BadCommand):
        fault(command)
