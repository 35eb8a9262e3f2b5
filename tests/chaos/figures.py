"""What the kernel says of a process."""

from pathlib import Path
from typing import Final

PAGE: Final = 4096
MIB: Final = 1 << 20


def rss_mib(pid: int) -> float:
    """Return how much memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE / MIB


def cpu_ticks(pid: int) -> int:
    """Return how many ticks of CPU a process has used."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12])


def is_alive(pid: int) -> bool:
    """Return whether a process is there and is no zombie."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
