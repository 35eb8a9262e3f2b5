"""How the commands of the meter's side end: exit codes, and errors as a line with what to look at next.

In: typed errors. Out: ``kind: detail`` on standard error, below it a hint where there is one; with ``--json`` a
line ``{"error": {"kind", "detail", "at", "hint"}}``, the last two where there is something to say.
"""

import json
import sys
from typing import Final

from common.errors import BridgeError, Hopeless, Relink
from common.hints import hint

ALL_DONE: Final = 0
SOME_DONE: Final = 1
"""The meter was asked, and what it answered was in part or in whole a no."""
NOTHING_DONE: Final = 2
"""No link, or wrong arguments: nothing came of it."""


class BadArgument(Hopeless):
    """An argument beyond its bounds, or in contradiction to another."""


def complain(error: BridgeError, where: str = "", *, as_json: bool = False) -> None:
    """Say on standard error what went wrong, and what to look at next."""
    next_look = hint(error)
    if as_json:
        told = {"kind": error.kind, "detail": error.detail, "at": where, "hint": next_look}
        sys.stderr.write(json.dumps({"error": {name: text for name, text in told.items() if text}}) + "\n")
        return
    sys.stderr.write(f"{where}{': ' if where else ''}{error.kind}: {error.detail}\n")
    if next_look and not where:
        sys.stderr.write(f"  {next_look}\n")


def ended(error: BridgeError, *, as_json: bool = False) -> int:
    """Complain, and return the exit code: the meter said no, or there is no link to say anything."""
    complain(error, as_json=as_json)
    return NOTHING_DONE if isinstance(error, Relink | Hopeless) else SOME_DONE
