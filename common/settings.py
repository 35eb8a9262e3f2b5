"""Settings of the installation: one TOML file and the environment, to frozen, bounded values.

In: ``bridge.toml`` in the state directory (or the file that DLMS_BRIDGE_CONFIG names) and variables
DLMS_BRIDGE_<SECTION>_<KEY>, which win. Out: ``Settings``. A worker reads none of this: it has its worker file.
"""

import hashlib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from common.errors import Hopeless
from common.paths import Paths
from common.scan_plan import BadScan, Rules, rules
from common.secret import Secret

PREFIX: Final = "DLMS_BRIDGE_"
CONFIG_NAME: Final = "bridge.toml"
DEFAULT_STATE: Final = "state"
_Section = TypeVar("_Section")
_Number = TypeVar("_Number", int, float)


class BadSettings(Hopeless):
    """The settings file or a variable holds what it may not; names section and key."""


def _bound(default: _Number, low: _Number, high: _Number) -> _Number:
    item: _Number = field(default=default, metadata={"low": low, "high": high})
    return item


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The broker that every meter without a target of its own is delivered to."""

    mode: str = field(default="generic", metadata={"words": ("generic", "tb_gateway", "tb_device")})
    host: str = "127.0.0.1"
    port: int = _bound(1883, 1, 65535)
    protocol: str = field(default="5", metadata={"words": ("5", "3.1.1")})
    client_id: str = ""
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    topic: str = "meters/{meter}/telemetry"
    order: str = field(default="lanes", metadata={"words": ("lanes", "strict")})


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Where the REST API listens."""

    host: str = "127.0.0.1"
    port: int = _bound(5001, 1, 65535)
    workers: int = _bound(2, 1, 16)
    threads: int = _bound(32, 2, 256)
    open_metrics: bool = True
    docs: bool = True
    tls_cert_file: str = ""
    tls_key_file: str = ""
    insecure: bool = False
    trusted_proxies: str = ""
    requests_per_minute: int = _bound(6000, 60, 600_000)
    remote_actions: bool = False
    sse_clients: int = _bound(24, 0, 1000)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The shared store; ``url`` empty: SQLite in the state directory. Then how long what grows is kept.

    ``max_octets``: of an SQLite file; the history of readings gives way to it.
    """

    url: str = ""
    max_octets: int = _bound(8 << 30, 64 << 20, 1 << 40)
    minutes_kept_h: int = _bound(24, 0, 31 * 24)
    quarters_kept_days: int = _bound(31, 0, 3660)
    days_kept_days: int = _bound(731, 0, 36_600)
    hours_kept_days: int = _bound(400, 0, 3660)
    commands_kept_days: int = _bound(7, 1, 366)
    diagnostics_kept_days: int = _bound(30, 1, 366)
    alarms_kept_days: int = _bound(90, 1, 3660)
    audit_kept_days: int = _bound(400, 1, 36_600)


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Bounds of what waits on disk for the broker: seconds and octets."""

    max_age_s: float = _bound(7 * 86_400.0, 60.0, 366 * 86_400.0)
    max_octets: int = _bound(2 << 30, 1 << 20, 1 << 40)
    puback_timeout_s: float = _bound(30.0, 1.0, 600.0)
    in_flight: int = _bound(80, 1, 100)


@dataclass(frozen=True, slots=True)
class SupervisionSettings:
    """The numbers of SPEC section 8; seconds where the name says so."""

    silent_s: float = _bound(12.0, 6.0, 600.0)
    stale_floor_s: float = _bound(20.0, 5.0, 3600.0)
    stale_intervals: float = _bound(3.0, 2.0, 100.0)
    starts: int = _bound(5, 1, 100)
    starts_window_s: float = _bound(600.0, 60.0, 86_400.0)
    blocked_retry_s: float = _bound(300.0, 1.0, 86_400.0)
    mass_ratio: float = _bound(0.3, 0.05, 1.0)
    mass_floor: int = _bound(5, 2, 1000)
    restarts_per_minute: int = _bound(10, 1, 1000)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Whom alarms are told beside the broker: ``urls`` of apprise, separated by blanks, and a file with one a line."""

    urls: Secret = field(default_factory=lambda: Secret(""))
    urls_file: str = ""
    min_severity: str = field(default="error", metadata={"words": ("info", "warning", "error", "critical")})
    resolved: bool = True
    hold_s: float = _bound(60.0, 0.0, 86_400.0)
    per_hour: int = _bound(12, 1, 1000)
    digest_s: float = _bound(300.0, 0.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """``trusted``: the operator vouches for the system clock, synchronised or not."""

    trusted: bool = False


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """Where meters may be looked for: networks and ports separated by blanks; no network: nowhere."""

    allow: str = ""
    ports: str = "4059 3333"
    per_second: int = _bound(20, 1, 50)
    max_hosts: int = _bound(1024, 1, 65_536)

    def rules(self) -> Rules:
        """Return them as a scan is held against them; raise BadScan."""
        return rules(self.allow, self.ports, self.max_hosts)


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """What ``meterctl run`` brings along: a broker on loopback, simulated meters."""

    broker: bool = False
    broker_kind: str = field(default="auto", metadata={"words": ("auto", "mosquitto", "package")})
    broker_port: int = _bound(1883, 1, 65535)
    simulator_meters: int = _bound(0, 0, 1000)
    simulator_port: int = _bound(33330, 1, 64000)


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections, and the paths that follow from the state directory."""

    paths: Paths
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    embedded: EmbeddedSettings = field(default_factory=EmbeddedSettings)
    scan: ScanSettings = field(default_factory=ScanSettings)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What no log may hold: the values of secret settings, each URL of them, the store's password."""
        sections = (getattr(self, item.name) for item in fields(self) if item.name != "paths")
        values = [getattr(section, item.name) for section in sections for item in fields(section)]
        words = [word for value in values if isinstance(value, Secret) for word in value.reveal().split()]
        if self.mqtt.mode != "generic":
            words.append(self.mqtt.username)  # ThingsBoard's access token
        password = self.store.url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        return tuple(word.encode() for word in (*words, password) if word)

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.store.url or f"sqlite:///{self.paths.store_file}"


