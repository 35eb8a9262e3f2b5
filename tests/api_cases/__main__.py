"""`python -m tests.api_cases`: cases against the API of a live product, made from its OpenAPI document.

`--cases N --seed S` plays N of them and prints what came of it. Exits 1 when a check failed.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.api_cases.campaign import run, table
from tests.api_cases.stage import SETTINGS, Stage
from tests.support.system import System

SEED: Final = 20261122
METERS: Final = 2


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.api_cases")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=SEED)
    wanted = parser.parse_args()
    began = time.monotonic()
    with (
        TemporaryDirectory(prefix="api-cases-", dir="/tmp") as directory,
        System(Path(directory), meters=METERS, settings=SETTINGS) as system,
    ):
        tally = run(Stage(system), wanted.cases, wanted.seed)
    print(table(tally))
    print(f"{time.monotonic() - began:.0f} s, seed {wanted.seed}")
    return 1 if tally.failures or tally.errors else 0


if __name__ == "__main__":
    sys.exit(main())
