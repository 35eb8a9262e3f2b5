"""Wishes of the store to the run files that make them true: worker file, routes, program of supervisord. Pure.

In: meters with their wishes, settings, what the workers found out. Out: ``WorkerFile``, ``Routes``, texts. No file is
written here.
"""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from common.catalogue import MODELS, STANDARD_LOAD_PROFILE, load_profile, model
from common.meter_state import DesiredState
from common.obis import Obis
from common.paths import Paths
from common.process import Exit
from common.routes import Mode, Route, Routes, Target
from common.settings import MqttSettings, Settings
from common.store.model import Meter, MeterWish
from common.supervisord import quoted
from common.tether import tethered
from common.worker_file import MAX_MEASUREMENTS, Limits, Measurement, WorkerFile

PREFIX: Final = "meter-"
SCANNER: Final = "scanner"  # the program that runs while a scan is unfinished
FACTS: Final = ("serial_number", "firmware_version")  # what a worker finds out and the broker is told
DEFAULT_TARGET: Final = "default"
EXPECTED_EXITS: Final = (Exit.OK, Exit.LOCK_HELD, Exit.BAD_CONFIGURATION)  # no restart by supervisord: we decide when
TLS_PORT: Final = 8883
LEVELS: Final[Mapping[str, int]] = {"5": 5, "3.1.1": 4}  # what the protocol's name is on the wire


def program_name(uid: bytes) -> str:
    """Return the name of a meter's program: hexadecimal, so that no name a person gave reaches supervisord."""
    return f"{PREFIX}{uid.hex()}"


def uid_of(program: str) -> bytes | None:
    """Return the meter that a program belongs to; None when it is none of ours."""
    found = re.fullmatch(rf"{PREFIX}([0-9a-f]{{32}})", program)
    return bytes.fromhex(found[1]) if found else None


def has_process(meter: Meter) -> bool:
    """Return whether a meter is wished a worker; a paused one keeps it, to deliver what it holds."""
    return meter.deleted_at is None and meter.wish.desired_state is not DesiredState.STOPPED


def worker_path(paths: Paths, uid: bytes) -> Path:
    """Return where a worker's file lies."""
    return paths.workers / f"{uid.hex()}.json"


def program_path(paths: Paths, uid: bytes) -> Path:
    """Return where a worker's program for supervisord lies."""
    return paths.programs / f"{program_name(uid)}.conf"


def worker_file(meter: Meter, paths: Paths, *, clock_synchronised: bool) -> WorkerFile:
    """Return what a worker is to know."""
    wish = meter.wish
    return WorkerFile(
        uid=meter.uid,
        name=wish.name,
        revision=meter.revision,
        desired_state=wish.desired_state,
        host=wish.ip_address,
        port=wish.port,
        transport=wish.transport,
        client_id=wish.client_id,
        server_logical=wish.server_logical,
        server_physical=wish.server_physical,
        address_size=wish.address_size,
        authentication=wish.authentication,
        password=wish.password,
        security=wish.security,
        security_suite=wish.security_suite,
        encryption_key=wish.encryption_key,
        authentication_key=wish.authentication_key,
        client_title=wish.client_title,
        server_title=wish.server_title,
        dedicated_key=wish.dedicated_key,
        general_ciphering=wish.general_ciphering,
        referencing=wish.referencing,
        model=wish.model,
        interval_s=wish.interval_s,
        line_mode=wish.line_mode,
        clock_synchronised=clock_synchronised,
        journal_dir=str(paths.journal / meter.uid.hex()),
        counter_dir=str(paths.counters / meter.uid.hex()),
        lock_dir=str(paths.locks),
        bus_dir=str(paths.sockets),
        measurements=tuple(
            Measurement(item.measurement_name, item.obis_code, item.class_id, item.attribute, item.sampling_interval)
            for item in wish.measurements
            if item.enabled
        ),
        backfill=wish.backfill,
        load_profile=wish.load_profile or _load_profile(wish.model),
        row_names=_row_names(wish),
        limits=_limits(wish),
    )


def _load_profile(name: str) -> str:
    """Return where the load profile is; a model that another version knew and we do not harms no other meter."""
    return load_profile(name) if name in MODELS else str(STANDARD_LOAD_PROFILE)


def _row_names(wish: MeterWish) -> tuple[Measurement, ...]:
    """Return what a row of the load profile may hold beside what is read live, by the keys that people know."""
    read = {_place(each.class_id, each.obis_code, each.attribute) for each in wish.measurements if each.enabled}
    taken = {item.measurement_name for item in wish.measurements}
    places = {each.measurement_name: (each.class_id, each.obis_code, each.attribute) for each in wish.measurements}
    places |= {
        each.key: (each.class_id, each.obis, each.attribute)
        for each in (model(wish.model).measurements.values() if wish.model in MODELS else ())
        if each.key not in taken
    }
    found = ((key, _place(*place)) for key, place in places.items())
    names = (
        Measurement(key, obis, number, part) for key, (number, obis, part) in found if (number, obis, part) not in read
    )
    return tuple(names)[:MAX_MEASUREMENTS]


