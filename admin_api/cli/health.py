"""meterctl health: whether the whole does its work.

In: states, alarms and the last words of supervisor and publisher, from the store. Out: text or JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import looked_at, opened, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.wished import SILENT_MS, is_as_wished
from common.clock import SystemClock
from common.meter_state import MeterState

if TYPE_CHECKING:
    from admin_api.cli.access import Looked
    from common.store.engine import Store
    from common.store.model import ComponentRow

COMPONENTS: Final = ("supervisor", "publisher")


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with the system; nothing: it is healthy."""

    silent: tuple[str, ...]
    troubled: Mapping[str, str]
    alarms: Mapping[str, int]
    meters: Mapping[str, int]
    components: Mapping[str, float | None]

    @property
    def is_well(self) -> bool:
        """Whether every part speaks, every meter does what is wished, and no grave alarm lasts."""
        return not (self.silent or self.troubled or self.alarms.get("error") or self.alarms.get("critical"))


@click.command()
@click.option(
    "--minutes", type=click.IntRange(1, 11_520), help="Also whether its QoS targets were met in these minutes."
)
@shared_options
def health(minutes: int | None, as_json: bool) -> int:
    """Tell whether the system does its work; exit code 1 when it does not."""
    now = SystemClock().wall_ms()
    with looked_at() as store:
        found = judged(store, now)
    missed, unmeasured = _measured(minutes, now) if minutes else ({}, [])
    well = found.is_well and not missed
    if as_json:
        show_json({
            "healthy": well,
            "silent": found.silent,
            "troubled": found.troubled,
            "missed": missed,
            "not_measured": unmeasured,
            "alarms": found.alarms,
            "meters": found.meters,
            "ages_s": found.components,
        })
        return Outcome.DONE if well else Outcome.FAILED
    show_line("healthy" if well else "not healthy")
    _show_health(found)
    for target, text in missed.items():
        show_line(f"  missed: {target}: {text}")
    if unmeasured:
        show_line(f"  not measured: {', '.join(unmeasured)}")
    return Outcome.DONE if well else Outcome.FAILED


def _show_health(found: Health) -> None:
    for name, age in found.components.items():
        spoken = "never spoke" if age is None else f"spoke {age:.1f} s ago"
        show_line(f"  {name}: {spoken}{' (silent)' if name in found.silent else ''}")
    show_line(f"  meters: {_counts(found.meters)}")
    for name, trouble in found.troubled.items():
        show_line(f"    {name}: {trouble}")
    show_line(f"  alarms: {_counts(found.alarms)}")


def _measured(minutes: int, now_ms: int) -> tuple[dict[str, str], list[str]]:
    with opened() as store:
        return _targets(store, minutes, now_ms)


def _targets(store: "Store", minutes: int, now_ms: int) -> tuple[dict[str, str], list[str]]:
    """Return the targets that all meters together missed, with what was measured; and those that were not measured."""
    from admin_api.gathered import reported
    from admin_api.report import Verdict

    (window,) = reported(store, now_ms, minutes).windows
    missed = (answer for answer in window.overall if answer.verdict is Verdict.MISSED)
    return (
        {answer.target.name: f"{answer.text}, wanted {answer.target.text}" for answer in missed},
        [answer.target.name for answer in window.overall if answer.verdict is Verdict.NOT_MEASURED],
    )


def judged(store: "Looked", now_ms: int) -> Health:
    """Return the health of the system at a point in time."""
    states = {row.uid: row for row in store.states.list()}
    components = store.states.components()
    ages = {name: _age_s(components.get(name), now_ms) for name in COMPONENTS}
    troubled: dict[str, str] = {}
    meters: dict[str, int] = {}
    for meter in store.meters.list():
        state = states.get(meter.uid)
        word = MeterState.INACTIVE if state is None else state.status
        meters[word] = meters.get(word, 0) + 1
        if not is_as_wished(meter, state):
            troubled[meter.wish.name] = f"{word}: {state.detail or state.cause}".rstrip(": ") if state else word
    alarms: dict[str, int] = {}
    for alarm in store.alarms.active():
        alarms[alarm.severity] = alarms.get(alarm.severity, 0) + 1
    silent = tuple(name for name, age in ages.items() if age is None or age * 1000 > SILENT_MS)
    return Health(silent, troubled, alarms, meters, ages)


def _age_s(row: "ComponentRow | None", now_ms: int) -> float | None:
    return None if row is None else max(0.0, (now_ms - row.updated_ms) / 1000)


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in sorted(numbers.items())) or "none"
