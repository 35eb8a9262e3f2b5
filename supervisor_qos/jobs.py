"""Jobs that need more than to be handed over: scans, which the scanner carries out, and those that are cancelled.

In: unfinished rows of the store, progress. Out: commands to the scanner and to workers, rows that are finished because
nobody does it. Scans go one after the other; while one is unfinished the scanner is wished to run (``wanted``). What a
scan may ask is held against our own settings once more, and every change of what we own is told at once.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from common.clock import Clock
from common.command import CANCEL, CANCELLED, OWNED, SCAN, SYSTEM_UID, Command
from common.envelope import Envelope, Kind, encode
from common.errors import BridgeError
from common.scan_plan import plan
from common.settings import ScanSettings
from common.store.engine import Store
from common.store.errors import NoSuchCommand
from common.store.model import CommandRow, CommandState

CANCEL_MS: Final = 5000  # whoever works on a job says within this time that it has ended, or we say it
AGAIN_MS: Final = 1000  # between two words to the same job
SILENT_MS: Final = 10_000  # the scanner says each second how far it is
START_MS: Final = 30_000  # until the scanner runs and has heard what to do
SILENT: Final = "scanner_silent"
Owned = list[list[object]]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Jobs:
    """See the module's text. ``owned``: host and port of every meter that is not deleted."""

    store: Store
    clock: Clock
    send: Callable[[bytes, bytes], bool]
    settings: ScanSettings
    owned: Callable[[], Owned]
    wanted: bool = False
    _scan: str = ""
    _heard_ms: int = 0
    _sent: str = ""
    _told: Owned | None = None
    _cancelling: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Since when, and when it was last said."""

    # Scans

    def scans(self, rows: Sequence[CommandRow]) -> None:
        """See to the unfinished scans, oldest first. Raise what the store raises."""
        self.wanted = bool(rows)
        if not rows:
            self._scan = ""
            return
        now = self.clock.boottime_ms()
        row = next((each for each in rows if each.state is CommandState.DISPATCHED), rows[0])
        if row.id != self._scan:
            self._scan, self._heard_ms, self._told = row.id, now, None
        begun = row.state is CommandState.DISPATCHED
        if now - self._heard_ms > (SILENT_MS if begun else START_MS):
            self._fail(row, SILENT, "the scanner ended or says nothing; it is not begun again, nobody is dialled twice")
        elif not begun:
            self._begin(row)
        elif self._told != (owned := self.owned()) and self._say(OWNED, {"owned": owned}):
            self._told = owned

    def _begin(self, row: CommandRow) -> None:
        try:
            arguments = self._arguments(row)
        except BridgeError as error:
            self._fail(row, error.kind, error.detail)
            return
        owned = self.owned()
        deadline = self.clock.boottime_ms() + max(0, row.deadline_ms - self.clock.wall_ms())
        command = Command(row.id, SCAN, {**arguments, "owned": owned}, deadline)
        if self._sent != row.id and not self._send(SYSTEM_UID, command):
            return  # the scanner is starting
        self._sent, self._told, self._heard_ms = row.id, owned, self.clock.boottime_ms()
        self.store.commands.dispatched(row.id)
        _log.info("scan handed over id=%s actor=%s", row.id, row.actor)

    def _arguments(self, row: CommandRow) -> dict[str, object]:
        """Return what the scanner is told; raise ScanNotAllowed or BadScan."""
        ranges, ports = row.arguments.get("ranges"), row.arguments.get("ports")
        texts = [str(each) for each in ranges] if isinstance(ranges, list) else []
        numbers = [each for each in ports if isinstance(each, int)] if isinstance(ports, list) else []
        made = plan(texts, numbers, self.settings.rules())
        spans = [[str(span.first), str(span.last)] for span in made.spans]
        return {"spans": spans, "ports": list(made.ports), "per_second": self.settings.per_second}

    def heard(self, job: str) -> None:
        """A job said how far it is."""
        if job == self._scan:
            self._heard_ms = self.clock.boottime_ms()

    # Cancelling

    def cancelled(self, rows: Sequence[CommandRow], wanted: set[bytes]) -> None:
        """Tell those who work on jobs that these are to end; end what nobody ends. Raise what the store raises."""
        self._cancelling = {row.id: self._cancelling.get(row.id, (0, 0)) for row in rows}
        now = self.clock.boottime_ms()
        for row in rows:
            since, said = self._cancelling[row.id]
            since = since or now
            if row.meter_uid != SYSTEM_UID and row.meter_uid not in wanted:
                self._fail(row, CANCELLED, "the meter has no worker any more")
            elif now - since >= CANCEL_MS:
                self._fail(row, CANCELLED, "nobody said that it has ended; who works on it is told again when heard of")
            elif now - said >= AGAIN_MS and self._cancel(row.id, row.meter_uid):
                said = now
            self._cancelling[row.id] = since, said

    def unwanted(self, job: str) -> None:
        """Progress came of a job that is finished: if it was cancelled, whoever works on it has not heard of that."""
        try:
            row = self.store.commands.get(job)
        except NoSuchCommand:
            return
        if row.state is CommandState.CANCELLED:
            self._cancel(row.id, row.meter_uid)

    def _cancel(self, job: str, uid: bytes) -> bool:
        return self._send(uid, Command(f"cancel-{job}", CANCEL, {"id": job}))

    def _say(self, verb: str, arguments: dict[str, object]) -> bool:
        return self._send(SYSTEM_UID, Command(verb, verb, arguments))

    def _send(self, uid: bytes, command: Command) -> bool:
        return self.send(uid, encode(Envelope(Kind.COMMAND, uid, body=command.to_body())))

    def _fail(self, row: CommandRow, kind: str, detail: str) -> None:
        self.store.commands.finish(row.id, ok=False, error_kind=kind, error_detail=detail)
        _log.info("ended job=%s verb=%s kind=%s", row.id, row.verb, kind)
