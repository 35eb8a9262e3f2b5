"""What views share: a JSON body, a JSON answer, the meter that a path means, the revision that a header demands."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from admin_api.context import services
from admin_api.problems import BadBody, NotJson
from common.store.errors import RevisionConflict
from common.store.model import Meter

MAX_BODY: Final = 256 << 10  # octets; a meter of 256 measurements has some 50 kB


def answer(document: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(json.dumps(document), status=int(status), headers=headers, mimetype="application/json")


def body() -> object:
    """Return the JSON body, None where there is none; raise BadBody, NotJson or 413."""
    octets = request.get_data(cache=False)
    if request.content_length is None and len(octets) >= MAX_BODY:
        raise RequestEntityTooLarge  # a chunked body is cut at the limit, without a word
    if not octets:
        return None
    if not request.is_json:
        raise NotJson("Content-Type must be application/json")
    try:
        return cast("object", json.loads(octets))
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is not JSON: {str(error)[:200]}") from None


def meant(meter: str) -> Meter:
    """Return the meter of a path's id, uid or name; raise NoSuchMeter."""
    return services().store.meters.find(meter)


def expected_revision(meter: Meter) -> int | None:
    """Return the revision that If-Match demands, None without one; raise RevisionConflict when it is another."""
    wanted = request.if_match
    if not wanted or wanted.star_tag:
        return None
    if str(meter.revision) not in wanted.as_set(include_weak=True):
        raise RevisionConflict(f"the meter has revision {meter.revision}", meter.revision)
    return meter.revision


def revision_header(meter: Meter) -> dict[str, str]:
    """Return the ETag of a meter: its revision, which only wishes raise."""
    return {"ETag": f'"{meter.revision}"'}
