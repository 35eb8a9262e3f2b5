"""meterctl status and health: what is known of one meter, and whether the whole does its work.

In: states, latest values, alarms and the last words of supervisor and publisher, from the store. Out: text or JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import opened, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import age_text, show_json, show_line, show_pairs, value_text
from admin_api.documents import alarm_document, latest_document, meter_document
from common.clock import SystemClock
from common.meter_state import DesiredState, MeterState

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import AlarmRow, ComponentRow, LatestRow, Meter, MeterStateRow, MeterWish

COMPONENTS: Final = ("supervisor", "publisher")
SILENT_MS: Final = 15_000  # each speaks once a second; supervisord has replaced a dead one well within this


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
@click.argument("meter_id", metavar="ID")
@shared_options
def status(meter_id: str, as_json: bool) -> int:
    """Show all that is known of one meter: its wish, its state, its three ages, its last values, its alarms.

    Exit code 1 when it is not as it is wished.
    """
    with opened() as store:
        meter = store.meters.find(meter_id)
        state = store.states.get(meter.uid)
        latest = store.states.latest(meter.uid)
        alarms = [alarm for alarm in store.alarms.active() if alarm.meter_uid == meter.uid]
    now = SystemClock().wall_ms()
    if as_json:
        document = meter_document(meter, state) | {"latest": latest_document(latest), "metrics": dict(state.metrics)}
        document["facts"] = dict(state.facts)
        show_json(document | {"alarms": list(map(alarm_document, alarms))})
    else:
        show_pairs(_described(meter, state, now))
        _show_rest(state, latest, alarms, now)
    return Outcome.DONE if _is_as_wished(meter, state) else Outcome.FAILED


@click.command()
@click.option(
    "--minutes", type=click.IntRange(1, 11_520), help="Also whether its QoS targets were met in these minutes."
)
@shared_options
def health(minutes: int | None, as_json: bool) -> int:
    """Tell whether the system does its work; exit code 1 when it does not."""
    now = SystemClock().wall_ms()
    with opened() as store:
        found = judged(store, now)
        missed, unmeasured = _targets(store, minutes, now) if minutes else ({}, [])
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


def judged(store: "Store", now_ms: int) -> Health:
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
        if not _is_as_wished(meter, state):
            troubled[meter.wish.name] = f"{word}: {state.detail or state.cause}".rstrip(": ") if state else word
    alarms: dict[str, int] = {}
    for alarm in store.alarms.active():
        alarms[alarm.severity] = alarms.get(alarm.severity, 0) + 1
    silent = tuple(name for name, age in ages.items() if age is None or age * 1000 > SILENT_MS)
    return Health(silent, troubled, alarms, meters, ages)


_WISHED: Final[Mapping[DesiredState, frozenset[MeterState]]] = {
    DesiredState.RUNNING: frozenset({MeterState.ACTIVE}),
    DesiredState.PAUSED: frozenset({MeterState.PAUSED}),
    DesiredState.STOPPED: frozenset({MeterState.INACTIVE}),
}


def _is_as_wished(meter: "Meter", state: "MeterStateRow | None") -> bool:
    word = MeterState.INACTIVE if state is None else state.status
    return word in _WISHED[meter.wish.desired_state]


def _age_s(row: "ComponentRow | None", now_ms: int) -> float | None:
    return None if row is None else max(0.0, (now_ms - row.updated_ms) / 1000)


def _protection(wish: "MeterWish") -> str:
    """Return level, suite, titles and ways of protection; titles are no secret."""
    told = (
        (True, wish.security),
        (wish.security != "none", f"suite {wish.security_suite}"),
        (wish.client_title, f"our title {wish.client_title}"),
        (wish.server_title, f"its title {wish.server_title}"),
        (wish.dedicated_key, "dedicated key"),
        (wish.general_ciphering, "general ciphering"),
    )
    return ", ".join(text for holds, text in told if holds)


def _described(meter: "Meter", state: "MeterStateRow", now_ms: int) -> dict[str, str]:
    wish = meter.wish
    return {
        "name": wish.name,
        "number": str(meter.id),
        "uid": meter.uid.hex(),
        "address": f"{wish.transport} {wish.ip_address}:{wish.port} client {wish.client_id}, {wish.authentication}",
        "protection": _protection(wish),
        "model": wish.model,
        "interval": f"{wish.interval_s:g} s",
        "wish": f"{wish.desired_state} (revision {meter.revision}, the worker obeys {state.revision})",
        "state": f"{state.status} {state.detail or state.cause}".rstrip(),
        "worker": f"process {state.process_id}" if state.process_id else "none",
        "last error": state.last_error,
        "backfill": state.facts.get("backfill", "") if wish.backfill else "not wished",
        "serial number": state.serial_number,
        "firmware": state.firmware_version,
        "last read": age_text(state.last_read_ms, now_ms),
        "in the outbox": age_text(state.last_taken_ms, now_ms),
        "acknowledged": age_text(state.last_acknowledged_ms, now_ms),
    }


def _show_rest(state: "MeterStateRow", latest: "LatestRow | None", alarms: "Sequence[AlarmRow]", now_ms: int) -> None:
    if latest is not None:
        show_line(f"latest values, {age_text(latest.ts_ms, now_ms)} ago")
        units = latest.units
        show_pairs({f"  {key}": f"{value_text(value)} {units.get(key, '')}" for key, value in latest.values.items()})
        show_pairs({f"  {key}": f"failed: {kind}" for key, kind in latest.failed.items()})
    if state.metrics:
        show_line("counters")
        show_pairs({f"  {name}": value_text(value) for name, value in sorted(state.metrics.items())})
    for alarm in alarms:
        show_line(f"alarm {alarm.id}  {alarm.severity}  {alarm.category}: {alarm.message}")


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in sorted(numbers.items())) or "none"
