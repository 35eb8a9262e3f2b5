"""Small disks under parts of a state directory: filled, taken away for writing, and given back while the product runs.

In: where to mount. Out: directories with an end. Needs root. Everything that is mounted here is unmounted here.
"""

import errno
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
FILLER: Final = "filler"
CHUNK: Final = 64 << 10
CALL_S: Final = 30.0


@contextmanager
def tmpfs(path: Path, octets: int) -> Iterator[Path]:
    """Mount a file system of so many octets in memory, private to us."""
    path.mkdir(parents=True, exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", f"size={octets},mode=0700", "tmpfs", str(path))
    try:
        yield path
    finally:
        unmount(path)


@contextmanager
def all_tmpfs(sizes: Mapping[Path, int]) -> Iterator[None]:
    """Mount several."""
    with ExitStack() as stack:
        for path, octets in sizes.items():
            stack.enter_context(tmpfs(path, octets))
        yield


@contextmanager
def loop_disk(path: Path, image: Path, octets: int) -> Iterator[Path]:
    """Mount a new ext4 file system in a file, one that becomes read-only when it meets an error."""
    with image.open("wb") as stream:
        stream.truncate(octets)
    _call("mkfs.ext4", "-q", "-F", str(image))
    path.mkdir(parents=True, exist_ok=True)
    mount_image(path, image)
    try:
        yield path
    finally:
        unmount(path)


def mount_image(path: Path, image: Path) -> None:
    """Mount an image of a disk, ours alone."""
    _call("mount", "-o", "loop,errors=remount-ro", str(image), str(path))
    path.chmod(0o700)


def make_read_only(path: Path) -> None:
    """Let a disk meet an error: it is read-only at once, whatever is open for writing."""
    _call("mount", "-o", "remount,abort", str(path))


def repair(path: Path, image: Path) -> None:
    """What a person does then: unmount, check, mount."""
    unmount(path)
    done = subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True, timeout=CALL_S, check=False)
    assert done.returncode in {0, 1, 2}, done.stdout + done.stderr  # 1, 2: errors were there and are corrected
    mount_image(path, image)


def is_writable(path: Path) -> bool:
    """Return whether a file can be made there."""
    probe = path / ".probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def fill(path: Path) -> None:
    """Leave not an octet free; again and again, while what is there before is removed."""
    size = CHUNK
    with (path / FILLER).open("ab", buffering=0) as stream:
        while size:
            size = size if _fits(stream, size) else size // 2


def _fits(stream: FileIO, size: int) -> bool:
    try:
        return bool(stream.write(bytes(size)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def free(path: Path) -> None:
    """Give the room back."""
    (path / FILLER).unlink(missing_ok=True)


def unmount(path: Path) -> None:
    """Unmount now; what is open there stays so for whoever has it."""
    with suppress(subprocess.CalledProcessError):
        _call("umount", "-l", str(path))


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=CALL_S)
