"""What views share: JSON answers, where one is found, the meter, the time and the revision that a request means."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from flask import Response, request, url_for

from admin_api.auth import actor
from admin_api.context import JSON, services
from admin_api.documents import meter_document
from common.store.errors import RevisionConflict
from common.store.meters import Change
from common.store.model import Meter

NEWER: Final = "v1_"
"""Begins the names of blueprints below /api/v1."""
WINDOW_MS: Final = 3_600_000  # what is shown where nobody says from when
_url: Final[Callable[..., str]] = url_for


def answer(document: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(json.dumps(document), status=int(status), headers=headers, mimetype=JSON)


def meter_answer(meter: Meter, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    """Return a meter: what is wished of it and its state."""
    document = meter_document(meter, services().store.states.get(meter.uid))
    return answer(document, status, revision_header(meter) | headers)


def nothing(status: HTTPStatus = HTTPStatus.NO_CONTENT, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response without content."""
    return Response(status=int(status), headers=headers)


def location(area: str, operation: str, **values: object) -> dict[str, str]:
    """Return where an operation's answer is found, below the prefix that the request came by."""
    prefix = NEWER if (request.blueprint or "").startswith(NEWER) else ""
    return {"Location": _url(f"{prefix}{area}.{operation}", **values)}


def meant(meter: str) -> Meter:
    """Return the meter of a path's id, uid or name; raise NoSuchMeter."""
    return services().store.meters.find(meter)


def window(since: int | None, to: int | None) -> tuple[int, int]:
    """Return from when to when a query asks, in milliseconds."""
    to_ms = services().clock.wall_ms() if to is None else to
    return (max(0, to_ms - WINDOW_MS) if since is None else since), to_ms


def expected_revision(meter: Meter) -> int | None:
    """Return the revision that If-Match demands, None without one; raise RevisionConflict when it is another."""
    wanted = request.if_match
    if not wanted or wanted.star_tag:
        return None
    if str(meter.revision) not in wanted.as_set(include_weak=True):
        raise RevisionConflict(f"the meter has revision {meter.revision}", meter.revision)
    return meter.revision


def edited(text: str, change: Change) -> Meter:
    """Change what is wished of a path's meter, if it has the revision that If-Match demands; return it."""
    meter = meant(text)
    expected = expected_revision(meter)
    return services().store.meters.edit(meter.id, change, actor(), expected_revision=expected)


def unchanged(meter: Meter) -> Response | None:
    """Return 304 if If-None-Match names the meter's revision: the caller has it already."""
    known = request.if_none_match.contains_weak(str(meter.revision))
    return nothing(HTTPStatus.NOT_MODIFIED, revision_header(meter)) if known else None


def revision_header(meter: Meter) -> dict[str, str]:
    """Return the ETag of a meter: its revision, which only wishes raise."""
    return {"ETag": f'"{meter.revision}"'}
