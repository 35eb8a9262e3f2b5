"""The fields of a meter in a file of text: which there are, of what kind each is, and how its value is written.

In: texts of cells and scalars. Out: the values that a JSON body of POST /meters would hold, or BadPayload that names
the field; and the way back. Pure. Bounds of meaning are the store's rules; secrets are read, never written.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from admin_api.documents import measurement_document
from admin_api.schemas.shape import BadPayload
from common.catalogue import MODELS
from common.meter_state import DesiredState
from common.store.model import SECRETS, MeasurementWish, Meter

NULL: Final = "null"  # the word of a cell that is to hold nothing, where an empty cell says "as it is"
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
_TRUTHS: Final[Mapping[str, bool]] = {"true": True, "false": False, "1": True, "0": False}


def _text(_name: str, text: str) -> object:
    return text


def _whole(name: str, text: str) -> object:
    if not _WHOLE.fullmatch(text):
        raise BadPayload(name, f"a whole number was expected, not {text[:40]!r}")
    return int(text)


def as_number(name: str, text: str) -> object:
    """Return the number that a text is; raise BadPayload."""
    if not _NUMBER.fullmatch(text):
        raise BadPayload(name, f"a number was expected, not {text[:40]!r}")
    return float(text)


def _flag(name: str, text: str) -> object:
    if text.lower() not in _TRUTHS:
        raise BadPayload(name, f"true or false was expected, not {text[:40]!r}")
    return _TRUTHS[text.lower()]


def _object(name: str, text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        raise BadPayload(name, "a JSON object of names and numbers was expected") from None


def _measurements(name: str, text: str) -> object:
    if not text.startswith("["):
        return [item.strip() for item in text.split(";") if item.strip()]
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        raise BadPayload(name, "names separated by ';', or a JSON list, were expected") from None


Kind = Callable[[str, str], object]
COLUMNS: Final[Mapping[str, Kind]] = {
    "name": _text,
    "ip_address": _text,
    "port": _whole,
    "transport": _text,
    "client_id": _whole,
    "server_logical": _whole,
    "server_physical": _whole,
    "address_size": _whole,
    "authentication": _text,
    "password": _text,
    "security": _text,
    "security_suite": _whole,
    "encryption_key": _text,
    "authentication_key": _text,
    "client_title": _text,
    "server_title": _text,
    "dedicated_key": _flag,
    "general_ciphering": _flag,
    "referencing": _text,
    "model": _text,
    "interval_s": as_number,
    "desired_state": _text,
    "line_mode": _text,
    "tb_enabled": _flag,
    "tb_host": _text,
    "tb_port": _whole,
    "tb_token": _text,
    "tb_device_name": _text,
    "limits": _object,
    "backfill": _flag,
    "load_profile": _text,
    "measurements": _measurements,
}
"""Every field of a wish, in the order of an exported file."""
OF_A_MEASUREMENT: Final[Mapping[str, Kind]] = {
    "measurement_name": _text,
    "name": _text,
    "key": _text,
    "obis_code": _text,
    "class": _whole,
    "attribute": _whole,
    "enabled": _flag,
    "sampling_interval": as_number,
    "tb_key": _text,
}
TOLD: Final = tuple(f"{name}_set" for name in SECRETS)
"""Columns that say of a secret whether there is one; written, and passed over when read."""
PASSED_OVER: Final = frozenset({"id", "revision", "created_at", "updated_at", "state", *TOLD})


def value_of(name: str, text: str) -> object:
    """Return the value that a column's text says; raise BadPayload."""
    return COLUMNS[name](name, text)


def nothing_of(name: str) -> object:
    """Return what "nothing" is in a column: an empty text, no limits, null elsewhere."""
    kind = COLUMNS[name]
    return {} if kind is _object else "" if kind is _text and name not in SECRETS else None


def text_of(value: object) -> str:
    """Return a value as the text of a cell; lists and objects as JSON."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ";".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def portable(meter: Meter) -> dict[str, object]:
    """Return a meter as a file holds it: uid, every field but secrets, whether those are set."""
    wish = meter.wish
    values: dict[str, object] = {"uid": meter.uid.hex()}
    values |= {name: getattr(wish, name) for name in COLUMNS if name not in SECRETS}
    values |= {"desired_state": str(DesiredState(wish.desired_state)), "limits": dict(wish.limits)}
    values["measurements"] = [_short(item, wish.model) for item in wish.measurements]
    return values | {f"{name}_set": bool(getattr(wish, name)) for name in SECRETS}


def _short(item: MeasurementWish, model: str) -> object:
    """Return a measurement by its name alone where the catalogue says the rest."""
    entry = MODELS[model].measurements.get(item.measurement_name) if model in MODELS else None
    if entry and item == MeasurementWish(entry.key, entry.obis, entry.class_id, entry.attribute):
        return item.measurement_name
    return measurement_document(item)
