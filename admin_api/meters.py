"""Meters: list, add, look at, change, remove. Only wishes are written; supervisor_qos makes them true."""

from http import HTTPStatus
from typing import Final

from flask import Response

from admin_api.answers import answer, edited, expected_revision, location, meant, meter_answer, nothing, unchanged
from admin_api.auth import actor
from admin_api.completing import assumed, changed_meter, new_meter, replaced_meter
from admin_api.context import Area, Route, services
from admin_api.documents import meter_document, page_document, status_document
from admin_api.schemas.meters import (
    MeterAnswer,
    MeterChange,
    MeterPage,
    MeterPath,
    MeterQuery,
    MeterStatus,
    ModelList,
    NewMeter,
    RemovalQuery,
)
from common.catalogue import MODELS
from common.store.model import MeterStateRow, Role


def list_meters(query: MeterQuery) -> Response:
    """List the meters, by id."""
    store, name = services().store, (query.name or "").lower()
    found = [
        each for each in store.sights.standings() if name in each.name.lower() and query.status in {None, each.status}
    ]
    shown = found[query.offset : query.offset + query.limit]
    states = {row.uid: row for row in store.states.some([each.uid for each in shown])}
    items = [
        meter_document(meter, states.get(meter.uid, MeterStateRow(meter.uid)))
        for meter in store.meters.some([each.number for each in shown])
    ]
    return answer(page_document(items, len(found), query.limit, query.offset))


def add_meter(body: NewMeter) -> Response:
    """Add a meter.

    What is left out follows from its model. Its worker starts within two seconds.
    """
    meter = services().store.meters.add(new_meter(body), actor())
    return meter_answer(meter, HTTPStatus.CREATED, **location("meters", "show_meter", meter=meter.id))


def show_meter(path: MeterPath) -> Response:
    """Show a meter.

    The ETag stands for what is wished of it, not for its state: who watches the state asks for the meter's status.
    """
    meter = meant(path.meter)
    return unchanged(meter) or meter_answer(meter)


def replace_meter(path: MeterPath, body: NewMeter) -> Response:
    """Replace a meter.

    What is left out is as in a new meter, but for secrets: they stay.
    """
    return meter_answer(edited(path.meter, lambda current: replaced_meter(body, current)))


def change_meter(path: MeterPath, body: MeterChange) -> Response:
    """Change what is named of a meter.

    Another model without measurements takes those along that were the old model's own.
    """
    return meter_answer(edited(path.meter, lambda current: changed_meter(body, current)))


def remove_meter(path: MeterPath, query: RemovalQuery) -> Response:
    """Remove a meter.

    What still waits is delivered first, or dropped and counted with `purge`.
    """
    found = meant(path.meter)
    expected = expected_revision(found)
    services().store.meters.remove(found.id, actor(), purge=bool(query.purge), expected_revision=expected)
    return nothing()


def show_status(path: MeterPath) -> Response:
    """Show a meter's state, its three ages and its latest values."""
    found, states = meant(path.meter), services().store.states
    now = services().clock.wall_ms()
    return answer(status_document(found, states.get(found.uid), states.latest(found.uid), now))


def list_models() -> Response:
    """List the models of meters and what each can be asked."""
    items = [
        {
            "name": model.name,
            **assumed(model),
            "reading": model.about.reading,
            "measurements": [
                {"measurement_name": e.key, "obis_code": e.obis, "class": e.class_id, "unit": e.unit}
                for e in model.measurements.values()
            ],
        }
        for model in MODELS.values()
    ]
    return answer({"items": items})


AREA: Final = Area(
    "meters",
    (
        Route("GET", "/meters", Role.VIEWER, list_meters, answers={200: MeterPage}),
        Route(
            *("POST", "/meters", Role.ADMIN, add_meter),
            answers={201: MeterAnswer},
            sends=("ETag", "Location"),
            refuses=(409,),
        ),
        Route(
            *("GET", "/meters/<meter>", Role.VIEWER, show_meter),
            answers={200: MeterAnswer, 304: None},
            sends=("ETag",),
            heeds=("If-None-Match",),
        ),
        *(
            Route(
                *(method, "/meters/<meter>", Role.ADMIN, view),
                answers={200: MeterAnswer},
                sends=("ETag",),
                heeds=("If-Match",),
                refuses=(409,),
            )
            for method, view in (("PUT", replace_meter), ("PATCH", change_meter))
        ),
        Route("DELETE", "/meters/<meter>", Role.ADMIN, remove_meter, answers={204: None}, heeds=("If-Match",)),
        Route("GET", "/meters/<meter>/status", Role.VIEWER, show_status, answers={200: MeterStatus}),
        Route("GET", "/models", Role.VIEWER, list_models, answers={200: ModelList}),
    ),
    about="Meters: what is wished of them, how they are, and the catalogue of their models.",
)
