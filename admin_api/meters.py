"""Meters: list, add, look at, change, remove. Only wishes are written; supervisor_qos makes them true."""

from http import HTTPStatus
from typing import Final

from flask import Response, request, url_for

from admin_api.answers import answer, body, expected_revision, meant, revision_header
from admin_api.auth import actor
from admin_api.context import Area, Route, services
from admin_api.documents import meter_document, page_document, status_document
from admin_api.payloads import changed_meter, flag, known_queries, new_meter, page, replaced_meter
from common.catalogue import MODELS
from common.store.meters import Change
from common.store.model import Meter, MeterStateRow, Role


def list_meters() -> Response:
    """GET /meters: by id; ?status= and ?name= (part of it) narrow."""
    known_queries(request.args, "limit", "offset", "status", "name")
    wanted = page(request.args)
    states = {row.uid: row for row in services().store.states.list()}
    rows = [(meter, states.get(meter.uid, MeterStateRow(meter.uid))) for meter in services().store.meters.list()]
    status, name = request.args.get("status"), request.args.get("name", "").lower()
    found = [pair for pair in rows if name in pair[0].wish.name.lower() and status in {None, str(pair[1].status)}]
    items = [meter_document(*pair) for pair in found[wanted.offset : wanted.offset + wanted.limit]]
    return answer(page_document(items, len(found), wanted.limit, wanted.offset))


def add_meter() -> Response:
    """POST /meters: 201 with the meter and where it is."""
    meter = services().store.meters.add(new_meter(body()), actor())
    where = url_for(f"{request.blueprint}.show_meter", meter=meter.id)
    return _shown(meter, HTTPStatus.CREATED, {"Location": where})


def show_meter(meter: str) -> Response:
    """GET /meters/{id}."""
    return _shown(meant(meter))


def replace_meter(meter: str) -> Response:
    """PUT /meters/{id}: the whole meter; secrets left out stay."""
    given = body()
    return _changed(meter, lambda current: replaced_meter(given, current))


def change_meter(meter: str) -> Response:
    """PATCH /meters/{id}: what is named."""
    given = body()
    return _changed(meter, lambda current: changed_meter(given, current))


def remove_meter(meter: str) -> Response:
    """DELETE /meters/{id}: 204; what still waits is delivered, with ?purge=true dropped and counted."""
    known_queries(request.args, "purge")
    purge = bool(flag(request.args, "purge"))
    found = meant(meter)
    expected = expected_revision(found)
    services().store.meters.remove(found.id, actor(), purge=purge, expected_revision=expected)
    return Response(status=int(HTTPStatus.NO_CONTENT))


def show_status(meter: str) -> Response:
    """GET /meters/{id}/status: state, ages, latest values."""
    found, states = meant(meter), services().store.states
    now = services().clock.wall_ms()
    return answer(status_document(found, states.get(found.uid), states.latest(found.uid), now))


def list_models() -> Response:
    """GET /models: the catalogue."""
    items = [
        {
            "name": model.name,
            "transport": model.transport,
            "port": model.port,
            "client_id": model.client_id,
            "server_logical": model.server_logical,
            "server_physical": model.server_physical,
            "address_size": model.address_size,
            "authentication": model.authentication,
            "referencing": model.referencing,
            "reading": model.about.reading,
            "measurements": [
                {"measurement_name": e.key, "obis_code": e.obis, "class": e.class_id, "unit": e.unit}
                for e in model.measurements.values()
            ],
        }
        for model in MODELS.values()
    ]
    return answer({"items": items})


def _changed(text: str, change: Change) -> Response:
    found = meant(text)
    expected = expected_revision(found)
    return _shown(services().store.meters.edit(found.id, change, actor(), expected_revision=expected))


def _shown(meter: Meter, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    document = meter_document(meter, services().store.states.get(meter.uid))
    return answer(document, status, revision_header(meter) | (headers or {}))


AREA: Final = Area(
    "meters",
    (
        Route("GET", "/meters", Role.VIEWER, list_meters),
        Route("POST", "/meters", Role.ADMIN, add_meter),
        Route("GET", "/meters/<meter>", Role.VIEWER, show_meter),
        Route("PUT", "/meters/<meter>", Role.ADMIN, replace_meter),
        Route("PATCH", "/meters/<meter>", Role.ADMIN, change_meter),
        Route("DELETE", "/meters/<meter>", Role.ADMIN, remove_meter),
        Route("GET", "/meters/<meter>/status", Role.VIEWER, show_status),
        Route("GET", "/models", Role.VIEWER, list_models),
    ),
)
