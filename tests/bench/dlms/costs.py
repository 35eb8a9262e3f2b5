"""What it costs to import a client: CPU and own memory (USS) of a fresh process that does nothing else."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

RUNS: Final = 5
IMPORTS: Final[Mapping[str, str]] = {
    "floor": "import socket",
    "ours": "import poller.dlms.conversation",
    "ours, as the worker": "import poller.session, poller.transport",
    "gurux-dlms": "from gurux_dlms import GXDLMSClient; from gurux_dlms.objects import GXDLMSRegister",
    "dlms-cosem": "import dlms_cosem.client, dlms_cosem.io, dlms_cosem.security",
    "pydlms-client": "import pydlms; from pydlms.transports.tcp import TcpTransport",
}
"""What a program that reads with each of them imports at least; all of them load what a socket needs."""
_SCRIPT: Final = """
import socket
{statement}
import time
cpu = time.process_time()
with open("/proc/self/smaps_rollup") as lines:
    uss = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
print(cpu, uss)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in milliseconds and memory in MiB, the interpreter's start included."""

    cpu_ms: float
    uss_mib: float


def import_costs() -> dict[str, Cost]:
    """Return the median costs of each client over some runs, taken by turns."""
    seen: dict[str, list[Cost]] = {name: [] for name in IMPORTS}
    for _ in range(RUNS + 1):  # the first one writes what is compiled, and is left out
        for name, statement in IMPORTS.items():
            seen[name].append(_imported(statement))
    return {
        name: Cost(median(cost.cpu_ms for cost in costs[1:]), median(cost.uss_mib for cost in costs[1:]))
        for name, costs in seen.items()
    }


def _imported(statement: str) -> Cost:
    script = _SCRIPT.format(statement=statement)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    cpu, uss = done.stdout.split()
    return Cost(float(cpu) * 1000, int(uss) / 1024)
