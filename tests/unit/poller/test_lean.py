"""Stand-ins for modules that a worker never uses."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = "asyncio sqlalchemy sqlite3 ssl hashlib flask paho prometheus_client click argparse ctypes email urllib.request"


def run(code: str) -> str:
    """Return what a fresh interpreter prints."""
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout


def test_a_stand_in_becomes_the_module_when_it_is_used() -> None:
    code = (
        "from poller.lean import *; from poller.lean import Deferred; defer_unused_modules(); import random, inspect;"
        "assert isinstance(random, Deferred); print(random.randint(3, 3));"
        "import random as real; assert not isinstance(real, Deferred);"
        "print(inspect.signature(lambda a: a)); from textwrap import dedent; print(dedent('  x'))"
    )
    assert run(code).split() == ["3", "(a)", "x"]


def test_what_is_loaded_already_stays() -> None:
    code = (
        "import random, sys; from poller.lean import *; defer_unused_modules(); print(sys.modules['random'] is random)"
    )
    assert run(code).strip() == "True"


def test_a_worker_loads_nothing_heavy() -> None:
    code = (
        "from poller.lean import defer_unused_modules as d; d(); import poller.worker, sys;"
        f"print([name for name in '{HEAVY}'.split() if name in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_a_traceback_can_still_be_written() -> None:
    code = (
        "from poller.lean import defer_unused_modules as d; d(); import poller.worker, traceback\n"
        "try: 1 / 0\nexcept ZeroDivisionError: print(traceback.format_exc())"
    )
    assert "ZeroDivisionError" in run(code)
