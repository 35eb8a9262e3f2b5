"""Bodies and queries, checked: JSON data in, frozen wishes out, or BadPayload that names the field.

Pure functions without HTTP, shared by API and meterctl. The form of a meter's body is one table; bounds are the
store's rules. What the API answers in a meter beyond its wishes may be sent back and is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from admin_api.readers import (
    BadPayload,
    Reader,
    Values,
    as_flag,
    as_list,
    as_number,
    as_numbers,
    as_object,
    as_secret,
    as_text,
    as_whole,
    or_none,
    shown,
)
from common.catalogue import DEFAULT_MEASUREMENTS, DEFAULT_MODEL, MODELS, CatalogueEntry, Model
from common.meter_state import DesiredState
from common.store.model import SECRETS, MeasurementWish, MeterWish
from common.store.rules import check

PORTS: Final[Mapping[str, int]] = {"hdlc": 3333, "wrapper": 4059}
MAX_WAIT_S: Final = 30.0  # a caller holds one of the API's threads meanwhile
MAX_COMMAND_S: Final = 300.0
COMMAND_S: Final = 30.0
MAX_PAGE: Final = 1000
PAGE: Final = 100
READ_ONLY: Final = frozenset({
    "id",
    "uid",
    "revision",
    "created_at",
    "updated_at",
    *(f"{name}_set" for name in SECRETS),
    "state",
})


def new_meter(body: object) -> MeterWish:
    """Return the meter that a body asks for, completed from its model; raise BadWish.

    Also taken: the body {name, ip_address, port, tb_token, tb_device_name?, measurements: [names]}.
    """
    given = _values(body)
    for needed in ("name", "ip_address"):
        if needed not in given:
            raise BadPayload(needed, "is missing")
    return _completed({}, given)


def replaced_meter(body: object, current: MeterWish) -> MeterWish:
    """Return the meter that a whole body asks for (PUT); secrets that it leaves out stay. Raise BadWish."""
    given = _values(body)
    kept = {name: getattr(current, name) for name in SECRETS}
    for needed in ("name", "ip_address"):
        if needed not in given:
            raise BadPayload(needed, "is missing")
    return _completed({name: secret for name, secret in kept.items() if secret}, given)


def changed_meter(body: object, current: MeterWish) -> MeterWish:
    """Return the meter with what a body names changed (PATCH); raise BadWish.

    Another model takes those measurements along that were the old model's own.
    """
    given = _values(body)
    if "model" in given and "measurements" not in given:
        given["measurements"] = tuple(_moved(item, current.model, given["model"]) for item in current.measurements)
    elif "measurements" in given:
        given["measurements"] = _measurements(given["measurements"], given.get("model", current.model))
    wish = replace(current, **_implied(given, given))
    check(wish)
    return wish


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """``wait_s``: how long the caller waits for the result; ``timeout_s``: when the command expires."""

    wait_s: float
    timeout_s: float


def command_options(query: Mapping[str, str], body: object) -> CommandOptions:
    """Return what ?wait= and a body {timeout_s?} ask for; raise BadPayload."""
    wait_s = _query_number(query, "wait", 0.0, MAX_WAIT_S, 0.0)
    fields = {} if body is None else as_object(body, "body")
    for name in fields:
        if name != "timeout_s":
            raise BadPayload(shown(name), "not a field of this body; there is timeout_s")
    timeout_s = as_number(fields.get("timeout_s", COMMAND_S), "timeout_s")
    if not 1.0 <= timeout_s <= MAX_COMMAND_S:
        raise BadPayload("timeout_s", f"1 to {MAX_COMMAND_S:.0f} seconds were expected")
    return CommandOptions(wait_s, timeout_s)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    limit: int
    offset: int


def page(query: Mapping[str, str]) -> Page:
    """Return what ?limit= and ?offset= ask for; raise BadPayload."""
    limit = _query_number(query, "limit", 1, MAX_PAGE, PAGE)
    return Page(int(limit), int(_query_number(query, "offset", 0, 1_000_000_000, 0)))


def flag(query: Mapping[str, str], name: str) -> bool | None:
    """Return a query's true or false, None where it is not given; raise BadPayload."""
    text = query.get(name)
    if text is None:
        return None
    if text.lower() not in {"true", "false", "1", "0"}:
        raise BadPayload(name, "true or false was expected")
    return text.lower() in {"true", "1"}


def known_queries(query: Mapping[str, str], *names: str) -> None:
    """Refuse a query parameter that nobody would look at; raise BadPayload."""
    for name in query:
        if name not in names:
            raise BadPayload(shown(name), f"not a query parameter here; there are {', '.join(names) or 'none'}")


def _values(body: object) -> Values:
    """Return a body's fields of the right types; measurements stay as they came: they need the model."""
    values: Values = {}
    for name, value in as_object(body, "body").items():
        if name in READ_ONLY:
            continue
        if name not in _READERS:
            raise BadPayload(shown(name), f"not a field of a meter; there are {', '.join(_READERS)}")
        values[name] = _READERS[name](value, name)
    return values


