"""Jobs as API and meterctl order and show them: backfill, discovery, scan.

In: a meter or ranges, who asks. Out: rows in the store, and documents of them. What a scan may not ask is refused here,
before there is a row; supervisor_qos holds it against its own settings once more.
"""

from collections.abc import Sequence
from typing import Final

from admin_api.documents import Document, iso
from common.catalogue import model
from common.command import BACKFILL, DISCOVER, LONG_S, SCAN, SYSTEM_UID
from common.progress import Progress, parse
from common.scan_plan import BadScan, plan
from common.settings import ScanSettings
from common.store.engine import Store
from common.store.errors import BadWish
from common.store.model import CommandRow, CommandState, Meter

KNOWN: Final = "generic"  # the model whose measurements are looked for


def order_backfill(store: Store, meter: Meter, span: tuple[int, int], actor: str) -> str:
    """Have a range read from a meter's load profile, both ends in milliseconds; return the job's id."""
    begin, end = span
    if end < begin:
        raise BadWish("to", "is before the beginning")
    arguments = {"from_ms": begin, "to_ms": end}
    return store.commands.insert(meter.uid, BACKFILL, arguments=arguments, actor=actor, timeout_s=LONG_S[BACKFILL])


def order_discovery(store: Store, meter: Meter, actor: str) -> str:
    """Have a meter asked what it has, by its worker; return the job's id."""
    known = [[entry.key, entry.obis, entry.unit] for entry in model(KNOWN).measurements.values()]
    arguments = {"known": known}
    return store.commands.insert(meter.uid, DISCOVER, arguments=arguments, actor=actor, timeout_s=LONG_S[DISCOVER])


def order_scan(store: Store, settings: ScanSettings, ranges: Sequence[str], ports: Sequence[int], actor: str) -> str:
    """Have ranges scanned; return the job's id. Raise ScanNotAllowed, BadWish."""
    try:
        made = plan(ranges, ports, settings.rules())
    except BadScan as error:
        raise BadWish(error.field, error.detail.removeprefix(f"{error.field}: ")) from None
    arguments = {"ranges": list(ranges), "ports": list(made.ports)}
    return store.commands.insert(SYSTEM_UID, SCAN, arguments=arguments, actor=actor, timeout_s=LONG_S[SCAN])


def progress_of(job: CommandRow) -> Progress:
    """Return how far a job is; of one that is done all of it: what it said last is older than its result."""
    found = parse(job.progress)
    return Progress(found.total, found.total) if job.state is CommandState.DONE else found


def job_document(job: CommandRow) -> Document:
    """Return a job: what was asked, how far it is, what became of it."""
    found = progress_of(job)
    told = {"done": found.done, "total": found.total, "fraction": found.fraction, "text": found.text}
    arguments = {} if job.verb == DISCOVER else dict(job.arguments)  # what a discovery looks for is the catalogue's
    return {
        "id": job.id,
        "verb": job.verb,
        "meter_uid": None if job.meter_uid == SYSTEM_UID else job.meter_uid.hex(),
        "arguments": arguments,
        "actor": job.actor,
        "state": str(job.state),
        "progress": told,
        "result": dict(job.result),
        "error": {"kind": job.error_kind, "detail": job.error_detail} if job.error_kind else None,
        "created_at": iso(job.created_ms),
        "deadline": iso(job.deadline_ms),
        "cancelled_at": iso(job.cancelled_ms),
        "finished_at": iso(job.finished_ms),
    }
