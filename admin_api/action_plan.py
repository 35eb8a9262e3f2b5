"""What is to be done, over all meters and the system: findings grouped by their cause and where they are. Pure.

In: facts of all meters, the system's alarms and ages. Out: a plan of entries, the most urgent first. Meters of one
network with one cause are one entry: behind forty silent meters there is usually one dead router.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final

from admin_api.causes.cause import Cause
from admin_api.causes.names import CAUSES, OTHER, SYSTEM_ALARMS
from admin_api.diagnosis import MeterFacts, findings
from common.meter_state import DesiredState
from common.store.model import AlarmRow, SystemCounts

SILENT_S: Final = 15.0  # each part speaks once a second
NETWORKS: Final = {4: 24, 6: 64}  # bits of an address that meters behind one router usually share
EVERYWHERE: Final = frozenset({
    *("not_taken", "not_delivered", "takeover", "no_puback", "outbox_bound", "disk", "system_clock"),
    *("component_silent", "component_trouble"),
})
"""Causes that are the system's wherever the meters are."""
FEW: Final = 3  # symptoms that an entry quotes


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """The system. ``ages_s`` of supervisor and publisher, None: never heard; ``hour``: what was measured."""

    alarms: Sequence[AlarmRow]
    ages_s: Mapping[str, float | None]
    hour: SystemCounts


@dataclass(slots=True)
class Entry:
    """One thing to be done. ``where``: the network, empty: everywhere, or one host; ``meters``: names."""

    cause: Cause
    where: str
    meters: list[str] = field(default_factory=list)
    symptoms: list[str] = field(default_factory=list)

    @property
    def symptom(self) -> str:
        """Return what shows it: each word once, a few of them."""
        different = list(dict.fromkeys(self.symptoms))
        more = f" (and {len(different) - FEW} others)" if len(different) > FEW else ""
        return "; ".join(different[:FEW]) + more

    def document(self) -> dict[str, object]:
        """Return it as JSON data."""
        return {
            "problem": self.cause.problem,
            "cause": self.cause.name,
            "priority": self.cause.priority.name.lower(),
            "symptom": self.symptom,
            "diagnosis": self.cause.diagnosis,
            "actions": list(self.cause.actions),
            "estimate_minutes": self.cause.minutes,
            "where": self.where,
            "meters": self.meters,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """``entries`` sorted; ``watched``: meters that are wished running; ``hour``: over what it is made."""

    entries: tuple[Entry, ...]
    watched: int
    measured_meters: int
    hour: SystemCounts

    @property
    def basis(self) -> str:
        """Return over what the plan is made."""
        if not self.hour.measured_ms:
            return f"nothing was measured in the last hour; {self.watched} meters are to be read"
        return (
            f"{self.measured_meters} of {self.watched} meters that are to be read, "
            f"{self.hour.measured_ms / 60_000:.0f} min measured in the last hour"
        )


def plan(meters: Iterable[MeterFacts], system: SystemFacts) -> Plan:
    """Return what is to be done; no entries: nothing is."""
    found: dict[tuple[str, str], Entry] = {}
    for name, symptom in _of_system(system):
        _enter(found, CAUSES[name], "", symptom)
    watched = [facts for facts in meters if facts.meter.wish.desired_state is DesiredState.RUNNING]
    for facts in watched:
        wish = facts.meter.wish
        for finding in findings(facts):
            where = "" if finding.cause.name in EVERYWHERE else network(wish.ip_address)
            _enter(found, finding.cause, where, finding.symptom, wish.name)
    entries = sorted(found.values(), key=lambda entry: (entry.cause.priority, -len(entry.meters), entry.cause.name))
    measured = sum(1 for facts in watched if facts.hour.measured_ms)
    return Plan(tuple(entries), len(watched), measured, system.hour)


def network(host: str) -> str:
    """Return the network that a host is in; of a name the name itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, NETWORKS[address.version]), strict=False))


def _enter(found: dict[tuple[str, str], Entry], cause: Cause, where: str, symptom: str, meter: str = "") -> None:
    entry = found.setdefault((cause.name, where), Entry(cause, where))
    entry.symptoms.append(symptom)
    if meter and meter not in entry.meters:
        entry.meters.append(meter)


def _of_system(system: SystemFacts) -> Iterable[tuple[str, str]]:
    for name, age_s in system.ages_s.items():
        if age_s is None or age_s > SILENT_S:
            yield "component_silent", f"{name}: {'never heard' if age_s is None else f'silent for {age_s:.0f} s'}"
    for alarm in system.alarms:
        yield SYSTEM_ALARMS.get(alarm.category, OTHER), alarm.message