def _completed(kept: Values, given: Values) -> MeterWish:
    name = given.get("model", DEFAULT_MODEL)
    if name not in MODELS:
        raise BadPayload("model", f"one of {', '.join(MODELS)} was expected, not {shown(name)}")
    values = kept | _defaults(MODELS[name], given.get("transport")) | given
    values["model"] = name
    values["measurements"] = _measurements(given.get("measurements", DEFAULT_MEASUREMENTS), name)
    wish = MeterWish(**_implied(values, given))
    check(wish)
    return wish


def _implied(values: Values, given: Values) -> Values:
    """A password means that it is to be used, a token that ThingsBoard is, unless something else is said."""
    if values.get("password") and "authentication" not in given:
        values["authentication"] = "lls"
    if values.get("tb_token") and "tb_enabled" not in given:
        values["tb_enabled"] = True
    return values


def _defaults(model: Model, transport: str | None) -> Values:
    values: Values = {
        "transport": model.transport,
        "port": model.port,
        "client_id": model.client_id,
        "server_logical": model.server_logical,
        "server_physical": model.server_physical,
        "address_size": model.address_size,
        "authentication": model.authentication,
        "referencing": model.referencing,
    }
    if transport is not None and transport in PORTS and transport != model.transport:
        values |= {"port": PORTS[transport], "address_size": 1 if transport == "hdlc" else None}
    return values


def _measurements(items: object, model: str) -> tuple[MeasurementWish, ...]:
    known = MODELS[model].measurements if model in MODELS else {}
    places = enumerate(cast("list[object]", items))
    return tuple(_measurement(item, known, f"measurements[{place}]") for place, item in places)


def _measurement(item: object, known: Mapping[str, CatalogueEntry], where: str) -> MeasurementWish:
    values = _measurement_values({"measurement_name": item} if isinstance(item, str) else item, where)
    if "measurement_name" not in values:
        raise BadPayload(f"{where}.measurement_name", "is missing")
    entry = known.get(values["measurement_name"])
    if entry is not None:
        return MeasurementWish(**_found_at(entry) | values)
    if "obis_code" not in values:
        detail = f"{shown(values['measurement_name'])} is not in the catalogue ({', '.join(known)}): give obis_code"
        raise BadPayload(f"{where}.measurement_name", detail)
    return MeasurementWish(**values)


def _measurement_values(item: object, where: str) -> Values:
    values: Values = {}
    for given, value in as_object(item, where).items():
        name = _ALIASES.get(given, given)
        if name not in _MEASUREMENT_READERS:
            raise BadPayload(f"{where}.{shown(name)}", f"there are {', '.join(_MEASUREMENT_READERS)}")
        values["class_id" if name == "class" else name] = _MEASUREMENT_READERS[name](value, f"{where}.{given}")
    return values


def _found_at(entry: CatalogueEntry) -> Values:
    return {"obis_code": entry.obis, "class_id": entry.class_id, "attribute": entry.attribute}


def _moved(item: MeasurementWish, old: str, new: str) -> MeasurementWish:
    before = MODELS[old].measurements.get(item.measurement_name) if old in MODELS else None
    after = MODELS[new].measurements.get(item.measurement_name) if new in MODELS else None
    if before is None or after is None or item.obis_code != before.obis:
        return item
    return replace(item, **_found_at(after))


def _desired(value: object, name: str) -> DesiredState:
    if value not in DesiredState.__members__.values():
        raise BadPayload(name, f"one of {', '.join(DesiredState)} was expected")
    return DesiredState(str(value))


def _query_number(query: Mapping[str, str], name: str, low: float, high: float, default: float) -> float:
    text = query.get(name)
    if text is None:
        return default
    try:
        value = float(text) if isinstance(low, float) else int(text[:20])
    except ValueError:
        value = -1
    if not low <= value <= high:
        raise BadPayload(name, f"a number from {low:g} to {high:g} was expected")
    return value


_ALIASES: Final[Mapping[str, str]] = {"name": "measurement_name", "key": "measurement_name"}
_READERS: Final[Mapping[str, Reader]] = {
    "name": as_text,
    "ip_address": as_text,
    "port": as_whole,
    "transport": as_text,
    "client_id": as_whole,
    "server_logical": as_whole,
    "server_physical": or_none(as_whole),
    "address_size": or_none(as_whole),
    "authentication": as_text,
    "password": as_secret,
    "security": as_text,
    "security_suite": as_whole,
    "encryption_key": as_secret,
    "authentication_key": as_secret,
    "client_title": as_text,
    "server_title": as_text,
    "dedicated_key": as_flag,
    "general_ciphering": as_flag,
    "referencing": as_text,
    "model": as_text,
    "interval_s": as_number,
    "desired_state": _desired,
    "line_mode": as_text,
    "tb_enabled": as_flag,
    "tb_host": as_text,
    "tb_port": as_whole,
    "tb_token": as_secret,
    "tb_device_name": as_text,
    "limits": as_numbers,
    "backfill": as_flag,
    "load_profile": as_text,
    "measurements": as_list,
}
_MEASUREMENT_READERS: Final[Mapping[str, Reader]] = {
    "measurement_name": as_text,
    "obis_code": as_text,
    "class": as_whole,
    "attribute": as_whole,
    "enabled": as_flag,
    "sampling_interval": or_none(as_number),
    "tb_key": as_text,
}
