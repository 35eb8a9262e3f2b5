"""Loaded by every Python process of a product whose clock is to step: the wall clock is off by what a file says.

In: the variable DLMS_CHAOS_CLOCK, a file of whole seconds. Out: another ``time.time`` and ``time.time_ns``; the
monotonic clocks stay as they are, as they do when a machine's clock is set. (libfaketime cannot be used: under it
Python's ``time.sleep``, an absolute clock_nanosleep on the monotonic clock, fails with EINVAL.)
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_FILE = Path(os.environ.get("DLMS_CHAOS_CLOCK", "/nonexistent"))
_LOOK_NS = 50_000_000
_time_ns, _monotonic_ns = time.time_ns, time.monotonic_ns
_state = [0, 0]  # seconds, when they were read


def _offset_s() -> int:
    now = _monotonic_ns()
    if now - _state[1] > _LOOK_NS:
        _state[1] = now
        with suppress(OSError, ValueError):  # the last one holds while the run ends
            _state[0] = int(_FILE.read_text(encoding="ascii"))
    return _state[0]


def _stepped_ns() -> int:
    return _time_ns() + _offset_s() * 1_000_000_000


def _stepped() -> float:
    return _stepped_ns() / 1e9


time.time_ns = _stepped_ns
time.time = _stepped
