"""Only in workers of the row H4, by PYTHONPATH: SIGUSR2 makes the thread that polls turn on one spot for ever."""

import signal
import sys


def _turn(_number: int, _frame: object) -> None:
    while True:
        pass


if "dlms-poller" in " ".join(sys.orig_argv):
    signal.signal(signal.SIGUSR2, _turn)
