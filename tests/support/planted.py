"""Secrets that a test planted, and where they come out: in files, answers, arguments, environments, in any common form.

In: names and values. Out: Leak values, none where all is well. The forms are made here, by other means than the
product's own: who hides and who looks must not share a mistake.
"""

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

LARGEST = 256 << 20
"""Octets of a file that is read whole."""


@dataclass(frozen=True)
class Leak:
    """A secret that came out."""

    name: str
    form: str
    where: str


class Planted:
    """Secrets by name; ``look`` finds them."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._forms = {name: dict(forms(secret)) for name, secret in secrets.items()}

    def look(self, octets: bytes, where: str) -> Iterator[Leak]:
        """Yield what stands in octets."""
        low = octets.lower()
        for name, found in self._forms.items():
            for form, needle in found.items():
                if needle in (low if form in {"hex", "percent"} else octets):
                    yield Leak(name, form, where)

    def in_files(self, root: Path, excepted: Iterable[Path] = ()) -> Iterator[Leak]:
        """Yield what stands in the files below a directory, but for those that must hold it, and in their names."""
        spared = {path.resolve() for path in excepted}
        for directory, _, names in os.walk(root):
            for path in (Path(directory, name) for name in names):
                yield from self.look(os.fsencode(path), f"the name {path}")
                if path.is_file() and path.resolve() not in spared and path.stat().st_size < LARGEST:
                    yield from self.look(path.read_bytes(), str(path))

    def in_processes(self, pids: Iterable[int]) -> Iterator[Leak]:
        """Yield what stands in arguments, titles and environments."""
        for pid in pids:
            for name in ("cmdline", "comm", "environ"):
                try:
                    yield from self.look(Path(f"/proc/{pid}/{name}").read_bytes(), f"{name} of {pid}")
                except OSError:
                    continue  # ended meanwhile


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield how octets may be written."""
    yield "plain", secret
    yield "hex", secret.hex().encode()
    yield "percent", "".join(f"%{octet:02x}" for octet in secret).encode()
    if any(octet > 0x7E or octet < 0x20 for octet in secret):
        return
    text = secret.decode("ascii")
    quoted = quote(text, safe="")
    if quoted != text:
        yield "quoted", quoted.encode()
    yield "utf-16", text.encode("utf-16-le")
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret)
        middle = coded[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield f"base64 at {before}", middle


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found
