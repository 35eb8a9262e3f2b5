"""The worker file: all that one worker needs to know, written by supervisor_qos, read by the worker.

It is JSON, 0600, at RUN/workers/<uid in hex>.json, replaced atomically. The worker looks at it once a second and obeys
what changed without a restart; it opens no database. Password and keys are in it: the run directory is 0700.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from common.envelope import UID_SIZE
from common.files import write_atomically
from common.json_record import BadFile, Record
from common.meter_state import DesiredState
from common.meter_words import AUTHENTICATIONS, LINE_MODES, MAX_SUITE, REFERENCINGS, SECURITIES, TRANSPORTS
from common.obis import Obis
from common.secret import Secret

MAX_MEASUREMENTS: Final = 256
MIN_INTERVAL_S: Final = 0.1  # tests and fast laboratory meters; a serial line answers in 0.2 s or more
MAX_INTERVAL_S: Final = 86_400.0
SECRETS: Final = ("password", "encryption_key", "authentication_key")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quantity to read. ``interval_s`` None: the meter's interval."""

    key: str
    obis: str
    class_id: int = 3
    attribute: int = 2
    interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The table of SPEC section 5 in numbers; seconds where the name says so."""

    connect_timeout_s: float = 5.0
    connects_per_s: int = 30
    reply_timeout_s: float = 5.0
    inter_octet_timeout_s: float = 0.5
    failed_cycles_to_reconnect: int = 5
    reconnect_delay_s: float = 1.0
    backoff_first_s: float = 2.0
    backoff_max_s: float = 60.0
    breaker_failures: int = 15
    breaker_open_s: float = 30.0
    reconnects_per_hour: int = 10
    reconnect_pause_s: float = 300.0
    auth_retry_s: float = 1800.0
    watchdog_s: float = 600.0
    hdlc_errors_to_relink: int = 15
    inactivity_timeout_s: float = 180.0
    connection_max_age_s: float = 0.0
    reconnect_after_reads: int = 0
    journal_max_age_s: float = 86_400.0
    journal_max_octets: int = 16 << 20


_BOUNDS: Final = (0.0, 1e9)


@dataclass(frozen=True, slots=True)
class WorkerFile:
    """One meter, its line, its association, what to read of it and where to hand it on.

    ``row_names``: what else rows of the load profile may hold, by the keys that its model has for it; never read alone.
    """

    uid: bytes
    name: str
    revision: int
    desired_state: DesiredState
    host: str
    port: int
    transport: str
    client_id: int
    server_logical: int
    server_physical: int | None
    address_size: int | None
    authentication: str
    password: Secret
    security: str
    security_suite: int
    encryption_key: Secret
    authentication_key: Secret
    client_title: str
    server_title: str
    dedicated_key: bool
    general_ciphering: bool
    referencing: str
    model: str
    interval_s: float
    line_mode: str
    clock_synchronised: bool
    journal_dir: str
    counter_dir: str
    lock_dir: str
    bus_dir: str
    measurements: tuple[Measurement, ...]
    backfill: bool
    load_profile: str
    row_names: tuple[Measurement, ...]
    limits: Limits = field(default_factory=Limits)

    def dump(self, path: Path) -> bool:
        """Write the file if its content changes; return whether it did."""
        values = asdict(self)
        values |= {"uid": self.uid.hex(), "desired_state": str(self.desired_state)}
        values |= {name: getattr(self, name).reveal() for name in SECRETS}
        content = json.dumps(values, indent=1).encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        write_atomically(path, content)
        return True

    @classmethod
    def load(cls, path: Path) -> "WorkerFile":
        """Read and check a worker file; raise BadFile that names what is wrong."""
        record = Record.load(path)
        return cls(
            uid=record.octets("uid", UID_SIZE),
            name=record.text("name"),
            revision=record.whole("revision", 0, 2**53),
            desired_state=_desired(record, path),
            host=record.text("host"),
            port=record.whole("port", 1, 65535),
            transport=_one_of(record, "transport", TRANSPORTS),
            client_id=record.whole("client_id", 0, 65535),
            server_logical=record.whole("server_logical", 0, 65535),
            server_physical=record.optional_whole("server_physical", 0, 16383),
            address_size=record.optional_whole("address_size", 1, 4),
            authentication=_one_of(record, "authentication", AUTHENTICATIONS),
            password=Secret(record.text("password")),
            security=_one_of(record, "security", SECURITIES),
            security_suite=record.whole("security_suite", 0, MAX_SUITE),
            encryption_key=Secret(record.text("encryption_key")),
            authentication_key=Secret(record.text("authentication_key")),
            client_title=record.text("client_title"),
            server_title=record.text("server_title"),
            dedicated_key=record.flag("dedicated_key"),
            general_ciphering=record.flag("general_ciphering"),
            referencing=_one_of(record, "referencing", REFERENCINGS),
            model=record.text("model"),
            interval_s=record.number("interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
            line_mode=_one_of(record, "line_mode", LINE_MODES),
            clock_synchronised=record.flag("clock_synchronised"),
            journal_dir=record.text("journal_dir"),
            counter_dir=record.text("counter_dir"),
            lock_dir=record.text("lock_dir"),
            bus_dir=record.text("bus_dir"),
            measurements=tuple(map(_measurement, record.records("measurements", MAX_MEASUREMENTS))),
            backfill=record.flag("backfill"),
            load_profile=_profile(record.text("load_profile")),
            row_names=tuple(map(_measurement, record.records("row_names", MAX_MEASUREMENTS))),
            limits=_limits(record.record("limits")),
        )


def _measurement(record: Record) -> Measurement:
    return Measurement(
        key=record.text("key", limit=128),
        obis=str(Obis.parse(record.text("obis"))),
        class_id=record.whole("class_id", 0, 65535),
        attribute=record.whole("attribute", -128, 127),
        interval_s=record.optional_number("interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
    )


def _profile(text: str) -> str:
    return str(Obis.parse(text)) if text else ""


def _limits(record: Record) -> Limits:
    """Take the limits that are given; a whole-numbered default stays whole."""
    known = asdict(Limits())
    for name in record.names():
        if name not in known:
            raise BadFile(f"limits: {name} is not a limit of a worker")
        value = record.number(name, *_BOUNDS)
        known[name] = int(value) if isinstance(known[name], int) else value
    return Limits(**known)


def _desired(record: Record, path: Path) -> DesiredState:
    text = record.text("desired_state")
    try:
        return DesiredState(text)
    except ValueError:
        raise BadFile(f"{path}: desired_state must be one of {', '.join(DesiredState)}, not {text!r}") from None


def _one_of(record: Record, name: str, words: tuple[str, ...]) -> str:
    text = record.text(name)
    if text not in words:
        raise BadFile(f"{name} must be one of {', '.join(words)}, not {text!r}")
    return text
