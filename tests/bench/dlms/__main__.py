"""``make bench-dlms``: what it costs to read ten registers, by our core and by the other DLMS clients for Python.

All clients read the same meter process (``meter``: fixed values, answers at once), each in a process of its own, so
that none pays for what another has imported or left to the garbage collector; one runs at a time. They take turns of
some twenty cycles in each mode, round after round. A client's CPU time is its own process's, user and system, around
the cycles alone; connecting and associating are not measured. The floor is a plain socket that exchanges prebuilt
octets value by value over the same transport (``floor``); each turn is compared with the floor of its own round, so
that what the machine does meanwhile falls on both, and the median of those ratios is printed.

Meter and clients share one processor, which is the least flattering: the floor then costs a third of what it costs when
every answer has to wake another processor, as it is with a meter that is far away. ``--apart`` gives each its own. Left
to itself a system puts them now here, now there.

Every value that any client returns is checked. Exit code 1 when one was wrong, 0 otherwise: a target that is missed is
said, not failed.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.dlms.costs import Cost, import_costs
from tests.bench.dlms.facts import Mode
from tests.bench.dlms.reader import WHERE
from tests.bench.dlms.rounds import Figures, measure

ROUNDS: Final = 30
OURS: Final = "ours"
TARGETS: Final = {
    Mode.HDLC_VALUE: 1.7,
    Mode.HDLC_LIST: 0.4,
    Mode.WRAPPER_VALUE: 1.5,
    Mode.WRAPPER_LIST: 0.25,
    Mode.CIPHERED_VALUE: 3.0,
}
"""Of our core over a plain socket, as multiples of the floor."""
TARGET_IMPORT_MS: Final = 60.0
TARGET_USS_MIB: Final = 8.0


def table(figures: Mapping[Mode, Mapping[str, Figures]]) -> None:
    """Print the figures of every mode."""
    for mode, of_mode in figures.items():
        print(f"\n{mode:<34}{'trips':>6}{'wall µs':>10}", end="")
        print(f"{'CPU µs':>10}{'(least)':>10}{'× floor':>10}{'(least)':>10}")
        for name, entry in of_mode.items():
            print(f"  {name:<28}", end="")
            if entry.reason:
                print(f"{'-':>10}  {entry.reason}")
                continue
            print(f"{entry.trips:>10g}{median(entry.wall_us):>10.0f}{median(entry.cpu_us):>10.0f}", end="")
            print(f"{min(entry.cpu_us):>10.0f}{entry.ratio:>10.2f}{min(entry.ratios):>10.2f}", end="")
            print(f"  {entry.wrong} cycles read something else" if entry.wrong else "")


def imports(costs: Mapping[str, Cost]) -> None:
    """Print what importing costs."""
    print(f"\nimport, a fresh process{'CPU ms':>15}{'USS MiB':>10}")
    for name, cost in costs.items():
        print(f"  {name:<28}{cost.cpu_ms:>8.0f}{cost.uss_mib:>10.1f}")


def verdicts(figures: Mapping[Mode, Mapping[str, Figures]], costs: Mapping[str, Cost]) -> None:
    """Print which targets are met."""
    print(f"\ntargets ({OURS})")
    for mode, target in TARGETS.items():
        entry = figures[mode][OURS]
        if entry.reason:
            print(f"  {mode}: not measured, {entry.reason}")
        else:
            _verdict(str(mode), entry.ratio, target, "× floor")
    _verdict("import", costs[OURS].cpu_ms, TARGET_IMPORT_MS, "ms CPU")
    _verdict("memory", costs[OURS].uss_mib, TARGET_USS_MIB, "MiB USS")


def _verdict(what: str, found: float, target: float, unit: str) -> None:
    word = "met" if found <= target else f"missed by {found - target:.2f}"
    print(f"  {what}: {found:.2f} {unit}, at most {target:g}: {word}")


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dlms", description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--rounds", type=int, default=ROUNDS, help=f"turns of each client in each mode (default {ROUNDS})")
    add("--apart", action="store_true", help="meter and client on a processor each")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    costs = import_costs()
    figures = measure(max(1, arguments.rounds), apart=arguments.apart)
    where = "a processor each for client and meter" if arguments.apart else "client and meter on one processor"
    print(f"{len(WHERE)} clients, ten registers a cycle, {arguments.rounds} rounds by turns, {where}")
    table(figures)
    imports(costs)
    verdicts(figures, costs)
    if arguments.json:
        found = {mode.name: {name: asdict(entry) for name, entry in of.items()} for mode, of in figures.items()}
        content = {"modes": found, "imports": {name: asdict(cost) for name, cost in costs.items()}}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if any(entry.wrong for of_mode in figures.values() for entry in of_mode.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
