"""What every view works with: store, settings, clock; and the tables by which views are routed, guarded, described.

An area is a table of routes, each with the role it needs and the answers it gives: what is in no table cannot be
reached, and nothing gets into one without saying who may use it. What a view takes it says by its annotations:
``path``, ``query`` and ``body``, each a form of admin_api.schemas, or ``raw`` for a body that is no JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Final, cast

from flask import Response, current_app

from admin_api.addresses import Network
from admin_api.schemas.shape import Shape
from admin_api.throttle import Throttle
from common.clock import Clock
from common.settings import Settings
from common.store.engine import Store
from common.store.model import Role

EXTENSION: Final = "dlms_bridge"
WAITING: Final = 8  # threads of one process that may wait for a command's result; the others keep answering
MAX_BODY: Final = 256 << 10  # octets; a meter of 256 measurements has some 50 kB
JSON: Final = "application/json"
View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Services:
    """What the application was built with. ``trusted``: proxies whose word on addresses is taken."""

    store: Store
    settings: Settings
    clock: Clock
    throttle: Throttle
    trusted: Sequence[Network] = ()
    waiting: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(WAITING))


@dataclass(frozen=True, slots=True)
class Route:
    """One row of an area's table. ``role`` None: open to everybody; ``unless`` true: open just now.

    ``answers``: good statuses and the form of each, None: no content. ``media``: of an answer that is no JSON;
    ``also``: in which it may be had besides.
    ``name``: of the operation, else that of the view; it is unique. ``sends``: headers of its good answers (ETag,
    Location); ``heeds``: headers of a request that it looks at (If-Match, If-None-Match). ``refuses``: statuses of its
    problems beside those that follow from what it takes. ``body_limit``: octets of a body. ``shown``: in the OpenAPI
    document.
    """

    method: str
    path: str
    role: Role | None
    view: View
    unless: Callable[[], bool] | None = None
    answers: Mapping[int, type[Shape] | None] = field(default_factory=dict)
    media: str = JSON
    also: tuple[str, ...] = ()
    name: str = ""
    sends: tuple[str, ...] = ()
    heeds: tuple[str, ...] = ()
    refuses: tuple[int, ...] = ()
    body_limit: int = MAX_BODY
    shown: bool = True

    @property
    def operation(self) -> str:
        """The route's name: of its endpoint, and of its operation in the OpenAPI document."""
        return self.name or self.view.__name__


@dataclass(frozen=True, slots=True)
class Area:
    """A named table of routes: what one module offers. ``prefixed`` routes live below /api and /api/v1.

    ``about``: one sentence for the OpenAPI document.
    """

    name: str
    routes: Sequence[Route]
    prefixed: bool = True
    about: str = ""


def services() -> Services:
    """Return what the application at hand was built with."""
    return cast("Services", current_app.extensions[EXTENSION])
