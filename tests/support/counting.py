"""A process that takes invocation counters as fast as it can and says each before it would be used."""

import sys
from pathlib import Path

from poller.invocation import CounterFile

TURNS = 500
"""Counters between two closings in order."""


def main() -> None:
    """Count from the file given, with the reserve given, until killed."""
    path, reserve = Path(sys.argv[1]), int(sys.argv[2])
    while True:
        with CounterFile(path, reserve) as source:
            count(source, reserve)


def count(source: CounterFile, reserve: int) -> None:
    """Take counters, and raise them now and then."""
    for turn in range(TURNS):
        counter = source.take()
        print(counter, flush=True)
        if turn % 100 == 99:
            source.raise_to(counter + reserve)


if __name__ == "__main__":
    main()
