"""From what a body says to the whole wish: completed from the meter's model, checked by the store's rules.

In: a form of admin_api.schemas.meters, and for a change the wish that there is. Out: a wish that the store takes, or
BadWish that names the field. Pure; API and meterctl alike come through here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from admin_api.schemas.meters import READ_ONLY, MeterChange, NewMeasurement, NewMeter
from admin_api.schemas.refusals import shown
from admin_api.schemas.shape import BadPayload, Values
from common.catalogue import DEFAULT_MEASUREMENTS, DEFAULT_MODEL, MODELS, CatalogueEntry, Model
from common.store.model import SECRETS, MeasurementWish, MeterWish
from common.store.rules import check

PORTS: Final[Mapping[str, int]] = {"hdlc": 3333, "wrapper": 4059}
_ASSUMED: Final = (
    *("transport", "port", "client_id", "server_logical", "server_physical", "address_size"),
    *("authentication", "referencing"),
)


def new_meter(body: NewMeter) -> MeterWish:
    """Return the meter that a body asks for, completed from its model; raise BadWish.

    Also taken: the body {name, ip_address, port, tb_token, tb_device_name?, measurements: [names]}.
    """
    return _completed({}, _said(body))


def replaced_meter(body: NewMeter, current: MeterWish) -> MeterWish:
    """Return the meter that a whole body asks for (PUT); secrets that it leaves out stay. Raise BadWish."""
    kept = {name: getattr(current, name) for name in SECRETS}
    return _completed({name: secret for name, secret in kept.items() if secret}, _said(body))


def changed_meter(body: MeterChange, current: MeterWish) -> MeterWish:
    """Return the meter with what a body names changed (PATCH); raise BadWish.

    Another model takes those measurements along that were the old model's own.
    """
    given = _said(body)
    if "model" in given and "measurements" not in given:
        given["measurements"] = tuple(_moved(item, current.model, given["model"]) for item in current.measurements)
    elif "measurements" in given:
        given["measurements"] = _measurements(given["measurements"], given.get("model", current.model))
    wish = replace(current, **_implied(given, given))
    check(wish)
    return wish


def _said(body: NewMeter | MeterChange) -> Values:
    return {name: value for name, value in body.given.items() if name not in READ_ONLY}


def _completed(kept: Values, given: Values) -> MeterWish:
    name = given.get("model", DEFAULT_MODEL)
    values = kept | _defaults(MODELS[name], given.get("transport")) | given
    values["model"] = name
    asked = given.get("measurements", [NewMeasurement(measurement_name=key) for key in DEFAULT_MEASUREMENTS])
    values["measurements"] = _measurements(asked, name)
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


def assumed(model: Model) -> Values:
    """Return the fields of a meter that follow from its model."""
    return {name: getattr(model, name) for name in _ASSUMED}


def _defaults(model: Model, transport: str | None) -> Values:
    values = assumed(model)
    if transport is not None and transport in PORTS and transport != model.transport:
        values |= {"port": PORTS[transport], "address_size": 1 if transport == "hdlc" else None}
    return values


def _measurements(items: Sequence[NewMeasurement], model: str) -> tuple[MeasurementWish, ...]:
    known = MODELS[model].measurements if model in MODELS else {}
    return tuple(_measurement(item, known, f"measurements[{place}]") for place, item in enumerate(items))


def _measurement(item: NewMeasurement, known: Mapping[str, CatalogueEntry], where: str) -> MeasurementWish:
    entry = known.get(item.measurement_name)
    if entry is not None:
        return MeasurementWish(**_found_at(entry) | item.given)
    if "obis_code" not in item.given:
        detail = f"{shown(item.measurement_name)} is not in the catalogue ({', '.join(known)}): give obis_code"
        raise BadPayload(f"{where}.measurement_name", detail)
    return MeasurementWish(**item.given)


def _found_at(entry: CatalogueEntry) -> Values:
    return {"obis_code": entry.obis, "class_id": entry.class_id, "attribute": entry.attribute}


def _moved(item: MeasurementWish, old: str, new: str) -> MeasurementWish:
    before = MODELS[old].measurements.get(item.measurement_name) if old in MODELS else None
    after = MODELS[new].measurements.get(item.measurement_name) if new in MODELS else None
    if before is None or after is None or item.obis_code != before.obis:
        return item
    return replace(item, **_found_at(after))
