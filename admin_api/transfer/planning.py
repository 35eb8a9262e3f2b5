"""Rows and what there is to a plan: of each row whether it makes a meter, changes one, changes nothing, or is refused.

In: rows of a file, the living meters, addresses of hosts. Out: a ``Plan`` that names every row's outcome, and what is
to be written if none is refused. Pure: the same file, meters and addresses give the same plan. A row means the meter
with its uid, else the one with its name; what it does not say stays as it is. A second import changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from admin_api.completing import changed_meter, new_meter
from admin_api.schemas.meters import MeterChange, NewMeter
from admin_api.schemas.shape import BadPayload
from admin_api.transfer.rows import Row
from common.store.errors import BadWish
from common.store.lines import addresses_of, may_share
from common.store.meters import MAX_METERS
from common.store.model import Draft, Meter, MeterWish


class Mode(StrEnum):
    """What a file may do: only add meters, or change those that are there as well."""

    CREATE = "create"
    UPSERT = "upsert"


class Outcome(StrEnum):
    """What becomes of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """A row's outcome. ``meter``: whom it means, None: a new one; ``changed``: the names of fields."""

    row: int
    name: str
    outcome: Outcome
    meter: Meter | None = None
    wish: MeterWish | None = None
    changed: tuple[str, ...] = ()
    field: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, in the file's order."""

    steps: tuple[Step, ...]

    @property
    def refused(self) -> tuple[Step, ...]:
        """The rows because of which nothing would be written."""
        return tuple(step for step in self.steps if step.outcome is Outcome.REFUSED)

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """What is to be written."""
        return tuple(
            Draft(None if step.meter is None else step.meter.uid, step.wish)
            for step in self.steps
            if step.wish is not None and step.outcome in {Outcome.CREATED, Outcome.UPDATED}
        )

    def count(self, outcome: Outcome) -> int:
        """Return how many rows have an outcome."""
        return sum(step.outcome is outcome for step in self.steps)


def plan_import(
    rows: Iterable[Row], meters: Sequence[Meter], mode: Mode, addresses: Mapping[str, frozenset[str]]
) -> Plan:
    """Return what a file would do; raises nothing."""
    by_uid = {meter.uid.hex(): meter for meter in meters}
    by_name = {meter.wish.name: meter for meter in meters}
    steps: list[Step] = []
    taken: dict[int, int] = {}
    for row in rows:
        meter = by_uid.get(row.uid.lower()) or by_name.get(row.name)
        step = _step(row, meter, mode)
        if meter is not None and meter.id in taken:
            step = _refused(row, BadPayload("name", f"row {taken[meter.id]} means the same meter"))
        elif meter is not None:
            taken[meter.id] = row.number
        steps.append(step)
    return Plan(tuple(_without_collisions(steps, meters, addresses)))


def _step(row: Row, meter: Meter | None, mode: Mode) -> Step:
    if row.error is not None:
        return _refused(row, row.error)
    try:
        if meter is None:
            return Step(row.number, row.name, Outcome.CREATED, None, new_meter(NewMeter.read(row.fields)))
        wish = changed_meter(MeterChange.read(row.fields), meter.wish)
    except BadWish as error:
        return _refused(row, error)
    changed = tuple(item.name for item in fields(wish) if getattr(wish, item.name) != getattr(meter.wish, item.name))
    if not changed:
        return Step(row.number, wish.name, Outcome.UNCHANGED, meter)
    if mode is Mode.CREATE:
        named = ", ".join(changed)
        return _refused(row, BadPayload("name", f"there is such a meter, with another {named}; upsert changes it"))
    return Step(row.number, wish.name, Outcome.UPDATED, meter, wish, changed)


def _refused(row: Row, error: BadWish) -> Step:
    return Step(row.number, row.name, Outcome.REFUSED, field=error.field, detail=error.detail)


def _without_collisions(
    steps: Sequence[Step], meters: Sequence[Meter], addresses: Mapping[str, frozenset[str]]
) -> Iterable[Step]:
    """Refuse rows whose name or line somebody else would have afterwards, and those beyond what the store takes."""
    moved = {step.meter.id for step in steps if step.meter is not None and step.wish is not None}
    afterwards = [meter.wish for meter in meters if meter.id not in moved]
    names = Counter(wish.name for wish in afterwards)
    lines = _Lines(addresses)
    for there in afterwards:
        lines.add(there)
    room = MAX_METERS - len(meters)
    for step in steps:
        if step.wish is None:
            yield step
            continue
        wish = step.wish
        room -= step.meter is None
        rival = lines.rival(wish) if step.meter is None or _line(wish) != _line(step.meter.wish) else ""
        names[wish.name] += 1
        lines.add(wish)
        if names[wish.name] > 1:
            yield _taken(step, "name", f"another meter is named {wish.name!r}")
        elif rival:
            why = "both need line_mode shared or concurrent"
            yield _taken(step, "ip_address", f"meter {rival!r} is on {wish.ip_address}:{wish.port}; {why}")
        elif room < 0 and step.meter is None:
            yield _taken(step, "row", f"{MAX_METERS} meters are as many as one installation may have")
        else:
            yield step


def _taken(step: Step, field: str, why: str) -> Step:
    return replace(step, outcome=Outcome.REFUSED, wish=None, changed=(), field=field, detail=f"{field}: {why}")


def _line(wish: MeterWish) -> tuple[str, int, str]:
    return wish.ip_address, wish.port, wish.line_mode


class _Lines:
    """Who is on which port of which address."""

    def __init__(self, addresses: Mapping[str, frozenset[str]]) -> None:
        self._addresses = addresses
        self._on: dict[tuple[str, int], list[MeterWish]] = {}

    def add(self, wish: MeterWish) -> None:
        for place in self._places(wish):
            self._on.setdefault(place, []).append(wish)

    def rival(self, wish: MeterWish) -> str:
        """Return the name of somebody with whom a meter's line cannot be shared; nothing where there is nobody."""
        others = (other for place in self._places(wish) for other in self._on.get(place, ()))
        return next((other.name for other in others if not may_share(wish.line_mode, other.line_mode)), "")

    def _places(self, wish: MeterWish) -> list[tuple[str, int]]:
        return [(address, wish.port) for address in addresses_of(wish.ip_address, self._addresses)]
