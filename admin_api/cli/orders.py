"""What meterctl asks of meters: wishes (pause, resume, stop, start) and verbs that are answered (restart, test, read).

In: IDs. Out: rows in the store, which supervisor_qos makes true; a verb's answer is waited for up to its deadline.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import timeout_option
from admin_api.cli.named import meters_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_error, show_failure, show_json, show_line, show_pairs, time_text, value_text
from admin_api.cli.running import refuse_without
from common.clock import SystemClock
from common.errors import Again, Hopeless
from common.meter_state import DesiredState

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import CommandRow, Meter

LOOK_S: Final = 0.1  # between two looks at a command's row
GRACE_S: Final = 2.0  # beyond the deadline, for the supervisor to say that it has passed


class NoAnswer(Again):
    """The command had no answer by its deadline; the supervisor may not be running."""


@click.command()
@meters_argument
@shared_options
def pause(ids: tuple[str, ...], as_json: bool) -> int:
    """Let go of meters, so that somebody else may use their line.

    Their workers stay, close the link by DISC and deliver what they still hold. The wish outlives every restart.
    """
    return _wish(ids, DesiredState.PAUSED, as_json=as_json)


@click.command()
@meters_argument
@shared_options
def resume(ids: tuple[str, ...], as_json: bool) -> int:
    """Read paused meters again."""
    return _wish(ids, DesiredState.RUNNING, as_json=as_json)


@click.command()
@meters_argument
@shared_options
def start(ids: tuple[str, ...], as_json: bool) -> int:
    """Start the workers of stopped meters."""
    return _wish(ids, DesiredState.RUNNING, as_json=as_json)


@click.command()
@meters_argument
@shared_options
def stop(ids: tuple[str, ...], as_json: bool) -> int:
    """End the workers of meters; what they have read is still delivered."""
    return _wish(ids, DesiredState.STOPPED, as_json=as_json)


@click.command()
@meters_argument
@timeout_option()
@shared_options
def restart(ids: tuple[str, ...], timeout_s: float, as_json: bool) -> int:
    """Restart the workers of meters, one after the other; nothing else is touched."""
    return _each(ids, as_json, lambda store, text: _ask(store, store.meters.find(text), "restart", timeout_s, as_json))


@click.command()
@meters_argument
@timeout_option()
@shared_options
def test(ids: tuple[str, ...], timeout_s: float, as_json: bool) -> int:
    """Test meters through their workers: link, association, one read, with the time that each took."""
    return _each(ids, as_json, lambda store, text: _ask(store, store.meters.find(text), "test", timeout_s, as_json))


@click.command(
    epilog="With --host a meter is read directly, without store or bus: see `meterctl read --host x --help`."
)
@meters_argument
@timeout_option()
@shared_options
def read(ids: tuple[str, ...], timeout_s: float, as_json: bool) -> int:
    """Read meters now, through their workers; the reading is delivered to the broker like every other."""
    return _each(ids, as_json, lambda store, text: _ask(store, store.meters.find(text), "read", timeout_s, as_json))


def _wish(ids: Sequence[str], desired: DesiredState, *, as_json: bool) -> int:
    def wish(store: "Store", text: str) -> bool:
        meter = store.meters.set_desired(store.meters.find(text).id, desired, actor())
        if as_json:
            show_json({"id": meter.id, "name": meter.wish.name, "desired_state": desired, "revision": meter.revision})
        else:
            show_line(f"{meter.wish.name}: {desired} is wished")
        return True

    return _each(ids, as_json, wish, is_answered=False)


def _each(ids: Sequence[str], as_json: bool, act: Callable[["Store", str], bool], *, is_answered: bool = True) -> int:
    """Act on each meter; one that is unknown or refuses does not keep the others from their turn.

    Raise NotRunning where what is asked is answered, and nobody is there who would.
    """
    failed = refused = 0
    with opened() as store:
        if is_answered:
            refuse_without(store, "supervisor")
        for text in ids:
            try:
                failed += not act(store, text)
            except (Hopeless, Again) as error:
                show_error(error, as_json=as_json)
                refused += 1
    if refused == len(ids):
        return Outcome.REFUSED
    return Outcome.FAILED if failed or refused else Outcome.DONE


def _ask(store: "Store", meter: "Meter", verb: str, timeout_s: float, as_json: bool) -> bool:
    """Insert a command, wait for its end and show it; return whether it was done."""
    number = store.commands.insert(meter.uid, verb, actor=actor(), timeout_s=timeout_s)
    row = ended(store, number, timeout_s)
    if as_json:
        error = {"kind": row.error_kind, "detail": row.error_detail} if row.error_kind else None
        show_json({"meter": meter.wish.name, "verb": verb, "state": row.state, "result": row.result, "error": error})
    elif row.state == "done":
        show_line(f"{meter.wish.name}: {verb} done")
        show_pairs(dict(_flat(row.result, "  ")))
    else:
        show_failure(meter.wish.name, verb, row.state, row.error_kind, row.error_detail)
    return row.state == "done"


def ended(store: "Store", number: str, timeout_s: float) -> "CommandRow":
    """Return a command when it has ended; raise NoAnswer."""
    clock = SystemClock()
    limit = clock.monotonic() + timeout_s + GRACE_S
    while True:
        row = store.commands.get(number)
        if row.finished_ms is not None:
            return row
        if clock.monotonic() > limit:
            raise NoAnswer(f"no end of it within {timeout_s:g} s")
        clock.sleep(LOOK_S)


def _flat(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a result, by their path; a measured value with its unit, a moment as people write it."""
    units = values.get("units")
    for name, value in values.items():
        if name == "units":
            continue
        if name == "values" and isinstance(value, Mapping) and isinstance(units, Mapping):
            yield from ((f"{prefix}{key}", f"{value_text(each)} {units.get(key, '')}") for key, each in value.items())
        elif name == "ts_ms" and isinstance(value, int):
            yield f"{prefix}at", time_text(value)
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value_text(value)
