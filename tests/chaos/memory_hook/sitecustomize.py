"""Only in workers of the row L3, by PYTHONPATH: SIGUSR2 makes a worker ask for memory until it has none left."""

import signal
import sys

_OCTETS = 16 << 20


def _hunger(_number: int, _frame: object) -> None:
    held = []
    while True:
        held.append(bytes(1) * _OCTETS)


if "dlms-poller" in " ".join(sys.orig_argv):
    signal.signal(signal.SIGUSR2, _hunger)
