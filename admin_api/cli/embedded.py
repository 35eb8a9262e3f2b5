"""What `meterctl run --embedded` brings along on its first run: a broker on loopback and three simulated meters.

In: a prepared state directory. Out: lines at the end of its settings file and meters in its store, once; free ports are
chosen where the usual ones are taken. A section that the file already has is a person's and stays as it is.
"""

import socket
import tomllib
from collections.abc import Callable
from typing import Final

from common.catalogue import DEFAULT_MEASUREMENTS, DEFAULT_MODEL, model
from common.errors import Hopeless
from common.settings import CONFIG_NAME, Settings
from common.store.engine import Store
from common.store.errors import NameTaken
from common.store.model import MeasurementWish, MeterWish

METERS: Final = 3
LOOPBACK: Final = "127.0.0.1"
TRIES: Final = 50
STEP: Final = 10  # between the ports that are tried


class NoFreePort(Hopeless):
    """All ports that were tried are taken."""


def settle(settings: Settings, store: Store, protocol: Callable[[Settings], str]) -> bool:
    """Write the embedded defaults unless they have been written; return whether they were.

    ``protocol`` tells what the broker found on this machine speaks; asked only if one is needed. Raise NoFreePort, and
    what ``protocol`` raises.
    """
    config = settings.paths.root / CONFIG_NAME
    known = tomllib.loads(config.read_text(encoding="utf-8"))
    if "embedded" in known:
        return False
    lines = ["", "# written by the first `meterctl run --embedded`", "[embedded]"]
    first = free_port(settings.embedded.simulator_port, METERS)
    lines += [f"simulator_meters = {METERS}", f"simulator_port = {first}"]
    if "mqtt" not in known:
        port = free_port(settings.embedded.broker_port)
        lines += ["broker = true", f"broker_port = {port}"]
        lines += ["", "[mqtt]", f'host = "{LOOPBACK}"', f"port = {port}", f'protocol = "{protocol(settings)}"']
    if "api" not in known:
        lines += ["", "[api]", f"port = {free_port(settings.api.port)}"]
    if "clock" not in known:
        lines += ["", "[clock]", "trusted = true"]
    with config.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    _add_meters(store, first)
    return True


def _add_meters(store: Store, first: int) -> None:
    for number in range(METERS):
        try:
            store.meters.add(simulated(f"sim-{number + 1}", first + number), actor="meterctl run --embedded")
        except NameTaken:
            continue


def simulated(name: str, port: int) -> MeterWish:
    """Return the wish for a meter of our own simulator."""
    kind = model(DEFAULT_MODEL)
    entries = [kind.measurements[key] for key in DEFAULT_MEASUREMENTS]
    return MeterWish(
        name=name,
        ip_address=LOOPBACK,
        port=port,
        transport=kind.transport,
        client_id=kind.client_id,
        server_logical=kind.server_logical,
        server_physical=kind.server_physical,
        address_size=kind.address_size,
        authentication=kind.authentication,
        model=kind.name,
        measurements=tuple(
            MeasurementWish(entry.key, entry.obis, entry.class_id, entry.attribute) for entry in entries
        ),
    )


def free_port(wanted: int, count: int = 1) -> int:
    """Return the first of ``count`` free loopback ports in a row, the wanted ones if they are; raise NoFreePort."""
    for first in range(wanted, wanted + TRIES * STEP, STEP):
        if all(is_free(LOOPBACK, first + place) for place in range(count)):
            return first
    raise NoFreePort(f"no {count} free port(s) from {wanted} on; name one in {CONFIG_NAME}")


def is_free(host: str, port: int) -> bool:
    """Return whether a TCP port of this machine can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
