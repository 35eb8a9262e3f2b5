"""Live values over HTTP: server-sent events of one meter, or of all and the system.

A stream holds a thread of its process. All processes together hold at most `[api] sse_clients`, and none of them with
more than half of its threads, so that everybody else is still answered.
"""

from collections.abc import Iterator
from typing import Final, cast

from flask import Response, current_app, request, stream_with_context

from admin_api.answers import meant
from admin_api.auth import admit
from admin_api.context import Area, Route, services
from admin_api.live.events import KINDS
from admin_api.live.hub import HUB, Hub, Subscriber
from admin_api.live.patience import PATIENCE, Patience
from admin_api.live.peer import Peer
from admin_api.live.slots import Slots
from admin_api.live.stream import stream
from admin_api.schemas.live import EventQuery
from admin_api.schemas.meters import MeterPath
from admin_api.schemas.shape import BadPayload
from common.errors import BridgeError
from common.settings import ApiSettings
from common.store.model import Role

MEDIA: Final = "text/event-stream"


def places(settings: ApiSettings) -> Slots:
    """Return the places for streams; to be made before the API forks."""
    return Slots(settings.sse_clients, settings.threads // 2)


def follow_meter(path: MeterPath, query: EventQuery) -> Response:
    """Follow a meter: its readings, states and alarms as they come.

    Begins with how everything is now. A comment every 15 s says that the stream lives; it ends after ten minutes, and
    an EventSource comes again by itself.
    """
    return _followed(meant(path.meter).uid, query)


def follow_all(query: EventQuery) -> Response:
    """Follow all meters and the system.

    As a single meter; `kinds` narrows.
    """
    return _followed(None, query)


def _followed(uid: bytes | None, query: EventQuery) -> Response:
    hub, peer = cast("Hub", current_app.extensions[HUB]), Peer(request.environ)
    subscriber = Subscriber(uid, _kinds(query.kinds), peer.cut)
    hub.join(subscriber)
    cast("Patience", current_app.extensions[PATIENCE]).lasts()  # who takes nothing is cut by the hub
    events: Iterator[bytes] = stream_with_context(stream(hub, subscriber, peer, services().clock, _is_allowed))
    response = Response(events, mimetype=MEDIA, headers={"X-Accel-Buffering": "no"})
    response.call_on_close(lambda: hub.leave(subscriber))  # also where it never began
    return response


def _is_allowed() -> bool:
    """Return whether who asked may still look; False as well while that cannot be known."""
    try:
        admit(Role.VIEWER)
    except BridgeError:
        return False
    return True


def _kinds(text: str | None) -> tuple[str, ...]:
    if not text:
        return KINDS
    kinds = tuple(text.split(","))
    if not set(kinds) <= set(KINDS):
        raise BadPayload("kinds", f"some of {', '.join(KINDS)}, separated by commas, were expected")
    return kinds


AREA: Final = Area(
    "live",
    (
        Route(
            *("GET", "/meters/<meter>/events", Role.VIEWER, follow_meter),
            answers={200: None},
            media=MEDIA,
        ),
        Route(
            *("GET", "/events", Role.VIEWER, follow_all),
            answers={200: None},
            media=MEDIA,
        ),
    ),
    about="Live values.",
)
