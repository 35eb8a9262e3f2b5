"""What earlier octets said that later ones need: titles, the dedicated key, parts of long values, what was asked.

Goes in: fields as they are read. Comes out: joined parts, titles to try. Nothing grows beyond MAX_JOINED
and MAX_RUNS.
"""

from dataclasses import dataclass, field
from typing import Final

from poller.dlms.errors import BadData
from poller.dlms.explain.tree import Budget
from poller.dlms.security import SecuritySettings

MAX_JOINED: Final = 4 * 1024 * 1024
"""Octets of one value in parts, as much as a conversation takes."""
MAX_RUNS: Final = 64
"""Values in parts at the same time: a line carries a handful of conversations."""


@dataclass(slots=True)
class Memory:
    """The state of one explanation."""

    keys: SecuritySettings | None = None
    budget: Budget = field(default_factory=Budget)
    titles: list[bytes] = field(default_factory=list)
    dedicated_key: bytes = b""
    asked_list: bool = False
    """Whether the last GET asked for a list: its blocks then hold results, not a value."""
    way: str = ""
    """Who speaks to whom, as far as the transport tells."""
    _runs: dict[tuple[str, str], bytearray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.keys is not None:
            for title in (self.keys.client_title, self.keys.server_title):
                self.learn_title(title)

    def learn_title(self, title: bytes) -> None:
        """Remember a system title, the last one first."""
        if title:
            self.titles = [title, *(known for known in self.titles if known != title)][:MAX_RUNS]

    def is_joining(self, kind: str) -> bool:
        """Whether parts of a value have come from the one who speaks now, and not its end."""
        return (kind, self.way) in self._runs

    def join(self, kind: str, content: bytes, *, first: bool, last: bool) -> bytes | None:
        """Add a part of a long value; return the whole at its end, None before it or when its beginning was missed."""
        key = (kind, self.way)
        if first:
            self._runs.pop(key, None)
            if len(self._runs) >= MAX_RUNS:
                self._runs.pop(next(iter(self._runs)))
            self._runs[key] = bytearray()
        run = self._runs.get(key)
        if run is None:
            return None
        if len(run) + len(content) > MAX_JOINED:
            del self._runs[key]
            raise BadData(f"a value in parts of more than {MAX_JOINED} octets")
        run += content
        return bytes(self._runs.pop(key)) if last else None
