"""The only module that reads time or sleeps.

Durations come from the monotonic clock, ages that must survive a process from CLOCK_BOOTTIME, and wall time only marks
readings. Everything that needs time receives a ``Clock``; tests hand in their own.
"""

import time
from pathlib import Path
from typing import Protocol

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What time looks like to the rest of the program."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""

    def boottime_ms(self) -> int:
        """Milliseconds since the kernel booted, suspend included; comparable between processes of one boot."""

    def wall_ms(self) -> int:
        """UTC in milliseconds since 1970; may jump."""

    def sleep(self, seconds: float) -> None:
        """Wait; never called with more than one second by a worker."""


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def boot_id() -> bytes:
    """Return the 16 octets that name this boot of the kernel (random(4)); 16 zero octets where it has none."""
    try:
        name = bytes.fromhex(BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)
    return name if len(name) == 16 else bytes(16)
