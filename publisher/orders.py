"""What a person orders about rows that are set aside: send them again, or drop them.

In: COMMAND envelopes of the supervisor; the envelope's uid is the meter, ``rows`` are ids, none means all of it. Out:
changes in the outbox, counted in its books, and a RESULT for each command. A command whose deadline has passed is not
done: whoever gave it was told that it expired.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from common.clock import Clock
from common.command import OUTBOX_DROP, OUTBOX_RETRY, BadCommand, Command, CommandResult
from common.envelope import Envelope, Kind, encode
from publisher.outbox import Outbox

MAX_ROWS: Final = 1000  # ids that one command may name
MAX_S: Final = 1.0  # no transaction of a command is begun after it: the loop has others; what is left is told
_log = logging.getLogger(__name__)


class Orders:
    """See the module's text."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox, self._clock = outbox, clock
        self._acts: dict[str, Callable[[bytes, Sequence[int]], int]] = {
            OUTBOX_RETRY: outbox.retry_aside,
            OUTBOX_DROP: outbox.drop_aside,
        }

    def handle(self, envelopes: Iterable[Envelope]) -> list[bytes]:
        """Do what is ordered; return the answers. Raise OutboxFailed, after which nobody is answered."""
        answers = []
        for envelope in envelopes:
            if envelope.kind is Kind.COMMAND:
                answers += self._answered(envelope)
        return answers

    def _answered(self, envelope: Envelope) -> list[bytes]:
        try:
            command = Command.from_body(envelope.body)
        except BadCommand as error:
            _log.warning("not a command: %s", error.detail)
            return []
        if 0 < command.deadline_boot_ms < self._clock.boottime_ms():
            return []
        body = self._done(envelope.uid, command).to_body(command.id)
        boot_ms = self._clock.boottime_ms()
        return [encode(Envelope(Kind.RESULT, envelope.uid, boot_ms=boot_ms, body=body))]

    def _done(self, uid: bytes, command: Command) -> CommandResult:
        act, rows = self._acts.get(command.verb), _rows(command.arguments.get("rows"))
        if act is None:
            return CommandResult(False, error_kind="unknown_verb", error_detail=f"the publisher has no {command.verb}")
        if rows is None:
            detail = f"rows: a list of at most {MAX_ROWS} ids was expected"
            return CommandResult(False, error_kind="bad_command", error_detail=detail)
        refused = self._outbox.stats().refused
        done = self._all(act, uid, rows)
        left = self._outbox.tally(uid).set_aside
        _log.info("%s uid=%s rows=%d left=%d", command.verb, uid.hex(), done, left)
        if not done and self._outbox.stats().refused > refused:
            return CommandResult(False, {"rows": 0, "left": left}, "disk_refused", "the outbox's disk does not take it")
        if not done:
            detail = "none of these rows is set aside" if rows else "nothing of this meter is set aside"
            return CommandResult(False, {"rows": 0, "left": left}, "no_such_row", detail)
        return CommandResult(True, {"rows": done, "left": left})

    def _all(self, act: Callable[[bytes, Sequence[int]], int], uid: bytes, rows: Sequence[int]) -> int:
        """Act until there is nothing left to act on, or time is up; a disk that refuses ends it as well."""
        limit = self._clock.monotonic() + MAX_S
        done = some = act(uid, rows)
        while some and not rows and self._clock.monotonic() < limit:
            some = act(uid, rows)
            done += some
        return done


def _rows(value: object) -> list[int] | None:
    """Return the ids that were named, none for all; None for what are no ids."""
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > MAX_ROWS:
        return None
    return list(value) if all(isinstance(item, int) and item > 0 for item in value) else None
