"""``dlms-poller --config FILE``: one process that reads one meter.

Exit codes: 0 stopped, or the parent is gone; 70 a defect of ours; 75 the journal or the line is held by another
process; 78 the worker file cannot be used. Here is the only broad except. What a worker is made of is imported when
``lean`` has made room: its memory is multiplied by the number of meters.
"""

import sys

USAGE = "usage: dlms-poller --config FILE"


def main() -> int:
    """Run a worker; return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(f"{USAGE}\n")
        return 0
    if len(arguments) != 2 or arguments[0] != "--config":
        sys.stderr.write(f"{USAGE}\n")
        return 78
    return _guarded(arguments[1])


def _guarded(config: str) -> int:
    from poller.lean import defer_unused_modules

    defer_unused_modules()
    import logging
    from pathlib import Path

    from common.process import Exit
    from poller.worker import work

    try:
        return work(Path(config))
    except Exception:
        logging.getLogger(__name__).exception("a defect of ours")
        return Exit.BUG


if __name__ == "__main__":
    sys.exit(main())
