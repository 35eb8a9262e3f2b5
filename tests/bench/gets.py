"""How many GETs per second one conversation makes against a simulated meter in a process of its own."""

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Final

from common.obis import Obis
from poller.dlms.conversation import Conversation, Mechanism, Profile, Transport
from poller.dlms.cosem import AttributeRef
from tests.support.dlms_drive import SocketDriver
from tests.support.system import Simulator

GETS: Final = 20_000
VOLTAGE: Final = AttributeRef(3, Obis(1, 1, 32, 7, 0), 2)


def gets_per_second() -> float:
    """Read one register GETS times over HDLC with LLS; return the rate."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlms-gets-"))
        simulator = Simulator(Path(scratch), 1)
        stack.callback(simulator.stop)
        simulator.start()
        (name,) = simulator.meters
        conversation = Conversation(Profile(Transport.HDLC, 1, 1, mechanism=Mechanism.LLS, secret=b"22222222"))
        driver = stack.enter_context(SocketDriver("127.0.0.1", simulator.port(name)))
        driver.run(conversation.open())
        started = time.monotonic()
        for _ in range(GETS):
            driver.run(conversation.get(VOLTAGE))
        rate = GETS / (time.monotonic() - started)
        driver.run(conversation.close())
    return rate
