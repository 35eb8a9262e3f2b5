"""``meterctl clock [--sync]``: show a meter's clock beside ours, and set it right within a bound.

Arguments in; the time, what it is off and what was done on stdout, typed errors on stderr, and an exit code out: 0
shown or right now, 1 refused or not right afterwards, 2 no link or wrong arguments.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from common.clock import SystemClock
from common.errors import BridgeError
from common.obis import Obis
from poller.cli.complaints import ALL_DONE, SOME_DONE, BadArgument, ended
from poller.cli.connection import command, connection, parser, run
from poller.dlms.explain.values import moment_words
from poller.dlms.objects.clock import CLOCK_NAME, Clock, read_clock
from poller.dlms.objects.clock_setting import CorrectionLimits, Step, Synchronised, synchronise
from poller.session import OBJECT_REQUESTS, Session

DEFAULT_BOUND_S: Final = 3600.0
MAX_BOUND_S: Final = 10 * 365 * 86_400.0
"""A meter that has lost its time stands at the beginning of some epoch."""
MIN_BOUND_S: Final = 2.0
"""Below the tolerance there is nothing to correct."""


def _parser() -> argparse.ArgumentParser:
    made = parser("clock", "Show the clock; with --sync set it. Exit code: 0 right or shown, 1 not right, 2 no link.")
    made.add_argument("--sync", action="store_true", help="set the clock to ours when it is off")
    made.add_argument(
        "--max-correction",
        type=float,
        default=DEFAULT_BOUND_S,
        metavar="S",
        help="leave a clock that is further off as it is (default 3600)",
    )
    made.add_argument("--clock", default=str(CLOCK_NAME), metavar="OBIS", help=f"which clock (default {CLOCK_NAME})")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Show or set the clock as the arguments say; return the exit code."""
    return command(_parser(), argv, _clock)


def _clock(arguments: argparse.Namespace) -> int:
    where, obis = connection(arguments), Obis.parse(arguments.clock)
    limits = _limits(arguments.max_correction)
    if arguments.sync:
        return run(where, lambda session: _sync(session, obis, limits, as_json=arguments.json))
    return run(where, lambda session: _show(session, obis, as_json=arguments.json))


def _limits(bound: float) -> CorrectionLimits:
    if not MIN_BOUND_S <= bound <= MAX_BOUND_S:
        raise BadArgument(f"--max-correction must be {MIN_BOUND_S:g} to {MAX_BOUND_S:g} seconds, not {bound:g}")
    return CorrectionLimits(refuse=timedelta(seconds=bound))


def _now() -> datetime:
    return datetime.fromtimestamp(SystemClock().wall_ms() / 1000, UTC)


def _show(session: Session, obis: Obis, *, as_json: bool) -> int:
    try:
        clock = session.run(read_clock(session.conversation, obis), OBJECT_REQUESTS)
    except BridgeError as error:
        return ended(error, as_json=as_json)
    offset = None if clock.moment is None else _now() - clock.moment
    if as_json:
        print(json.dumps(_row(clock, offset)))
    else:
        print(f"{moment_words(clock.time)}  {_off(offset)}")
    return ALL_DONE


def _sync(session: Session, obis: Obis, limits: CorrectionLimits, *, as_json: bool) -> int:
    try:
        done = session.run(synchronise(session.conversation, _now, limits, obis), OBJECT_REQUESTS)
    except BridgeError as error:
        return ended(error, as_json=as_json)
    if as_json:
        before, after = _seconds(done.before), _seconds(done.after)
        print(json.dumps({"before_s": before, "step": done.step, "after_s": after, "verified": done.verified}))
    else:
        print(_told(done))
    return ALL_DONE if done.verified else SOME_DONE


def _told(done: Synchronised) -> str:
    if done.step is Step.NONE:
        return f"{_off(done.before)}: left as it is"
    if done.step is Step.REFUSED:
        return f"{_off(done.before)}: further than --max-correction, left as it is"
    verdict = "right" if done.verified else "still not right"
    return f"{_off(done.before)}: corrected ({done.step}), now {_off(done.after)}: {verdict}"


def _row(clock: Clock, offset: timedelta | None) -> dict[str, object]:
    return {
        "obis": str(clock.obis),
        "raw": clock.time.to_bytes().hex(),
        "time": None if clock.moment is None else clock.moment.isoformat(),
        "offset_s": _seconds(offset),
        "status": [str(flag.name).lower() for flag in clock.time_status],
        "deviation": clock.time.deviation,
        "zone_deviation": clock.zone.deviation,
        "daylight_minutes": clock.zone.daylight,
        "daylight_enabled": clock.daylight_enabled,
        "base": None if clock.base is None else clock.base.name.lower(),
    }


def _seconds(offset: timedelta | None) -> float | None:
    return None if offset is None else round(offset.total_seconds(), 2)


def _off(offset: timedelta | None) -> str:
    if offset is None:
        return "not set"
    seconds = offset.total_seconds()
    return f"{abs(seconds):.1f} s {'behind' if seconds >= 0 else 'ahead'}"
