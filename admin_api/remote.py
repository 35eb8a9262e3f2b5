"""What changes something at a meter, for operators and where the settings allow it: writing, invoking, switching.

Each is a command of the meter's worker that nobody of ours carries out twice. Who asked stands in the audit before it
is sent, and what became of it afterwards. Secrets of a meter are not written this way: they would lie in the store.
"""

from collections.abc import Mapping
from typing import Final

from flask import Response

from admin_api.answers import meant
from admin_api.auth import RemoteActionsOff, actor
from admin_api.context import Area, Route, services
from admin_api.schemas.commands import CommandAnswer, Patience
from admin_api.schemas.meters import MeterPath
from admin_api.schemas.remote import NewAction, NewSetting, NewSwitching
from admin_api.schemas.shape import BadPayload
from admin_api.workers import awaited_answer
from common.command import ACTION, RELAY, SET
from common.obis import BadObis, Obis
from common.redaction import is_secret_attribute, is_secret_method
from common.store.model import Role

_DIRECTLY: Final = "of this class is a secret of the meter; `meterctl` writes it directly, past the store"


def set_attribute(path: MeterPath, query: Patience, body: NewSetting) -> Response:
    """Write an attribute of a meter's object."""
    if is_secret_attribute(body.class_id, body.attribute):
        raise BadPayload("attribute", f"attribute {body.attribute} {_DIRECTLY}")
    arguments = {"class": body.class_id, "obis": _obis(body.obis), "attribute": body.attribute, "value": body.value}
    return _ordered(path, query, SET, arguments, body.timeout_s)


def invoke_method(path: MeterPath, query: Patience, body: NewAction) -> Response:
    """Invoke a method of a meter's object."""
    if is_secret_method(body.class_id, body.method):
        raise BadPayload("method", f"what method {body.method} takes {_DIRECTLY}")
    arguments: dict[str, object] = {"class": body.class_id, "obis": _obis(body.obis), "method": body.method}
    if "value" in body.given:
        arguments["value"] = body.value
    return _ordered(path, query, ACTION, arguments, body.timeout_s)


def switch_relay(path: MeterPath, query: Patience, body: NewSwitching) -> Response:
    """Cut or restore the supply behind a meter."""
    arguments: dict[str, object] = {"operation": body.operation}
    if "obis" in body.given:
        arguments["obis"] = _obis(body.obis)
    return _ordered(path, query, RELAY, arguments, body.timeout_s)


def _ordered(
    path: MeterPath, query: Patience, verb: str, arguments: Mapping[str, object], timeout_s: float
) -> Response:
    bridge = services()
    if not bridge.settings.api.remote_actions:
        raise RemoteActionsOff("[api] remote_actions is false: meters are not written to over the API")
    meter = meant(path.meter)
    number = bridge.store.commands.insert(meter.uid, verb, arguments=arguments, actor=actor(), timeout_s=timeout_s)
    return awaited_answer(number, query.wait)


def _obis(text: str) -> str:
    try:
        return str(Obis.parse(text))
    except BadObis as error:
        raise BadPayload("obis", error.detail) from None


_ACCEPTED: Final = {200: CommandAnswer, 202: CommandAnswer}
_WHERE: Final = ("Location",)

AREA: Final = Area(
    "remote",
    (
        Route("POST", "/meters/<meter>/set", Role.OPERATOR, set_attribute, answers=_ACCEPTED, sends=_WHERE),
        Route("POST", "/meters/<meter>/action", Role.OPERATOR, invoke_method, answers=_ACCEPTED, sends=_WHERE),
        Route("POST", "/meters/<meter>/relay", Role.OPERATOR, switch_relay, answers=_ACCEPTED, sends=_WHERE),
    ),
    about="What changes something at a meter; refused unless [api] remote_actions allows it.",
)
