"""On-demand verbs: what the supervisor hands to a worker, carried out between two cycles.

In: commands, as they come. Out: one result for each: values, timings, or the error that stood in the way. What is not a
verb of ours, or comes after its deadline, is answered so.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from common.clock import Clock
from common.command import (
    BACKFILL,
    CANCEL,
    CANCELLED,
    DISCOVER,
    ONCE,
    PING,
    READ,
    RECONNECT,
    TEST,
    Command,
    CommandResult,
)
from common.errors import BridgeError, Skip
from common.reading import Reading
from poller.cycle import Cycle
from poller.dlms.cosem import unit_name
from poller.link import MeterLink
from poller.vitals import Vitals

MAX_WAITING: Final = 16  # commands that came during one exchange; a person does not type faster

_CANCELLED_EARLY: Final = CommandResult(False, {}, CANCELLED, "cancelled before it began")


class NotReadable(Skip):
    """The meter cannot be read just now; says in which state it is and why."""


class UnknownVerb(Skip):
    """A verb that this worker does not know."""


class Expired(Skip):
    """The command's deadline had passed before its turn came."""


class TooMany(Skip):
    """More commands than a worker keeps."""


class Work(Protocol):
    """What the verbs ask of the loop."""

    link: MeterLink

    def cycle_now(self, keys: Sequence[str] | None) -> Cycle:
        """Read, publish and return one cycle, of all measurements or of those named."""

    def connect_now(self) -> None:
        """Make the link, if it may be made; raise NotReadable when it is not up then."""

    def reconnect_now(self) -> None:
        """Close the link in order and make it anew; raise NotReadable when it is not up then."""

    def backfill(self, command: Command) -> None:
        """Take a range to be read from the load profile, which is answered when it is done; raise what bars it."""

    def discover(self, command: Command) -> None:
        """Ask the meter what it has, which is answered when it is done; raise what bars it."""

    def cancel(self, job: str) -> Mapping[str, object]:
        """End a job that was taken; return what was done of it."""


class Feedback(Protocol):
    """Where results go."""

    def answer(self, command: Command, result: CommandResult) -> None:
        """Send a command's result."""


class Desk:
    """Commands that wait for their turn."""

    def __init__(self, work: Work, out: Feedback, clock: Clock, vitals: Vitals) -> None:
        self._work = work
        self._out = out
        self._clock = clock
        self._vitals = vitals
        self._waiting: deque[Command] = deque()
        self._withdrawn = ""
        """The job that was cancelled last while it waited for its turn."""
        self._verbs: Mapping[str, Callable[[Command], Mapping[str, object] | None]] = {
            BACKFILL: self._backfill,
            DISCOVER: self._discover,
            PING: self._ping,
            READ: self._read,
            TEST: self._test,
            RECONNECT: self._reconnect,
            **dict.fromkeys(sorted(ONCE), self._remote),
        }

    def take(self, commands: Sequence[Command]) -> None:
        """Keep commands for their turn; what is beyond MAX_WAITING is refused at once."""
        for command in commands:
            if command.verb == CANCEL:
                self._cancel(str(command.arguments.get("id", "")))
            elif len(self._waiting) >= MAX_WAITING:
                self._out.answer(command, _failed(TooMany(f"{MAX_WAITING} commands wait already")))
            else:
                self._waiting.append(command)

    def work_off(self) -> None:
        """Carry out what waits. An interruption by the loop leaves the command that was under way for the next turn."""
        while self._waiting:
            result = self._result(self._waiting[0])
            if result is not None:
                self._out.answer(self._waiting[0], result)
            self._waiting.popleft()

    def _cancel(self, job: str) -> None:
        """End a job at once, also from within an exchange; one that waits for its turn is answered then."""
        if any(command.id == job for command in self._waiting):
            self._withdrawn = job
            return
        detail = "cancelled while it was under way"
        self._out.answer(Command(job, CANCEL), CommandResult(False, self._work.cancel(job), CANCELLED, detail))

    def _result(self, command: Command) -> CommandResult | None:
        """Return a verb's result; None when it is answered later."""
        try:
            self._check_deadline(command)
            verb = self._verbs.get(command.verb)
            if verb is None:
                raise UnknownVerb(f"{command.verb!r} is not a verb; there are {', '.join(self._verbs)}")
            if command.id == self._withdrawn:
                return _CANCELLED_EARLY
            found = verb(command)
            return None if found is None else CommandResult(True, found)
        except BridgeError as error:
            return _failed(error)

    def _check_deadline(self, command: Command) -> None:
        if command.deadline_boot_ms and self._clock.boottime_ms() > command.deadline_boot_ms:
            raise Expired(f"the deadline of {command.verb} had passed")

    def _ping(self, _command: Command) -> Mapping[str, object]:
        return {"state": str(self._vitals.state), "cause": self._vitals.cause, "boot_ms": self._clock.boottime_ms()}

    def _read(self, command: Command) -> Mapping[str, object]:
        keys = command.arguments.get("keys")
        self._work.connect_now()
        wanted = [str(key) for key in keys] if isinstance(keys, list | tuple) else None
        return _values(self._work.cycle_now(wanted))

    def _test(self, _command: Command) -> Mapping[str, object]:
        reused = self._work.link.up
        self._work.connect_now()
        session = self._work.link.session
        found: dict[str, object] = {
            "address": self._work.link.address,
            "link_was_up": reused,
            "resolve_ms": session.timings.resolve_ms,
            "connect_ms": session.timings.connect_ms,
            "associate_ms": session.timings.associate_ms,
            **self._vitals.facts,
        }
        terms = session.conversation.association
        if terms is not None:
            found |= {
                "conformance": f"{terms.conformance:06X}",
                "max_pdu": terms.max_pdu,
                "with_list": terms.supports_with_list,
            }
        return {**found, "read": _values(self._work.cycle_now(None))}

    def _backfill(self, command: Command) -> None:
        self._work.backfill(command)

    def _discover(self, command: Command) -> None:
        self._work.connect_now()
        if command.id == self._withdrawn:
            self._out.answer(command, _CANCELLED_EARLY)
        else:
            self._work.discover(command)

    def _remote(self, command: Command) -> Mapping[str, object]:
        from poller.remote import carry_out, order_of  # most workers are never asked to change anything

        order = order_of(command)
        self._work.connect_now()
        self._check_deadline(command)  # to connect takes a while: who asked was told that it expired, and asks again
        return carry_out(order, self._work.link)

    def _reconnect(self, _command: Command) -> Mapping[str, object]:
        self._work.reconnect_now()
        timings = self._work.link.session.timings
        return {"connect_ms": timings.connect_ms, "associate_ms": timings.associate_ms}


def _values(cycle: Cycle) -> Mapping[str, object]:
    """Return a cycle for a person; raise what kept it from reading anything."""
    if not cycle.quantities and cycle.errors:
        raise next(iter(cycle.errors.values()))
    reading = Reading(tuple(cycle.quantities))
    return {
        "ts_ms": cycle.ts_ms,
        "duration_ms": cycle.duration_ms,
        "values": {item.key: item.payload() for item in reading.quantities},
        "units": {item.key: unit_name(item.unit) or "" for item in reading.quantities if item.unit is not None},
        "failed": {key: error.kind for key, error in cycle.errors.items()},
    }


def _failed(error: BridgeError) -> CommandResult:
    return CommandResult(False, {}, error.kind, error.detail)
