"""A request's body before a form reads it: of the media type that was agreed, whole, and JSON.

In: the request and its route's demands. Out: nothing; what is no JSON is refused here, since the library that fills
the forms would take it for an empty body.
"""

from typing import Final, NoReturn

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from admin_api.schemas.shape import BadPayload
from common.errors import Hopeless

MAX_REASON: Final = 200  # characters of a parser's complaint that are told


class BadBody(Hopeless):
    """A request's body is not JSON."""


class NotJson(Hopeless):
    """A request's body says that it is something else than JSON."""


class ApiRequest(Request):
    """A request that says what is wrong with its body in our words."""

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Raise NotJson or BadBody."""
        if e is None:
            raise NotJson("Content-Type must be application/json")
        raise BadBody(f"the body is not JSON: {str(e)[:MAX_REASON]}")


def arrived(limit: int) -> bytes:
    """Return the body's octets; raise 413 when there are more than its route takes."""
    request.max_content_length = limit
    octets = request.get_data()
    if request.content_length is None and len(octets) >= limit:
        raise RequestEntityTooLarge  # a chunked body is cut at the limit, without a word
    return octets


def check_json(limit: int) -> None:
    """Read the body, if there is one; raise BadBody, NotJson, BadPayload or 413."""
    if not arrived(limit):
        return
    try:
        data = request.get_json()
    except RecursionError as error:
        raise BadBody(f"the body is not JSON: {str(error)[:MAX_REASON]}") from None
    if data is None or isinstance(data, str):  # the library would take null for no body, and read JSON inside a text
        raise BadPayload("body", f"an object was expected, not {'null' if data is None else 'str'}")
