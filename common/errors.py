"""The root of every error that this product raises on purpose, and its families.

A family is named by what the caller does next. A leaf belongs to one family, says in ``detail`` what is wrong, and
carries a ``kind``: the stable machine name that logs, JSON outputs and metrics use.
"""

import re
from typing import ClassVar

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class BridgeError(Exception):
    """Root of the tree. ``kind`` is the class name in snake_case; ``detail`` is for a person."""

    kind: ClassVar[str] = "bridge_error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = _WORD.sub("_", cls.__name__).lower()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Again(BridgeError):
    """Busy or temporarily unable: send the same request after the back-off."""


class Skip(BridgeError):
    """This quantity cannot be had: drop it from the cycle, count it, go on."""


class Relink(BridgeError):
    """The link is gone or out of step: close it, connect anew."""


class Reassociate(BridgeError):
    """The application association is gone: release, associate again."""


class Barred(BridgeError):
    """The peer refuses us: longest back-off and an alarm; never hammer it."""


class Hopeless(BridgeError):
    """Nothing but a person can help: bad configuration, bad input, unknown model."""
