"""The log of what simulated meters answered, for auditors: one JSON object per line.

Records in, lines in a file out, each by one write to a file opened for appending, so that what was answered stays
known whoever is killed. Bounded: at its limit the file moves to NAME.1 (replacing an older one) and a new one begins;
``rotations`` says how often. No decision about what is worth a line.
"""

import json
import os
from pathlib import Path
from typing import Final

from common.clock import Clock
from poller.simulator.personality import BadSpecification
from poller.simulator.steps import Record

DEFAULT_LIMIT: Final = 256 * 1024 * 1024
"""Octets of one file: about two million answers, more than any test asks for."""


class AnswerLog:
    """Appends to one file; raises BadSpecification when it cannot be opened."""

    def __init__(self, path: Path, clock: Clock, limit: int = DEFAULT_LIMIT) -> None:
        self.rotations = 0
        self._path = path
        self._clock = clock
        self._limit = limit
        self._file = self._opened()
        self._size = os.fstat(self._file).st_size

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadSpecification(f"log {self._path}: {error.strerror}") from error

    def write(self, meter: str, connection: int, record: Record) -> None:
        """Append one line."""
        note = record.note
        line = {
            "t": self._clock.wall_ms(),
            "mono": round(self._clock.monotonic(), 6),
            "meter": meter,
            "conn": connection,
            "assoc": record.association,
            "event": note.event,
            "obis": note.obis,
            "attr": note.attribute,
            "raw": note.raw,
            "invoke": note.invoke,
            "fault": record.fault,
            "answered": record.answered,
        }
        octets = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if self._size + len(octets) > self._limit:
            self._rotate()
        self._size += os.write(self._file, octets)

    def _rotate(self) -> None:
        os.close(self._file)
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._opened()
        self._size = 0
        self.rotations += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
