"""Faults inside our processes, by files in $TEST_HOOKS: Python imports this module at its start where PYTHONPATH says.

``clock``: seconds by which the wall clock of every process is wrong; may change at any time. ``hang``: text; a process
with it on its command line turns in a circle for ever, in its main thread alone, as soon as it asks what time it is.
"""

import os
import sys
import time
from _thread import get_ident
from pathlib import Path

_DIRECTORY = Path(os.environ.get("TEST_HOOKS", "/nonexistent"))
_MAIN_THREAD = get_ident()
_time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic


def _said(name: str) -> str:
    try:
        return (_DIRECTORY / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _wrong_time() -> float:
    return _time() + float(_said("clock") or 0)


def _wrong_time_ns() -> int:
    return _time_ns() + int(_said("clock") or 0) * 1_000_000_000


def _hanging_monotonic() -> float:
    text = _said("hang")
    while text and get_ident() == _MAIN_THREAD and any(text in word for word in sys.argv):
        pass
    return _monotonic()


if _DIRECTORY.is_dir():
    time.time, time.time_ns = _wrong_time, _wrong_time_ns
    time.monotonic = _hanging_monotonic
