"""A command to a worker and its result: bodies of the COMMAND and RESULT envelopes.

In: plain msgpack data. Out: frozen, bounded values, or BadCommand that names the field at fault. What a verb means is
the worker's business; here only its form is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from common.errors import Skip

MAX_ID: Final = 64  # characters; ids are UUIDs
MAX_VERB: Final = 32
MAX_DETAIL: Final = 500  # characters of an error's text
MAX_NAMES: Final = 256  # arguments or results of one command
_WITHOUT_PROGRESS: Final = 5  # elements of a result as a worker of an earlier version sends it

READ: Final = "read"  # one cycle now; returns the values
TEST: Final = "test"  # link, association and one read; returns timings and what was found
RECONNECT: Final = "reconnect"  # DISC, then connect anew
PING: Final = "ping"  # nothing but an answer
BACKFILL: Final = "backfill"  # read an interval from the meter's load profile; ``from_ms``, ``to_ms`` (UTC)
DISCOVER: Final = "discover"  # ask a meter what it has; ``known``: key to object of the measurements looked for
SCAN: Final = "scan"  # scanner: look for meters in ranges of addresses
OWNED: Final = "owned"  # scanner: ``owned`` is what must not be dialled from now on, [[host, port], ...]; no answer
CANCEL: Final = "cancel"  # end the job whose id is ``id``; it is the job that is answered, with ``cancelled``
SET: Final = "set"  # write an attribute: ``class``, ``obis``, ``attribute``, ``value`` (TYPE:VALUE)
ACTION: Final = "action"  # invoke a method: ``class``, ``obis``, ``method``, ``value`` (TYPE:VALUE) or none
RELAY: Final = "relay"  # switch a disconnect control: ``operation`` (disconnect, reconnect), ``obis`` or the usual one
OUTBOX_RETRY: Final = "outbox_retry"  # publisher: send again what was set aside of a meter; ``rows``: ids, none: all
OUTBOX_DROP: Final = "outbox_drop"  # publisher: drop what was set aside of a meter; ``rows``: ids, none: all

LONG_S: Final[Mapping[str, float]] = {BACKFILL: 86_400.0, DISCOVER: 900.0, SCAN: 3600.0}
"""The verbs that are jobs, and how long one may take: a slow line reads weeks of rows in hours."""
ONCE: Final = frozenset({SET, ACTION, RELAY})
"""The verbs that change something at the meter: none of us ever carries one out a second time."""
CANCELLED: Final = "cancelled"  # the kind of error with which a job ends that somebody cancelled
SYSTEM_UID: Final = bytes(16)  # in the place of a meter: the command is about none


class BadCommand(Skip):
    """The body is not a command or a result; names the field at fault."""


@dataclass(frozen=True, slots=True)
class Command:
    """One order. After ``deadline_boot_ms`` (CLOCK_BOOTTIME) nobody waits for the result any more."""

    id: str
    verb: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    deadline_boot_ms: int = 0

    def to_body(self) -> list[object]:
        """Return plain data, for msgpack."""
        return [self.id, self.verb, dict(self.arguments), self.deadline_boot_ms]

    @classmethod
    def from_body(cls, body: object) -> "Command":
        """Return the command that a body holds; raise BadCommand."""
        identity, verb, arguments, deadline = _row(body, 4)
        if not isinstance(deadline, int) or isinstance(deadline, bool) or deadline < 0:
            raise BadCommand("deadline_boot_ms: milliseconds were expected")
        return cls(
            _text(identity, "id", MAX_ID),
            _text(verb, "verb", MAX_VERB),
            _names(arguments, "arguments"),
            deadline,
        )


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command; ``error_kind`` and ``error_detail`` are empty when ``ok``.

    With ``progress`` it is not the end of it: the text says how far it is.
    """

    ok: bool
    result: Mapping[str, object] = field(default_factory=dict)
    error_kind: str = ""
    error_detail: str = ""
    progress: str = ""

    def to_body(self, command_id: str) -> list[object]:
        """Return plain data, for msgpack; ``command_id`` says which command it answers."""
        detail, progress = self.error_detail[:MAX_DETAIL], self.progress[:MAX_DETAIL]
        return [command_id, self.ok, dict(self.result), self.error_kind, detail, progress]

    @classmethod
    def from_body(cls, body: object) -> "tuple[str, CommandResult]":
        """Return the command's id and its result; raise BadCommand."""
        if isinstance(body, list | tuple) and len(body) == _WITHOUT_PROGRESS:
            body = [*body, ""]
        identity, ok, result, kind, detail, progress = _row(body, _WITHOUT_PROGRESS + 1)
        if not isinstance(ok, bool):
            raise BadCommand("ok: true or false was expected")
        return _text(identity, "id", MAX_ID), cls(
            ok,
            _names(result, "result"),
            _text(kind, "error_kind", MAX_DETAIL),
            _text(detail, "error_detail", MAX_DETAIL),
            _text(progress, "progress", MAX_DETAIL),
        )


def _row(body: object, length: int) -> list[object]:
    if not isinstance(body, list | tuple) or len(body) != length:
        raise BadCommand(f"a list of {length} elements was expected")
    return list(body)


def _text(value: object, name: str, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise BadCommand(f"{name}: a text of at most {limit} characters was expected")
    return value


def _names(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or len(value) > MAX_NAMES:
        raise BadCommand(f"{name}: a map of at most {MAX_NAMES} names was expected")
    if not all(isinstance(key, str) for key in value):
        raise BadCommand(f"{name}: its names must be texts")
    return cast("Mapping[str, object]", value)
