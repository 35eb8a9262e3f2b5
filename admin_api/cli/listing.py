"""meterctl list: the meters of this installation, where and how they are. SQLAlchemy is not for who only looks."""

from typing import Final

import click

from admin_api.cli.access import looked_at, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import age_text, show_json, show_silence, show_table
from admin_api.cli.wished import last_word_ms
from admin_api.documents import meter_document
from common.clock import SystemClock
from common.store.model import Meter, MeterStateRow

TITLES: Final = ("id", "name", "address", "model", "state", "read", "delivered", "")


@click.command("list")
@shared_options
def list_meters(as_json: bool) -> int:
    """List the meters: where they are, how they are, and how old their last reading is."""
    with looked_at() as store:
        meters = store.meters.list()
        known = {row.uid: row for row in store.states.list()}
        components = store.states.components()
    rows = [(meter, known.get(meter.uid, MeterStateRow(meter.uid))) for meter in meters]
    if as_json:
        show_json([meter_document(meter, state) for meter, state in rows])
        return Outcome.DONE
    now = SystemClock().wall_ms()
    show_table(TITLES, [_row(meter, state, now) for meter, state in rows])
    show_silence(last_word_ms(components, now), now)
    return Outcome.DONE


def _row(meter: Meter, state: MeterStateRow, now_ms: int) -> tuple[str, ...]:
    wish = meter.wish
    return (
        str(meter.id),
        wish.name,
        f"{wish.ip_address}:{wish.port}",
        wish.model,
        state.status,
        age_text(state.last_read_ms, now_ms),
        age_text(state.last_acknowledged_ms, now_ms),
        state.detail or state.cause,
    )
