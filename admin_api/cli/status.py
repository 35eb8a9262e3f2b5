"""meterctl status: all that is known of one meter.

In: its wish, state, latest values and alarms, from the store. Out: text or JSON. SQLAlchemy is not for who only looks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from admin_api.cli.access import looked_at, shared_options
from admin_api.cli.named import meter_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import age_text, show_json, show_line, show_pairs, show_silence, value_text
from admin_api.cli.wished import is_as_wished, last_word_ms
from admin_api.documents import alarm_document, latest_document, meter_document
from common.clock import SystemClock

if TYPE_CHECKING:
    from common.store.model import AlarmRow, LatestRow, Meter, MeterStateRow, MeterWish


@click.command()
@meter_argument
@shared_options
def status(meter_id: str, as_json: bool) -> int:
    """Show all that is known of one meter: its wish, its state, its three ages, its last values, its alarms.

    Exit code 1 when it is not as it is wished, or the supervisor is silent, so that nobody knows.
    """
    with looked_at() as store:
        meter = store.meters.find(meter_id)
        state = store.states.get(meter.uid)
        latest = store.states.latest(meter.uid)
        alarms = [alarm for alarm in store.alarms.active() if alarm.meter_uid == meter.uid]
        components = store.states.components()
    now = SystemClock().wall_ms()
    silent = last_word_ms(components, now)
    if as_json:
        document = meter_document(meter, state) | {"latest": latest_document(latest), "metrics": dict(state.metrics)}
        document["facts"] = dict(state.facts)
        show_json(document | {"alarms": list(map(alarm_document, alarms))})
    else:
        show_pairs(_described(meter, state, now))
        _show_rest(state, latest, alarms, now)
        show_silence(silent, now)
    return Outcome.DONE if is_as_wished(meter, state) and silent is None else Outcome.FAILED


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
        "last error": state.last_error or "none",
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
