"""meterctl audit: whether the promise about data was kept, decided from files, the running system, or both.

In: what was named on the command line and the state directory. Out: seven invariants with numbers; 0 when all that can
be decided holds, 1 when something is broken.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from admin_api.audit import disk, files
from admin_api.audit.auditor import judged
from admin_api.audit.facts import AlarmSpan, copy_of
from admin_api.audit.gathered import Gathered
from admin_api.audit.scope import CLEAR_S, FOR_EVER_MS, LATE_S, Scope
from admin_api.audit.verdict import Decision, Verdict
from admin_api.cli.access import opened, settings, shared_options
from admin_api.cli.flags import moment
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table
from common.clock import SystemClock
from common.errors import Hopeless
from common.moment import SYNTAX

if TYPE_CHECKING:
    from common.store.engine import Store

AFTER_LOOK_S: Final = 2.0  # what the broker had already when the outbox was looked at arrives by then
PAGE: Final = 1000
UNWRITTEN: Final = ("dropped_disk_full", "dropped_too_large")  # a worker's readings that never got a number


class NothingToAudit(Hopeless):
    """Neither a file nor an installation was named."""


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--simulator-log", "log", type=_FILE, metavar="FILE", help="What simulated meters answered.")
@click.option("--received", type=_FILE, multiple=True, metavar="FILE", help="What `meterctl follow --record` wrote.")
@click.option("--listen", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Subscribe and listen for so long.")
@click.option("--since", callback=moment, metavar="T", help=f"Ask only for answers from then on: {SYNTAX}.")
@click.option("--until", callback=moment, metavar="T", help="… and up to then.")
@click.option("--complete", is_flag=True, help="The recording holds all from the first reading on; all has arrived.")
@click.option("--kills", type=click.IntRange(min=0), metavar="N", help="How often a process was killed.")
@click.option("--abused", multiple=True, metavar="METER", help="A meter that a fault hit.")
@click.option("--fault-from", callback=moment, metavar="T", help="When the fault began.")
@click.option("--fault-to", callback=moment, metavar="T", help="When it was over.")
@click.option("--clear-within", type=float, default=CLEAR_S, show_default=True, help="Seconds until alarms are over.")
@click.option("--late", type=float, default=LATE_S, show_default=True, help="Seconds between answer and time stamp.")
@shared_options
def audit(
    *,
    log: Path | None,
    received: Sequence[Path],
    listen: float | None,
    since: int | None,
    until: int | None,
    complete: bool,
    kills: int | None,
    abused: Sequence[str],
    fault_from: int | None,
    fault_to: int | None,
    clear_within: float,
    late: float,
    as_json: bool,
) -> int:
    """Compare what meters answered, what lies on disk and what the broker got; without files the running system."""
    scope = Scope(
        since_ms=since or 0,
        until_ms=FOR_EVER_MS if until is None else until,
        complete=complete,
        kills=kills,
        window=settings().outbox.in_flight,
        abused=frozenset(abused),
        fault_from_ms=fault_from,
        fault_to_ms=fault_to,
        clear_s=clear_within,
        late_s=late,
    )
    gathered = Gathered()
    for answer in files.answers(log) if log else ():
        gathered.answered(answer)
    for copy in files.copies(received):
        gathered.arrived(copy)
    _look(gathered, scope, listen, is_alone=not log and not received)
    verdict = judged(gathered, scope)
    _show(verdict, as_json=as_json)
    return Outcome.FAILED if verdict.broken else Outcome.DONE


def _look(gathered: Gathered, scope: Scope, listen: float | None, *, is_alone: bool) -> None:
    """Add what the installation knows; files alone will do where there is none."""
    found = settings()
    if not found.paths.master_key.exists():
        if is_alone or listen:
            raise NothingToAudit(f"{found.paths.root}: nothing is installed here, and no file was named")
        return
    if listen:
        _listen(gathered, scope, listen)
    else:
        _look_at_state(gathered, scope)


def _listen(gathered: Gathered, scope: Scope, seconds: float) -> None:
    from admin_api.cli.recording import Recorder

    def take(payload: bytes, lane: str, at_ms: int) -> None:
        copy = copy_of(payload, lane, at_ms)
        if copy is not None:
            gathered.arrived(copy)

    with Recorder(settings().mqtt, SystemClock(), take) as recorder:
        recorder.wait(seconds)
        _look_at_state(gathered, scope)
        recorder.wait(AFTER_LOOK_S)


def _look_at_state(gathered: Gathered, scope: Scope) -> None:
    with opened() as store:
        for meter in store.meters.list(include_deleted=True):
            gathered.meters[meter.uid.hex()] = meter.wish.name
        for state in store.states.list():
            gathered.unnumbered[state.uid.hex()] += sum(int(state.metrics.get(name, 0)) for name in UNWRITTEN)
        gathered.alarms = _alarms(store, gathered, scope)
    disk.gather(gathered, settings().paths, SystemClock())


def _alarms(store: "Store", gathered: Gathered, scope: Scope) -> list[AlarmSpan]:
    """Return the alarms that were raised since the scope's beginning, and those that last."""
    from common.store.model import AlarmFilter, AlarmRow

    begin = scope.fault_from_ms if scope.fault_from_ms is not None else scope.since_ms
    rows: dict[int, AlarmRow] = {row.id: row for row in store.alarms.active()}
    offset, total = 0, 1
    while offset < total:
        page, total = store.alarms.list(AlarmFilter(since_ms=begin), limit=PAGE, offset=offset)
        rows |= {row.id: row for row in page}
        offset += PAGE
    return [
        AlarmSpan(
            gathered.name_of(row.meter_uid.hex()) if row.meter_uid else "", row.category, row.raised_at, row.cleared_at
        )
        for row in rows.values()
    ]


def _show(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        show_json(verdict.to_document())
        return
    titles = ("", "verdict", "invariant", "why")
    show_table(
        titles,
        [(name.name, found.decision, str(name), found.reason) for name, found in verdict.findings.items()],
    )
    for name, found in verdict.findings.items():
        if found.decision is Decision.BROKEN:
            for text in found.texts:
                show_line(f"{name.name}: {text}")
    for lane, numbers in verdict.latency_ms.items():
        told = f"p50 {numbers['p50']:.0f} ms, p99 {numbers['p99']:.0f} ms, max {numbers['max']:.0f} ms"
        show_line(f"from time stamp to arrival, lane {lane or '?'}: {numbers['count']:.0f} readings, {told}")
