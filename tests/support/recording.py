"""``python -m tests.support.recording``: replays of the simulator, for families of which nobody has published octets.

They prove that client and simulator agree, and that a model's assumptions open a session: nothing about the meters.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from common.catalogue import Model, model
from common.clock import SystemClock
from common.worker_file import Limits, Measurement
from poller.capture import Capture, Header, Recorder, write_capture
from poller.cli.connection import no_pulse
from poller.cycle import Reader
from poller.dlms.conversation import Mechanism, Profile, Referencing, Transport
from poller.redaction import redact
from poller.resolver import Resolver
from poller.scalers import ScalerCache
from poller.session import Session
from poller.simulator import Fleet, MeterSpec, Personality, personality
from poller.transport import TcpWire
from tests.support.replays import FOLDER

PASSWORD: Final = b"22222222"
METERS: Final[Mapping[str, tuple[str, Personality]]] = {
    "generic": ("generic", replace(personality("generic-list"), sizes=(1,), preferred_size=1)),
    "generic-wrapper": ("generic-wrapper", personality("wrapper")),
    "landis-gyr-short-names": ("landis-gyr", replace(personality("short-names"), sizes=(1,), preferred_size=1)),
    "itron-reader": (
        "itron",
        replace(
            personality("generic-list"),
            saps={1: b"LABORATORY", 2: b"FIELD", 3: PASSWORD, 7: b"CUSTOMER"},
            conformance=0x00101D,
        ),
    ),
}
"""Which replay is recorded as which family, from a simulated meter with its addresses and clients."""


def record(name: str, folder: Path = FOLDER) -> None:
    """Read a simulated meter once, and keep what passed."""
    family, kind = METERS[name]
    assumed = model(family)
    recorder = Recorder(SystemClock())
    with Fleet([MeterSpec(name, kind)]) as fleet:
        _read(fleet.meters[name].port, assumed, recorder)
    profile = profile_of(assumed)
    header = Header(
        profile.transport,
        profile.client_id,
        profile.server_logical,
        profile.server_physical,
        profile.address_size,
        profile.mechanism,
        profile.security.level,
        profile.referencing,
        family,
    )
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
        write_capture(stream, redact(Capture(header, tuple(recorder.pieces))))


def _read(port: int, assumed: Model, recorder: Recorder) -> None:
    clock = SystemClock()
    session = Session(profile_of(assumed), TcpWire(clock, no_pulse), Resolver(clock, no_pulse), clock, Limits())
    session.tap = recorder.tap
    session.open("127.0.0.1", port)
    measurements = [Measurement(e.key, e.obis, e.class_id, e.attribute) for e in assumed.measurements.values()]
    cycle = Reader(session, clock, ScalerCache()).read(measurements)
    session.close()
    sys.stdout.write(f"{assumed.name}: {len(cycle.quantities)} read, not read: {sorted(cycle.errors)}\n")


def profile_of(assumed: Model) -> Profile:
    """Return how a model is spoken to when nobody says otherwise."""
    mechanism = Mechanism(assumed.authentication)
    return Profile(
        transport=Transport(assumed.transport),
        client_id=assumed.client_id,
        server_logical=assumed.server_logical,
        server_physical=assumed.server_physical,
        address_size=assumed.address_size,
        mechanism=mechanism,
        secret=PASSWORD if mechanism is not Mechanism.NONE else b"",
        referencing=Referencing(assumed.referencing),
    )


if __name__ == "__main__":
    for each in METERS:
        record(each)
