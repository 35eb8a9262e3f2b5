"""From the store to facts: what report, diagnosis and action plan are made of. Reads, and nothing else.

In: an open store and the time. Out: windows, facts of one or all meters, facts of the system.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from admin_api.action_plan import Plan, SystemFacts, plan
from admin_api.diagnosis import WELL, MeterFacts
from admin_api.report import MINUTE_MS, WINDOWS, Report, Verdict, Window, report
from common.store.model import AlarmFilter, AlarmRow, ComponentRow, DiagnosticRow, Meter, MeterCounts

if TYPE_CHECKING:
    from common.store.engine import Store

PARTS: Final = ("supervisor", "publisher")
HOUR: Final = 60
DAY_MS: Final = 86_400_000
LOOKED_INTO: Final = 200  # meters in trouble whose diagnostics a plan looks at
RECENT: Final = 20  # alarms and diagnostics of one meter


def window(store: "Store", minutes: int, now_ms: int) -> Window:
    """Return what was measured in the last minutes."""
    since = now_ms - minutes * MINUTE_MS
    return Window(minutes, now_ms, store.periods.meters(since), store.periods.system(since))


def reported(store: "Store", now_ms: int, minutes: int | None = None) -> Report:
    """Return the report over the last hour and day, or over so many minutes."""
    spans = WINDOWS if minutes is None else (minutes,)
    return report(store.meters.list(), [window(store, span, now_ms) for span in spans], now_ms)


def planned(store: "Store", now_ms: int) -> Plan:
    """Return the action plan."""
    hour = window(store, HOUR, now_ms)
    meters = _all_meters(store, hour)
    components = store.states.components()
    alarms = [alarm for alarm in store.alarms.active() if alarm.meter_uid is None]
    ages = {name: age_s(components.get(name), now_ms) for name in PARTS}
    return plan(meters, SystemFacts(alarms, ages, hour.system))


def age_s(row: ComponentRow | None, now_ms: int) -> float | None:
    """Return how long ago a part of the system spoke."""
    return None if row is None else max(0.0, (now_ms - row.updated_ms) / 1000)


def _all_meters(store: "Store", hour: Window) -> list[MeterFacts]:
    states = {row.uid: row for row in store.states.list()}
    latest = {row.uid: row for row in store.states.list_latest()}
    by_meter = _by_meter(store.alarms.active())
    found = []
    for meter in store.meters.list():
        if meter.uid not in states:
            continue  # the supervisor has not spoken of it yet
        counts = hour.meters.get(meter.uid, MeterCounts())
        alarms = by_meter.get(meter.uid, ())
        found.append(MeterFacts(meter, states[meter.uid], counts, alarms, latest=latest.get(meter.uid)))
    troubled = [number for number, facts in enumerate(found) if _in_trouble(facts)][:LOOKED_INTO]
    for number in troubled:
        found[number] = replace(found[number], diagnostics=_diagnostics(store, found[number].meter, hour.now_ms))
    return found


def _in_trouble(facts: MeterFacts) -> bool:
    missed = any(answer.verdict is Verdict.MISSED for answer in facts.answers.values())
    return missed or facts.state.status not in WELL


def _by_meter(alarms: Sequence[AlarmRow]) -> Mapping[bytes, list[AlarmRow]]:
    found: dict[bytes, list[AlarmRow]] = {}
    for alarm in alarms:
        if alarm.meter_uid is not None:
            found.setdefault(alarm.meter_uid, []).append(alarm)
    return found


def _diagnostics(store: "Store", meter: Meter, now_ms: int) -> Sequence[DiagnosticRow]:
    return store.diagnostics.list(meter.uid, limit=RECENT, since_ms=now_ms - HOUR * MINUTE_MS)


@dataclass(frozen=True, slots=True)
class OneMeter:
    """All that a diagnosis of one meter shows. ``alarms`` and ``diagnostics``: those of the last day, newest first."""

    facts: MeterFacts
    alarms: Sequence[AlarmRow]
    diagnostics: Sequence[DiagnosticRow]
    report: Report
    now_ms: int


def one_meter(store: "Store", meter: Meter, now_ms: int) -> OneMeter:
    """Return what is known of one meter."""
    windows = []
    for minutes in WINDOWS:
        since = now_ms - minutes * MINUTE_MS
        windows.append(Window(minutes, now_ms, store.periods.meters(since, meter.uid), store.periods.system(since)))
    alarms, _ = store.alarms.list(AlarmFilter(meter_uid=meter.uid), limit=RECENT)
    facts = MeterFacts(
        meter=meter,
        state=store.states.get(meter.uid),
        hour=windows[0].meters.get(meter.uid, MeterCounts()),
        alarms=[alarm for alarm in alarms if alarm.cleared_at is None],
        diagnostics=_diagnostics(store, meter, now_ms),
        latest=store.states.latest(meter.uid),
    )
    recent = [alarm for alarm in alarms if (alarm.cleared_at or now_ms) > now_ms - DAY_MS]
    diagnostics = store.diagnostics.list(meter.uid, limit=RECENT, since_ms=now_ms - DAY_MS)
    return OneMeter(facts, recent, diagnostics, report([meter], windows, now_ms), now_ms)
