"""``dlms-scanner --bus DIR``: looks for meters while a scan is wished; supervisor_qos has it started and stopped.

Exit codes: 0 told to stop, or the parent is gone; 70 a defect of ours; 78 wrong arguments. Here is the only broad
except.
"""

import logging
import sys
from pathlib import Path

from common import logs
from common.bus import WorkerBus
from common.clock import SystemClock
from common.command import SYSTEM_UID
from common.process import Exit, StopFlag
from poller.scanner.loop import Loop

USAGE = "usage: dlms-scanner --bus DIR"


def main() -> int:
    """Run the scanner; return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(f"{USAGE}\n")
        return Exit.OK
    if len(arguments) != 2 or arguments[0] != "--bus":
        sys.stderr.write(f"{USAGE}\n")
        return Exit.BAD_CONFIGURATION
    logs.start()
    try:
        return scan(Path(arguments[1]))
    except Exception:
        logging.getLogger(__name__).exception("a defect of ours")
        return Exit.BUG


def scan(directory: Path) -> int:
    """Serve the bus in a directory until told to stop."""
    stop = StopFlag()
    stop.install()
    bus = WorkerBus(directory, SYSTEM_UID)
    Loop(bus, SystemClock()).run(stop)
    bus.close()
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
