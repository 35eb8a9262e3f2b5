"""How the commands of the meter's side end: exit codes, and errors as a line with what to look at next.

In: typed errors. Out: ``kind: detail`` on standard error, below it a hint where there is one; with ``--json`` a
line ``{"error": {"kind", "detail", "at", "hint"}}``, the last two where there is something to say.
"""

import json
import sys
from typing import Final

from common.errors import BridgeError, Hopeless, Relink
from poller.dlms import errors as protocol
from poller.errors import ConnectRefused, ConnectTimeout, HostUnreachable, LinkLost, NameUnresolved, PeerReset

ALL_DONE: Final = 0
SOME_DONE: Final = 1
"""The meter was asked, and what it answered was in part or in whole a no."""
NOTHING_DONE: Final = 2
"""No link, or wrong arguments: nothing came of it."""

_SPEAKING: Final = (
    "does the meter speak this --transport, at this --client-id, --server-id and --address-size? "
    "Many meters serve one client at a time"
)
_HINTS: Final[tuple[tuple[type[BridgeError], str], ...]] = (
    (ConnectRefused, "is the meter's module on, and is this its port?"),
    (ConnectTimeout, "is the address right, and is there a way through the network to it?"),
    (HostUnreachable, "is the address right, and is there a way through the network to it?"),
    (NameUnresolved, "is the name right? An address works without a name server"),
    (LinkLost, _SPEAKING),
    (protocol.ReplyTimeout, _SPEAKING),
    (protocol.PeerClosed, _SPEAKING),
    (PeerReset, _SPEAKING),
    (protocol.LinkDamaged, "is --transport right? A serial line shared with another master looks the same"),
    (protocol.LinkRefused, "is another client connected? Wait for the meter's inactivity timeout, then try again"),
    (
        protocol.AuthenticationFailed,
        "is the password or key that of this --client-id, and --auth what it asks for? Meters lock after a few tries",
    ),
    (
        protocol.AssociationRefused,
        "is --client-id one that the meter knows, with this --security, --referencing and --system-title?",
    ),
    (protocol.DecipheringFailed, "are the keys those of this meter, --system-title, --server-title and --suite right?"),
    (protocol.CounterRefused, "begin from the meter's own counter with --read-counter"),
    (protocol.AccessDenied, "another --client-id with more rights may be needed; `meterctl objects` shows the rights"),
    (protocol.ObjectUndefined, "`meterctl objects` shows what the meter has"),
    (protocol.ClassInconsistent, "is the class right? `meterctl objects` shows it"),
    (protocol.TypeUnmatched, "read the attribute first: `meterctl read --json` shows what type of value it takes"),
    (protocol.NotNegotiated, "the meter did not grant this service; another --client-id may be granted it"),
)


class BadArgument(Hopeless):
    """An argument beyond its bounds, or in contradiction to another."""


def complain(error: BridgeError, where: str = "", *, as_json: bool = False) -> None:
    """Say on standard error what went wrong, and what to look at next."""
    hint = next((text for leaf, text in _HINTS if isinstance(error, leaf)), "")
    if as_json:
        told = {"kind": error.kind, "detail": error.detail, "at": where, "hint": hint}
        sys.stderr.write(json.dumps({"error": {name: text for name, text in told.items() if text}}) + "\n")
        return
    sys.stderr.write(f"{where}{': ' if where else ''}{error.kind}: {error.detail}\n")
    if hint and not where:
        sys.stderr.write(f"  {hint}\n")


def ended(error: BridgeError, *, as_json: bool = False) -> int:
    """Complain, and return the exit code: the meter said no, or there is no link to say anything."""
    complain(error, as_json=as_json)
    return NOTHING_DONE if isinstance(error, Relink | Hopeless) else SOME_DONE
