"""What of a meter is measured, and its own ThingsBoard, by paths of their own: parts of the meter's one wish.

The ETag is the meter's revision, as everywhere: who changes a part raises it.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Final

from flask import Response

from admin_api.answers import answer, edited, meant, revision_header, unchanged
from admin_api.auth import TooOften
from admin_api.broker_check import LIMIT_S, check_broker, own_broker
from admin_api.completing import changed_meter
from admin_api.context import Area, Route, services
from admin_api.documents import Document, iso, measurement_document
from admin_api.schemas.configuration import (
    Configuration,
    NewConfiguration,
    NewThingsBoard,
    ThingsBoard,
    ThingsBoardTest,
)
from admin_api.schemas.meters import MeterChange, MeterPath
from common.store.model import Meter, MeterWish, Role

Show = Callable[[Meter], Document]
_ASKED: Final = ("measurements", "interval_s", "limits")
_ROUTED: Final = ("tb_enabled", "tb_host", "tb_port", "tb_token", "tb_device_name")
_USUAL: Final = {item.name: item.default for item in fields(MeterWish)}


def show_configuration(path: MeterPath) -> Response:
    """Show what a meter is asked for."""
    return _known(path.meter, configuration)


def replace_configuration(path: MeterPath, body: NewConfiguration) -> Response:
    """Replace what a meter is asked for.

    Interval and limits stay where they are left out.
    """
    given = {name: value for name, value in body.given.items() if name in _ASKED}
    return _changed(path.meter, MeterChange.model_construct(set(given), **given), configuration)


def show_thingsboard(path: MeterPath) -> Response:
    """Show a meter's own ThingsBoard."""
    return _known(path.meter, thingsboard)


def replace_thingsboard(path: MeterPath, body: NewThingsBoard) -> Response:
    """Replace a meter's own ThingsBoard.

    The token stays where it is left out; null takes it away.
    """
    meter = meant(path.meter)
    usual = {name: _USUAL[name] for name in ("tb_host", "tb_port", "tb_device_name")}
    given = usual | {name: value for name, value in body.given.items() if name in _ROUTED}
    given.setdefault("tb_enabled", bool(given.get("tb_token", meter.wish.tb_token)))
    return _changed(path.meter, MeterChange.model_construct(set(given), **given), thingsboard)


def try_thingsboard(path: MeterPath) -> Response:
    """Try whether a meter's own ThingsBoard takes its token.

    A real MQTT session of its own, within five seconds, to the host that is configured and to no other.
    """
    bridge = services()
    broker = own_broker(meant(path.meter).wish, bridge.settings.mqtt)
    if not bridge.waiting.acquire(blocking=False):
        raise TooOften("as many brokers and commands are waited for as threads can be spared for", LIMIT_S)
    try:
        found = check_broker(broker, bridge.clock)
    finally:
        bridge.waiting.release()
    return answer({
        "ok": found.ok,
        "kind": found.kind,
        "detail": found.detail,
        "seconds": found.seconds,
        "host": broker.host,
        "port": broker.port,
        "at": iso(bridge.clock.wall_ms()),
    })


def configuration(meter: Meter) -> Document:
    """Return what a meter is asked for."""
    wish = meter.wish
    return {
        "meter_id": meter.id,
        "uid": meter.uid.hex(),
        "name": wish.name,
        "revision": meter.revision,
        "model": wish.model,
        "interval_s": wish.interval_s,
        "limits": dict(wish.limits),
        "measurements": [measurement_document(item) for item in wish.measurements],
    }


def thingsboard(meter: Meter) -> Document:
    """Return where a meter's readings go besides."""
    wish = meter.wish
    return {
        "meter_id": meter.id,
        "revision": meter.revision,
        "tb_enabled": wish.tb_enabled,
        "tb_host": wish.tb_host,
        "tb_port": wish.tb_port,
        "tb_token_set": bool(wish.tb_token),
        "tb_device_name": wish.tb_device_name,
    }


def _known(text: str, show: Show) -> Response:
    meter = meant(text)
    return unchanged(meter) or answer(show(meter), headers=revision_header(meter))


def _changed(text: str, change: MeterChange, show: Show) -> Response:
    changed = edited(text, lambda wish: changed_meter(change, wish))
    return answer(show(changed), headers=revision_header(changed))


AREA: Final = Area(
    "configuration",
    (
        *(
            Route(
                *("GET", where, Role.VIEWER, view),
                answers={200: form, 304: None},
                sends=("ETag",),
                heeds=("If-None-Match",),
            )
            for where, view, form in (
                ("/config/<meter>", show_configuration, Configuration),
                ("/meters/<meter>/thingsboard", show_thingsboard, ThingsBoard),
            )
        ),
        *(
            Route(
                *("PUT", where, Role.ADMIN, view),
                answers={200: form},
                sends=("ETag",),
                heeds=("If-Match",),
                refuses=(409,),
            )
            for where, view, form in (
                ("/config/<meter>", replace_configuration, Configuration),
                ("/meters/<meter>/thingsboard", replace_thingsboard, ThingsBoard),
            )
        ),
        Route(
            *("POST", "/meters/<meter>/thingsboard/test", Role.OPERATOR, try_thingsboard),
            answers={200: ThingsBoardTest},
            refuses=(409,),
        ),
    ),
    about="What of a meter is measured, and where its readings go besides.",
)
