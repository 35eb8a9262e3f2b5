"""The exit codes of meterctl; `meterctl run` adds those of common.process.

Documented in docs/OPERATIONS.md, which a test holds to this table.
"""

from enum import IntEnum


class Outcome(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1  # asked, and the answer was no: a meter not read, a system not healthy, one of several not done
    REFUSED = 2  # not even asked: wrong usage, bad configuration, unknown meter, nothing installed here
    BUG = 70
    INTERRUPTED = 130
