"""One stream of live values, from its beginning to its end, as octets for one client.

In: a subscriber, its client's connection, a clock, and whether the client may still look. Out: events, a comment every
KEEP_ALIVE_S so that proxies and clients know that it lives, and at last the reason why it ends. It ends after LASTS_S
at the latest: a thread is held meanwhile, and everybody gets a turn.
"""

from collections.abc import Callable, Iterator
from typing import Final

from admin_api.live.events import KEEP_ALIVE, end_event
from admin_api.live.hub import Hub, Subscriber
from admin_api.live.peer import Peer
from common.clock import Clock

KEEP_ALIVE_S: Final = 15.0
LASTS_S: Final = 600.0
CHECKED_S: Final = 60.0  # between two looks at the token or session
TAKEN_S: Final = 1.0  # between two looks at the connection
RETRY_MS: Final = 2000  # an EventSource comes again by itself after this time


def stream(
    hub: Hub, subscriber: Subscriber, peer: Peer, clock: Clock, is_allowed: Callable[[], bool]
) -> Iterator[bytes]:
    """Yield what goes to the client; the subscriber has joined, and leaves when this ends or is closed."""
    try:
        yield from _told(hub, subscriber, peer, clock, is_allowed)
    finally:
        hub.leave(subscriber)


def _told(
    hub: Hub, subscriber: Subscriber, peer: Peer, clock: Clock, is_allowed: Callable[[], bool]
) -> Iterator[bytes]:
    begun = told = checked = clock.monotonic()
    yield b"retry: %d\n\n" % RETRY_MS
    while not (reason := _reason(hub, subscriber, clock.monotonic() - begun)):
        batch = subscriber.take(TAKEN_S)
        now = clock.monotonic()
        if peer.is_gone():
            return
        if now - checked >= CHECKED_S:
            checked = now
            if not is_allowed():
                subscriber.end("not_allowed")
        if batch or now - told >= KEEP_ALIVE_S:
            told = now
            yield b"".join(batch) or KEEP_ALIVE
    yield end_event(reason, RETRY_MS)


def _reason(hub: Hub, subscriber: Subscriber, lasted_s: float) -> str:
    """Return why a stream ends now; nothing while it goes on."""
    if hub.stopping():
        return "stopping"
    return subscriber.ended or ("time" if lasted_s >= LASTS_S else "")
