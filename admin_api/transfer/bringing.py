"""A file of meters into the store: planned, and written in one transaction unless a row is refused.

In: a store, rows, what the file may do, who asks. Out: the ``Report`` of every row. Should somebody change a meter
between plan and writing, it is planned anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from admin_api.transfer.planning import Mode, Outcome, Plan, plan_import
from admin_api.transfer.rows import Row
from common.store.engine import Store
from common.store.errors import WishesChanged
from common.store.model import Meter

ATTEMPTS: Final = 5  # plans that others may spoil before the caller is asked to come again


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file. ``applied``: written; else it would be, or rows are refused."""

    plan: Plan
    mode: Mode
    dry_run: bool
    applied: bool

    def document(self) -> dict[str, object]:
        """Return the report as the API answers it and meterctl prints it with --json."""
        counts: dict[str, object] = {str(outcome): self.plan.count(outcome) for outcome in Outcome}
        head: dict[str, object] = {"mode": str(self.mode), "dry_run": self.dry_run, "applied": self.applied}
        return (
            head
            | counts
            | {
                "rows": [
                    {
                        "row": step.row,
                        "name": step.name,
                        "meter_id": None if step.meter is None else step.meter.id,
                        "outcome": str(step.outcome),
                        "changed": list(step.changed),
                        "field": step.field or None,
                        "detail": step.detail or None,
                    }
                    for step in self.plan.steps
                ]
            }
        )


def bring(store: Store, rows: Sequence[Row], mode: Mode, actor: str, *, dry_run: bool = False) -> Report:
    """Import a file; raise WishesChanged when others never leave the meters alone for a moment."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _attempt(store, rows, mode, actor, dry_run=dry_run)
        except WishesChanged:
            continue
    return _attempt(store, rows, mode, actor, dry_run=dry_run)


def _attempt(store: Store, rows: Sequence[Row], mode: Mode, actor: str, *, dry_run: bool) -> Report:
    version = store.wishes_version()
    meters = store.meters.list()
    plan = plan_import(rows, meters, mode, _addresses(store, rows, meters))
    if dry_run or plan.refused:
        return Report(plan, mode, dry_run, applied=False)
    if plan.drafts:
        plan = _with_meters(plan, store.meters.bring(plan.drafts, actor, version))
    return Report(plan, mode, dry_run=False, applied=True)


def _addresses(store: Store, rows: Sequence[Row], meters: Sequence[Meter]) -> dict[str, frozenset[str]]:
    """Look up hosts only where a file may bring somebody to a new line."""
    given = {host for row in rows if isinstance(host := row.fields.get("ip_address"), str)}
    known = {meter.wish.ip_address for meter in meters}
    return dict(store.meters.addresses(given | known)) if given - known else {}


def _with_meters(plan: Plan, written: Sequence[Meter]) -> Plan:
    """Put the meters that came into being into the steps that made them."""
    brought = iter(written)
    steps = (
        replace(step, meter=next(brought)) if step.outcome in {Outcome.CREATED, Outcome.UPDATED} else step
        for step in plan.steps
    )
    return Plan(tuple(steps))
