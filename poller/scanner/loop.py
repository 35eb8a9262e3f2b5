"""The scanner's loop: takes a scan, dials, says how far it is, answers.

In: commands of the supervisor (scan, owned, cancel). Out: results. One scan at a time. What is owned is taken in before
each dial, and nobody is dialled while it is not known; a scan that is cancelled lets go at once.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from common.bus import Inbound
from common.clock import Clock
from common.command import CANCEL, CANCELLED, OWNED, SCAN, SYSTEM_UID, BadCommand, Command, CommandResult
from common.envelope import BadEnvelope, Envelope, Kind, UnknownKind, UnknownVersion, decode, encode
from common.errors import Again, BridgeError, Skip
from poller.scanner.dialler import Dialler
from poller.scanner.owned import Owned, Resolve, addresses_of
from poller.scanner.tally import Tally
from poller.scanner.targets import targets

TURN_S: Final = 0.02  # one wait while a scan goes on: fifty connections a second are the most
IDLE_S: Final = 0.5
PROGRESS_S: Final = 1.0  # the supervisor takes a scanner that says nothing for dead
MAX_PER_SECOND: Final = 50.0

log = logging.getLogger(__name__)


class Busy(Again):
    """A scan is under way already."""


class ScanOverdue(Skip):
    """The deadline of a scan passed before all was asked."""


class BadRate(Skip):
    """The rate that was asked for is none."""


class Bus(Protocol):
    """The part of the bus that is used."""

    def wait(self, timeout_s: float) -> Sequence[Inbound]:
        """Wait at most ``timeout_s``; return what came."""

    def to_supervisor(self, octets: bytes) -> bool:
        """Queue for the supervisor; return False when it cannot be queued."""


class Stop(Protocol):
    """Whether to end."""

    is_set: bool

    def orphaned(self) -> bool:
        """Return whether the process that started us is gone."""


class Scan:
    """One scan under way."""

    def __init__(self, command: Command, clock: Clock, resolve: Resolve) -> None:
        """Begin; raise BadTargets or BadRate."""
        wanted, rate = targets(command.arguments), command.arguments.get("per_second")
        if not isinstance(rate, int | float) or not 0 < rate <= MAX_PER_SECOND:
            raise BadRate(f"per_second: more than 0, at most {MAX_PER_SECOND:g}")
        self.command = command
        self.owned, self.tally = Owned(clock, resolve), Tally(wanted.count)
        self.tell(command.arguments)
        self.dialler = Dialler(wanted.each(), self.owned, self.tally, clock, float(rate))
        self.told_at = float("-inf")

    def tell(self, arguments: Mapping[str, object]) -> None:
        """Take what is owned from now on."""
        pairs = arguments.get("owned")
        self.owned.tell(pairs if isinstance(pairs, list | tuple) else ())

    def turn(self) -> bool:
        """Go on for a moment; return False, without a wait, while it is not known what is owned."""
        was_known = self.owned.is_known
        if not self.owned.look():
            return False
        if not was_known:
            self.dialler.release_owned()
        self.dialler.turn(TURN_S)
        return True


class Loop:
    """See the module's text."""

    def __init__(self, bus: Bus, clock: Clock, resolve: Resolve = addresses_of) -> None:
        self._bus, self._clock, self._resolve = bus, clock, resolve
        self._scan: Scan | None = None

    def run(self, stop: Stop) -> None:
        """Go on until told to stop or left alone."""
        while not stop.is_set and not stop.orphaned():
            self.turn()
        if self._scan is not None:
            self._end(self._scan, CommandResult(False, error_kind="stopping", error_detail="the scanner was stopped"))

    def turn(self) -> None:
        """Take what came, then go on with the scan."""
        for inbound in self._bus.wait(0.0 if self._scan is not None else IDLE_S):
            self._hear(inbound.octets)
        if self._scan is not None:
            self._go_on(self._scan)

    def _hear(self, octets: bytes) -> None:
        try:
            envelope = decode(octets)
            if envelope.kind is Kind.COMMAND:
                self._obey(Command.from_body(envelope.body))
        except (BadEnvelope, UnknownKind, UnknownVersion, BadCommand) as error:
            log.warning("not understood: %s", error)

    def _obey(self, command: Command) -> None:
        scan, job = self._scan, str(command.arguments.get("id", ""))
        if command.verb == SCAN:
            self._begin(command)
        elif command.verb == OWNED and scan is not None:
            scan.tell(command.arguments)
        elif command.verb == CANCEL and scan is not None and job == scan.command.id:
            self._end(scan, CommandResult(False, {}, CANCELLED, "cancelled while it was under way"))
        elif command.verb == CANCEL:
            self._answer(job, CommandResult(False, {}, CANCELLED, "it was not under way"))

    def _begin(self, command: Command) -> None:
        if self._scan is not None:
            if self._scan.command.id != command.id:
                self._fail(command.id, Busy(f"the scan {self._scan.command.id} is under way"))
            return
        try:
            self._scan = Scan(command, self._clock, self._resolve)
        except BridgeError as error:
            self._fail(command.id, error)
            return
        log.info("scan id=%s targets=%d", command.id, self._scan.tally.total)

    def _go_on(self, scan: Scan) -> None:
        try:
            if not scan.turn():
                self._clock.sleep(TURN_S)
            self._check_deadline(scan)
        except BridgeError as error:
            self._end(scan, CommandResult(False, {}, error.kind, error.detail))
            return
        now = self._clock.monotonic()
        if scan.dialler.is_done:
            self._end(scan, CommandResult(True))
        elif now - scan.told_at >= PROGRESS_S:
            scan.told_at = now
            self._answer(scan.command.id, CommandResult(True, progress=str(scan.tally.progress())))

    def _check_deadline(self, scan: Scan) -> None:
        deadline = scan.command.deadline_boot_ms
        if deadline and self._clock.boottime_ms() > deadline:
            raise ScanOverdue(f"{scan.tally.passed} of {scan.tally.total} targets were asked in time")

    def _end(self, scan: Scan, result: CommandResult) -> None:
        """Let go of everything; what was found so far is told in any case."""
        scan.dialler.close()
        self._scan = None
        found = CommandResult(result.ok, scan.tally.to_plain(), result.error_kind, result.error_detail)
        self._answer(scan.command.id, found)
        log.info("scan id=%s ended %s %s", scan.command.id, result.error_kind or "done", scan.tally.progress())

    def _fail(self, command: str, error: BridgeError) -> None:
        self._answer(command, CommandResult(False, {}, error.kind, error.detail))

    def _answer(self, command: str, result: CommandResult) -> None:
        body = result.to_body(command)
        wall_ms, boot_ms = self._clock.wall_ms(), self._clock.boottime_ms()
        envelope = Envelope(Kind.RESULT, SYSTEM_UID, ts_ms=wall_ms, boot_ms=boot_ms, body=body)
        if not self._bus.to_supervisor(encode(envelope)):
            log.error("an answer cannot be sent id=%s", command)
