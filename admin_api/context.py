"""What every view works with: store, settings, clock; and the tables by which views are routed and guarded.

A blueprint is a table of routes, each with the role it needs: what is in no table cannot be reached, and nothing gets
into one without saying who may use it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Final, cast

from flask import Response, current_app

from common.clock import Clock
from common.settings import Settings
from common.store.engine import Store
from common.store.model import Role

EXTENSION: Final = "dlms_bridge"
WAITING: Final = 8  # threads of one process that may wait for a command's result; the others keep answering
View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Services:
    """What the application was built with."""

    store: Store
    settings: Settings
    clock: Clock
    waiting: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(WAITING))


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a blueprint's table. ``role`` None: open to everybody; ``unless`` true: open just now."""

    method: str
    path: str
    role: Role | None
    view: View
    unless: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """A named table of routes: what one module offers. ``prefixed`` routes live below /api and /api/v1."""

    name: str
    routes: Sequence[Route]
    prefixed: bool = True


def services() -> Services:
    """Return what the application at hand was built with."""
    return cast("Services", current_app.extensions[EXTENSION])
