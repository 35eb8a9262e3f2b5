"""`python -m tests.fuzz`: random and mutated octets into everything that takes octets from a meter.

`--inputs N --seed S --result FILE` runs N inputs; started again it continues where it ended. `--seconds T` ends it
early. `--again FILE` runs the inputs of the violations in a result once more. Exits 1 when anything was found.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.campaign import MOST_GROWTH_MIB, TARGETS, Plan, Result, run
from tests.fuzz.targets import Case
from tests.fuzz.trial import judged

SEED: Final = 20261122
SHOWN: Final = 400
"""Characters of an input on the terminal; the file has all of it."""


def report(result: Result) -> str:
    """Return the result as a table."""
    lines = ["target              inputs     ok  errors   us/input  slowest us/octet  peak KiB  violations"]
    for name, tally in result.tallies.items():
        good = tally.outcomes.get("ok", 0)
        each = tally.cpu_s / max(1, tally.inputs) * 1e6
        lines.append(
            f"{name:15} {tally.inputs:10} {good / max(1, tally.inputs):6.0%} {tally.inputs - good:7} {each:10.1f}"
            f" {tally.slowest_us_per_octet:17.2f} {tally.largest_octets / 1024:9.0f} {len(tally.violations):11}"
        )
    lines.append(
        f"{result.inputs} inputs, seed {result.plan.seed}, {result.wall_s:.0f} s,"
        f" memory of a worker grew by {result.growth_mib:.1f} MiB (limit {MOST_GROWTH_MIB:.0f})"
    )
    lines += [
        f"{each['target']}: {each['what']}: {str(each['octets'])[:SHOWN]} choice {each['choice']}"
        for each in result.violations
    ]
    return "\n".join(lines)


def again(path: Path) -> int:
    """Run what was found once more; return how much of it still is."""
    left = 0
    for tally in json.loads(path.read_text("utf-8"))["tallies"].values():
        for each in tally["violations"]:
            wrong = judged(TARGETS[each["target"]], Case(bytes.fromhex(each["octets"]), each["choice"]))
            left += bool(wrong)
            print(f"{each['target']}: {wrong or 'repaired'}")
    return left


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--target", action="append", choices=list(TARGETS), default=[])
    parser.add_argument("--again", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.again:
        return int(again(given.again) > 0)
    plan = Plan(given.inputs, given.seed, tuple(given.target))
    result = run(plan, given.result, given.workers, given.seconds)
    print(report(result))
    return int(bool(result.violations) or result.growth_mib > MOST_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
