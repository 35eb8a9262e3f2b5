"""Our protocol core against simulated meters over real sockets: ours with everything full of 0x7E, and pydlms-client's.

That other implementations read our simulator is shown in ``test_simulator.py``.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import pytest
from pydlms import simulator as pydlms_simulator
from pydlms.security.hls import Mechanism as PeerMechanism

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.conversation import AttributeRef, Conversation, Counters, Mechanism, Profile, Transport
from poller.dlms.cosem import ScalerUnit, scaler_unit
from poller.dlms.data import Data, DataType
from poller.simulator import Fleet, MeterSpec
from tests.support.dlms_drive import SocketDriver

GETS = 100_000
PEER_GETS = 20_000
SECRET = b"22222222"
MEASURED = ["32.7.0", "31.7.0", "14.7.0", "1.7.0", "3.7.0", "9.7.0", "13.7.0", "1.8.0", "2.8.0", "3.8.0"]


def register(obis: str, attribute: int = 2) -> AttributeRef:
    return AttributeRef(3, Obis.parse(obis), attribute)


def untroubled(counters: Counters) -> bool:
    """Whether everything came at the first attempt, and nothing else came."""
    return not any((
        counters.bad_frames,
        counters.octets_dropped,
        counters.foreign_frames,
        counters.resent,
        counters.polls,
        counters.out_of_sequence,
        counters.late_answers,
        counters.with_list_fallbacks,
    ))


@dataclass
class FlagCount:
    """Where 0x7E was met inside of frames."""

    places: Counter[str] = field(default_factory=Counter)

    def __call__(self, received: bytes) -> None:
        if received[0] == received[-1] == 0x7E:
            self.places["fcs first"] += received[-3] == 0x7E
            self.places["fcs last"] += received[-2] == 0x7E
            self.places["hcs"] += 0x7E in received[6:8]
            self.places["value"] += 0x7E in received[8:-3]


@pytest.mark.slow
def test_a_hundred_thousand_gets_of_a_meter_full_of_flags(tmp_path: Path) -> None:
    log = tmp_path / "answers.jsonl"
    refs = [register(f"1-1:{code}") for code in MEASURED]
    conversation = Conversation(Profile(Transport.HDLC, 1, 1, mechanism=Mechanism.LLS, secret=SECRET))
    flags = FlagCount()
    values: list[object] = []
    with Fleet([MeterSpec("m", poison=True)], log=log) as fleet:
        with SocketDriver("127.0.0.1", fleet.meters["m"].port) as driver:
            driver.seen = flags
            driver.run(conversation.open())
            values.extend(driver.run(conversation.get(ref)).value for ref in islice(cycle(refs), GETS))
            driver.run(conversation.close())
        status = fleet.status("m")
    answers = [json.loads(line) for line in log.read_text("ascii").splitlines()]
    gets = [answer for answer in answers if answer["event"] == "get"]
    assert values == [answer["raw"] for answer in gets]
    assert all(answer["answered"] for answer in gets)
    assert {answer["invoke"] & 0x0F for answer in gets} == set(range(1, 16))
    assert untroubled(conversation.counters)
    assert (status["gets"], status["wrong_numbers"], status["repeated"], status["bad_fcs"]) == (GETS, 0, 0, 0)
    assert min(flags.places[place] for place in ("fcs first", "fcs last", "hcs", "value")) > GETS // 100, flags


@contextmanager
def pydlms_meter(*, hdlc: bool) -> Iterator[int]:
    """Run pydlms-client's example meter, with a password for SAP 17; yield its port."""
    meter = pydlms_simulator.example_meter()
    meter.clients[17] = pydlms_simulator.ClientProfile(PeerMechanism.LLS, SECRET)
    server = pydlms_simulator.serve(meter, hdlc=hdlc)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


PYDLMS_VALUES = {
    "1-0:1.8.0": (12345678, ScalerUnit(0, 30)),
    "1-0:1.7.0": (1520, ScalerUnit(0, 27)),
    "1-0:32.7.0": (2301, ScalerUnit(-1, 35)),
    "1-0:31.7.0": (523, ScalerUnit(-2, 33)),
}


def pydlms_profile(transport: Transport, mechanism: Mechanism) -> Profile:
    if mechanism is Mechanism.NONE:
        return Profile(transport, 16, 1)
    return Profile(transport, 17, 1, mechanism=mechanism, secret=SECRET)


@pytest.mark.slow
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS])
def test_twenty_thousand_gets_of_pydlms(transport: Transport, mechanism: Mechanism) -> None:
    """A quarter of them in each combination; high-level security is in ``test_secured_peers``."""
    conversation = Conversation(pydlms_profile(transport, mechanism))
    asked = islice(cycle(PYDLMS_VALUES.items()), PEER_GETS // 4)
    with (
        pydlms_meter(hdlc=transport is Transport.HDLC) as port,
        SocketDriver("127.0.0.1", port) as driver,
    ):
        driver.run(conversation.open())
        for obis, (raw, _) in asked:
            assert driver.run(conversation.get(register(obis))).value == raw
        driver.run(conversation.close())
    assert untroubled(conversation.counters)


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS])
def test_lists_blocks_and_errors_of_pydlms(transport: Transport, mechanism: Mechanism) -> None:
    conversation = Conversation(pydlms_profile(transport, mechanism))
    refs = [register(obis, attribute) for obis in PYDLMS_VALUES for attribute in (2, 3)]
    with (
        pydlms_meter(hdlc=transport is Transport.HDLC) as port,
        SocketDriver("127.0.0.1", port) as driver,
    ):
        driver.run(conversation.open())
        results = driver.run(conversation.get_many([*refs, register("1-0:99.99.9")]))
        profile = driver.run(conversation.get(AttributeRef(7, Obis.parse("1-0:99.1.0"), 2)))
        driver.run(conversation.close())
    read = [result for result in results if isinstance(result, Data)]
    found = [(value.value, scaler_unit(scale)) for value, scale in zip(read[::2], read[1::2], strict=True)]
    assert found == list(PYDLMS_VALUES.values())
    assert isinstance(results[-1], BridgeError)
    assert results[-1].kind == "object_undefined"
    assert profile.type is DataType.ARRAY
    assert isinstance(profile.value, tuple)
    assert len(profile.value) == 96
    assert untroubled(conversation.counters)
