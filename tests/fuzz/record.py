"""`python -m tests.fuzz.record`: the corpus, made anew from simulated meters.

Goes in: nothing. Comes out: corpus/recorded.json with the conversations of every scenario, every attribute's value, and
pushes in each form. It is kept, not made at each run: what mutants are made of must not change with the simulator.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from common.errors import BridgeError
from poller.dlms.axdr import encode_data
from poller.dlms.conversation import Conversation
from poller.dlms.descriptors import AttributeRef
from poller.dlms.objects.association_ln import CosemObject, read_object_list
from poller.dlms.objects.registry import interface_class
from poller.simulator.device import Device, MeterSpec
from poller.simulator.pushing import PushForm, addressed, ciphered, notification
from tests.fuzz.scenarios import SCENARIOS, Peer, SimulatedPeer, drive, recorded
from tests.fuzz.seeds import RECORDED
from tests.support.simulated import StillClock

LONGEST_VALUE: Final = 6_000
"""Octets of a value that is kept: mutants of longer ones cost time and find nothing else."""


def _sessions() -> Iterator[dict[str, object]]:
    for name, scenario in SCENARIOS.items():
        for operation in scenario.operations:
            passed = [[out.hex(), came.hex()] for out, came in recorded(scenario, operation)]
            yield {"scenario": name, "operation": operation, "passed": passed}


def _values() -> Iterator[str]:
    """Yield what each attribute of a meter holds."""
    scenario = SCENARIOS["wrapper-all"]
    peer, conversation = SimulatedPeer(scenario.kind), scenario.conversation()
    drive(conversation.open(), peer)
    for found in drive(read_object_list(conversation), peer):
        kind = interface_class(found.class_id)
        yield from _of_object(conversation, peer, found, len(kind.attributes) if kind else 3)


def _of_object(conversation: Conversation, peer: Peer, found: CosemObject, attributes: int) -> Iterator[str]:
    for number in range(2, 2 + attributes):
        with suppress(BridgeError):
            value = drive(conversation.get(AttributeRef(found.class_id, found.obis, number)), peer)
            if len(octets := encode_data(value)) <= LONGEST_VALUE:
                yield octets.hex()


def _pushes() -> Iterator[tuple[str, str]]:
    device = Device(MeterSpec("sim-1", SCENARIOS["wrapper-all"].kind), 0, StillClock())
    for form in PushForm:
        for dated in (False, True):
            plain = notification(device, dated=dated)
            yield form.value, addressed(device, form, 1, plain).hex()
            yield form.value, addressed(device, form, 1, ciphered(device, plain)).hex()


def main() -> None:
    """Write the file."""
    pushes: dict[str, list[str]] = {form.value: [] for form in PushForm}
    for form, octets in _pushes():
        pushes[form].append(octets)
    content = {"sessions": list(_sessions()), "values": sorted(set(_values())), "pushes": pushes}
    RECORDED.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