_SECTIONS: Final[Mapping[str, type]] = {
    "mqtt": MqttSettings,
    "api": ApiSettings,
    "store": StoreSettings,
    "outbox": OutboxSettings,
    "supervision": SupervisionSettings,
    "notify": NotifySettings,
    "clock": ClockSettings,
    "embedded": EmbeddedSettings,
    "scan": ScanSettings,
}


def load(state: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings; raise BadSettings.

    ``state``: the state directory; else DLMS_BRIDGE_STATE, else ``state`` in the working directory.
    """
    environment = os.environ if environment is None else environment
    root = Path(state or environment.get(f"{PREFIX}STATE") or DEFAULT_STATE).absolute()
    config = Path(environment.get(f"{PREFIX}CONFIG") or root / CONFIG_NAME)
    document = _document(config)
    for name in document:
        if name not in _SECTIONS:
            raise BadSettings(f"{config}: [{name}] is not a section; there are {', '.join(_SECTIONS)}")
    sections: dict[str, Any] = {
        name: _section(kind, name, document.get(name, {}), environment, config) for name, kind in _SECTIONS.items()
    }
    sections["mqtt"] = _named(sections["mqtt"], root)
    try:
        sections["scan"].rules()
    except BadScan as error:
        raise BadSettings(f"{config}: [scan] {error.detail}") from None
    return Settings(Paths(root), **sections)


def _named(mqtt: MqttSettings, root: Path) -> MqttSettings:
    """Give an installation without a client id one of its own, the same at every start.

    Two clients of one name throw each other out of the broker (MQTT 5, 3.1.4), so no default may be shared.
    """
    digest = hashlib.sha256(f"{os.uname().nodename}\0{root}".encode()).hexdigest()[:12]
    return replace(mqtt, client_id=mqtt.client_id or f"dlms-bridge-{digest}")


def _document(config: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSettings(f"{config}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{config}: not TOML: {error}") from None


def _section(kind: type[_Section], name: str, table: object, environment: Mapping[str, str], config: Path) -> _Section:
    if not isinstance(table, Mapping):
        raise BadSettings(f"{config}: [{name}] must be a table")
    items = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # sections are dataclasses
    for key in table:
        if key not in items:
            raise BadSettings(f"{config}: [{name}] {key} is not a setting; there are {', '.join(items)}")
    _refuse_unknown(environment, name, items)
    model, values = kind(), {}
    for key, item in items.items():
        where, variable = f"{config}: [{name}] {key}", f"{PREFIX}{name}_{key}".upper()
        given: object = table.get(key)
        if variable in environment:
            where, given = variable, _parsed(environment[variable], getattr(model, key), variable)
        if given is not None:
            values[key] = _checked(given, getattr(model, key), item.metadata, where)
    return kind(**values)


def _refuse_unknown(environment: Iterable[str], name: str, keys: Collection[str]) -> None:
    prefix = f"{PREFIX}{name}_".upper()
    for variable in environment:
        if variable.startswith(prefix) and variable.removeprefix(prefix).lower() not in keys:
            raise BadSettings(f"{variable}: [{name}] has no such setting; there are {', '.join(keys)}")


def _parsed(text: str, default: object, variable: str) -> object:
    if isinstance(default, bool):
        if text.lower() not in {"true", "false", "1", "0"}:
            raise BadSettings(f"{variable}: true or false was expected, not {text!r}")
        return text.lower() in {"true", "1"}
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            raise BadSettings(f"{variable}: a number was expected, not {text!r}") from None
    return text


def _checked(value: object, default: object, rules: Mapping[str, object], where: str) -> object:
    if isinstance(default, Secret):
        default = ""
        return Secret(str(_checked(value, default, rules, where)))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise BadSettings(f"{where}: {type(default).__name__} was expected, not {type(value).__name__}")
    low, high, words = rules.get("low"), rules.get("high"), rules.get("words")
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= float(str(value)) <= high:
        raise BadSettings(f"{where}: must be from {low} to {high}, not {value}")
    if isinstance(words, tuple) and value not in words:
        raise BadSettings(f"{where}: must be one of {', '.join(words)}, not {value!r}")
    return value
