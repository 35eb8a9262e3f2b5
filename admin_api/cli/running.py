"""Whether the product runs, asked before something is asked of it: nobody waits for an answer that cannot come.

In: what supervisor and publisher last said, from the store. Out: nothing, or NotRunning at once.
"""

from typing import TYPE_CHECKING, Final

from admin_api.cli.access import settings
from admin_api.cli.output import age_text
from admin_api.cli.wished import SILENT_MS
from common.clock import Clock, SystemClock
from common.errors import Again
from common.supervisord import SOCKET_NAME

if TYPE_CHECKING:
    from admin_api.cli.access import Looked

STARTING_S: Final = 10.0  # from supervisord's first breath to the first word of what it starts
LOOK_S: Final = 0.2


class NotRunning(Again):
    """Who should do what is asked said nothing for too long."""


def refuse_without(store: "Looked", component: str, clock: Clock | None = None) -> None:
    """Raise NotRunning when a part of the system is silent; where supervisord is just starting it, wait a little."""
    clock = clock or SystemClock()
    limit = clock.monotonic() + STARTING_S
    while (silence := _silence(store, component, clock)) is not None:
        if clock.monotonic() > limit or not (settings().paths.sockets / SOCKET_NAME).exists():
            raise NotRunning(f"the {component} {silence}: nobody would do it")
        clock.sleep(LOOK_S)


def _silence(store: "Looked", component: str, clock: Clock) -> str | None:
    row = store.states.components().get(component)
    if row is None:
        return "has never run here"
    now = clock.wall_ms()
    return f"last spoke {age_text(row.updated_ms, now)} ago" if now - row.updated_ms > SILENT_MS else None
