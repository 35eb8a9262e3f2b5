"""Simulated meters for the tests beside this file."""

from dataclasses import replace

import pytest

from poller.simulator.device import Device, MeterSpec
from poller.simulator.personality import Personality, personality
from poller.simulator.session import HdlcSession
from tests.support.simulated import Client, MakeClient, StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def client(clock: StillClock) -> MakeClient:
    """Return a maker of clients, each on a meter of its own with the habits that are named."""

    def make(kind: str | Personality = "microstar", *, poison: bool = False, **habits: object) -> Client:
        base = personality(kind) if isinstance(kind, str) else kind
        spec = MeterSpec("sim-1", replace(base, **habits), poison=poison)  # type: ignore[arg-type]
        return Client(HdlcSession(Device(spec, 0, clock)), clock)

    return make
