"""The routes file: where the publisher sends which meter's readings. Written by supervisor_qos, read by the publisher.

JSON, 0600, at RUN/routes.json, replaced atomically; the publisher looks at it every half second and touches only the
connections whose entry changed. A target is one MQTT connection (one credential); a route leads a meter to a target.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from common.envelope import UID_SIZE
from common.files import write_atomically
from common.json_record import BadFile, Record
from common.secret import Secret

MAX_ROUTES: Final = 20_000
MAX_KEYS: Final = 256


class Mode(StrEnum):
    """How readings become topics and payloads (SPEC section 7)."""

    GENERIC = "generic"
    TB_DEVICE = "tb_device"
    TB_GATEWAY = "tb_gateway"


@dataclass(frozen=True, slots=True)
class Target:
    """One MQTT connection. ``protocol`` is 5 or 4 (MQTT 3.1.1); ``ca_file`` empty with ``tls``: the system's."""

    name: str
    host: str
    port: int
    protocol: int = 5
    client_id: str = ""
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One meter's way out. ``topic`` is complete (generic mode); ``keys`` renames quantities, {key: tb_key}.

    ``purged``: the meter was removed with all that waits of it, which is dropped and counted.
    """

    uid: bytes
    meter: str
    mode: Mode
    target: str
    topic: str = ""
    device: str = ""
    device_type: str = "default"
    strict_order: bool = False
    purged: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routes:
    """All targets by name, all routes by uid."""

    targets: Mapping[str, Target]
    routes: Mapping[bytes, Route]

    def dump(self, path: Path) -> bool:
        """Write the file if its content changes; return whether it did."""
        targets = [asdict(target) | {"password": target.password.reveal()} for target in self.targets.values()]
        routes = [asdict(route) | {"uid": route.uid.hex(), "mode": str(route.mode)} for route in self.routes.values()]
        content = json.dumps({"targets": targets, "routes": routes}, indent=1).encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        write_atomically(path, content)
        return True

    @classmethod
    def load(cls, path: Path) -> "Routes":
        """Read and check the file; raise BadFile that names what is wrong."""
        record = Record.load(path)
        targets = {target.name: target for target in map(_target, record.records("targets", MAX_ROUTES))}
        routes = {route.uid: route for route in map(_route, record.records("routes", MAX_ROUTES))}
        for route in routes.values():
            if route.target not in targets:
                raise BadFile(f"{path}: meter {route.meter} is routed to {route.target!r}, which is not a target")
        return cls(targets, routes)


def _target(record: Record) -> Target:
    return Target(
        name=record.text("name"),
        host=record.text("host"),
        port=record.whole("port", 1, 65535),
        protocol=record.whole("protocol", 4, 5),
        client_id=record.text("client_id"),
        username=record.text("username"),
        password=Secret(record.text("password")),
        tls=record.flag("tls"),
        ca_file=record.text("ca_file"),
        cert_file=record.text("cert_file"),
        key_file=record.text("key_file"),
    )


def _route(record: Record) -> Route:
    mode = record.text("mode")
    if mode not in Mode.__members__.values():
        raise BadFile(f"mode must be one of {', '.join(Mode)}, not {mode!r}")
    return Route(
        uid=record.octets("uid", UID_SIZE),
        meter=record.text("meter"),
        mode=Mode(mode),
        target=record.text("target"),
        topic=record.text("topic"),
        device=record.text("device"),
        device_type=record.text("device_type"),
        strict_order=record.flag("strict_order"),
        purged=record.flag("purged"),
        keys=_words(record.record("keys")),
        attributes=_words(record.record("attributes")),
    )


def _words(record: Record) -> dict[str, str]:
    names = record.names()
    if len(names) > MAX_KEYS:
        raise BadFile(f"keys and attributes of a route: at most {MAX_KEYS}")
    return {name: record.text(name) for name in names}
