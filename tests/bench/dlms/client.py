"""The process that a client runs in.

``python -m tests.bench.dlms.client NAME`` reads commands from standard input, one JSON list per line, and answers each
with a line: ``["open", mode, port]`` connects and associates, ``["run", mode, cycles]`` reads that many cycles, and
tells CPU and wall time of them. Only the reading is measured; values are checked afterwards, each cycle's.
"""

import importlib
import json
import os
import pathlib
import sys
import time
from typing import Final

from tests.bench.dlms.facts import VALUES, Mode
from tests.bench.dlms.reader import WHERE, Client, Reader, Unable

WARM_UP: Final = 2
"""Cycles before the measured ones: another process has had the caches meanwhile."""


def run(reader: Reader, cycles: int) -> dict[str, object]:
    """Read that many cycles; return the seconds of CPU and wall time they took, and how many read something wrong."""
    cycle = reader.cycle
    for _ in range(WARM_UP):
        cycle()
    read = []
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(cycles):
        read.append(cycle())
    used, took = time.process_time() - cpu, time.perf_counter() - wall
    wrong = sum(reader.values(each) != VALUES for each in read)
    return {"cpu": used, "wall": took, "wrong": wrong}


def serve(name: str) -> None:
    """Carry out commands until standard input ends."""
    client: Client = importlib.import_module(WHERE[name])
    readers: dict[Mode, Reader] = {}
    answers = sys.stdout
    sys.stdout = pathlib.Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  gurux-dlms prints as it ciphers
    for line in sys.stdin:
        command, mode, number = json.loads(line)
        answer: object = None
        if command == "open":
            try:
                readers[Mode[mode]] = client.connect(Mode[mode], number)
            except Unable as reason:
                answer = str(reason)
        else:
            answer = run(readers[Mode[mode]], number)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