def _place(class_id: int, obis: str, attribute: int) -> tuple[int, str, int]:
    return class_id, str(Obis.parse(obis)), attribute


def _limits(wish: MeterWish) -> Limits:
    known = asdict(Limits())
    given = {name: type(known[name])(value) for name, value in wish.limits.items() if name in known}
    return Limits(**known | given)


def program(uid: bytes, paths: Paths, scripts: Path) -> str:
    """Return a worker's program for supervisord; raise UnsafeText.

    A worker that ends by itself with 0, 75 (line or journal held) or 78 (bad configuration) is not started again by
    supervisord: when to try again is decided here.
    """
    command = [str(scripts / "dlms-poller"), "--config", str(worker_path(paths, uid))]
    return _program(program_name(uid), command, paths, scripts)


def scanner_program(paths: Paths, scripts: Path) -> str:
    """Return the scanner's program for supervisord; raise UnsafeText."""
    return _program(SCANNER, [str(scripts / "dlms-scanner"), "--bus", str(paths.sockets)], paths, scripts)


def _program(name: str, program: Sequence[str], paths: Paths, scripts: Path) -> str:
    command = shlex.join(tethered(program, scripts))
    return f"""\
[program:{name}]
command={quoted(command)}
directory={quoted(str(paths.root))}
priority=500
autorestart=unexpected
exitcodes={",".join(str(int(code)) for code in EXPECTED_EXITS)}
startsecs=1
startretries=3
stopwaitsecs=10
redirect_stderr=true
stdout_logfile={quoted(str(paths.log / name))}.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=1
"""


def routes(meters: Iterable[Meter], settings: Settings, facts: Mapping[bytes, Mapping[str, str]]) -> Routes:
    """Return where each meter's readings go; tombstones too, until what they left is delivered.

    ``facts``: what workers found out of their meters (serial number, firmware), by uid.
    """
    targets, found = {DEFAULT_TARGET: _default_target(settings.mqtt)}, {}
    for meter in meters:
        target = _own_target(meter.wish, settings.mqtt)
        if target is not None:
            targets[target.name] = target
        found[meter.uid] = _route(meter, settings.mqtt, target, facts.get(meter.uid, {}))
    return Routes(targets, found)


def _route(meter: Meter, mqtt: MqttSettings, target: Target | None, facts: Mapping[str, str]) -> Route:
    wish = meter.wish
    mode = Mode(mqtt.mode) if target is None else Mode.TB_DEVICE
    return Route(
        uid=meter.uid,
        meter=wish.name,
        mode=mode,
        target=DEFAULT_TARGET if target is None else target.name,
        topic=_topic(mqtt.topic, meter) if mode is Mode.GENERIC else "",
        device="" if mode is Mode.GENERIC else wish.tb_device_name or wish.name,
        strict_order=mode is Mode.GENERIC and mqtt.order == "strict",
        purged=meter.purge,
        keys={item.measurement_name: item.tb_key for item in wish.measurements if item.tb_key},
        attributes=_attributes(wish, facts),
    )


def _topic(template: str, meter: Meter) -> str:
    """Fill in {meter} and {uid}; the name was checked when the wish was made and holds nothing that a topic may not."""
    return template.replace("{meter}", meter.wish.name).replace("{uid}", meter.uid.hex())


def _attributes(wish: MeterWish, facts: Mapping[str, str]) -> dict[str, str]:
    known = {
        "model": wish.model,
        "address": wish.ip_address,
        "port": str(wish.port),
        "interval_s": str(wish.interval_s),
    }
    return known | {name: facts[name] for name in FACTS if facts.get(name)}


def _default_target(mqtt: MqttSettings) -> Target:
    return Target(
        name=DEFAULT_TARGET,
        host=mqtt.host,
        port=mqtt.port,
        protocol=LEVELS[mqtt.protocol],
        client_id=mqtt.client_id,
        username=mqtt.username,
        password=mqtt.password,
        tls=mqtt.tls,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
    )


def _own_target(wish: MeterWish, mqtt: MqttSettings) -> Target | None:
    """Return a connection for a meter with a token or a ThingsBoard of its own; equal credentials share one."""
    if not wish.tb_enabled or not (wish.tb_token or wish.tb_host):
        return None
    host, token = wish.tb_host or mqtt.host, wish.tb_token.reveal()
    digest = hashlib.sha256(f"{host}\0{wish.tb_port}\0{token}".encode()).hexdigest()[:16]
    return Target(
        name=f"tb-{digest}",
        host=host,
        port=wish.tb_port,
        client_id=f"{mqtt.client_id}-{digest}",
        username=token,
        tls=wish.tb_port == TLS_PORT,
        ca_file=mqtt.ca_file,
    )
