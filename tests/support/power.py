"""A disk of its own for a test, whose power can be cut: ext4 on a loop device.

The cut is the kernel's own (FS_IOC_SHUTDOWN without flushing the log, as file system developers test theirs): from that
instant on nothing more reaches the device, neither from the page cache nor from the log of the file system. What a
process was told is on disk (fsync) has to be there after the next mount, which replays the log as after a power cut.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, __u32), linux/fs.h
NO_LOG_FLUSH: Final = (2).to_bytes(4, "little")
SIZE: Final = 64 << 20
TOOLS: Final = ("mkfs.ext4", "mount", "umount", "losetup")
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str:
    """Return why a test with such a disk cannot run here; empty: it can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=_PATH) is None]
    if os.geteuid() != 0:
        return "only root can mount"
    if lacking:
        return f"{', '.join(lacking)} not found (apt-get install e2fsprogs mount)"
    return "" if Path("/dev/loop-control").exists() else "the kernel has no loop devices"


class PowerDisk:
    """An image, mounted at ``root``; entering makes and mounts it."""

    def __init__(self, directory: Path, size: int = SIZE) -> None:
        self.image, self.root = directory / "disk.img", directory / "disk"
        self.root.mkdir(parents=True)
        with self.image.open("wb") as stream:
            stream.truncate(size)
        _run("mkfs.ext4", "-q", "-F", str(self.image))

    def mount(self, *options: str) -> None:
        """Mount; the file system's log is replayed where it was cut off."""
        _run("mount", "-o", ",".join(("loop", "commit=60", *options)), str(self.image), str(self.root))

    def remount(self, mode: str) -> None:
        """Make it read-only (``ro``) or writable (``rw``) while it is in use."""
        _run("mount", "-o", f"remount,{mode}", str(self.root))

    def cut(self) -> None:
        """Cut the power: from now on nothing is written; every further fsync fails."""
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Unmount; nobody may use it any more."""
        _run("umount", str(self.root))

    def __enter__(self) -> "PowerDisk":
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        if self.root.is_mount():
            subprocess.run(["umount", "-l", str(self.root)], check=False, env=os.environ | {"PATH": _PATH})


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=30, env=os.environ | {"PATH": _PATH})
