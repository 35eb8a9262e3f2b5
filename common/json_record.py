"""Checked fields out of a JSON object: what the run files (worker file, routes) are read with.

In: an object decoded from JSON. Out: values of the expected type within bounds, or BadFile that names the field.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from common.errors import Hopeless

MAX_FILE: Final = 64 << 20  # octets; routes of ten thousand meters have some 10 MB


class BadFile(Hopeless):
    """A run file that cannot be read or holds what it may not; names file and field."""


class Record:
    """One JSON object under checks. ``where`` names it in errors."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, Mapping):
            raise BadFile(f"{where}: an object was expected")
        self._values = cast("Mapping[str, object]", values)
        self._where = where

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a file; raise BadFile when it is missing, too large or not a JSON object."""
        try:
            if path.stat().st_size > MAX_FILE:
                raise BadFile(f"{path}: larger than {MAX_FILE} octets")
            return cls(json.loads(path.read_text(encoding="utf-8")), str(path))
        except OSError as error:
            raise BadFile(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise BadFile(f"{path}: not JSON: {error}") from None

    def names(self) -> Sequence[str]:
        """Return the names of all fields."""
        return list(self._values)

    def _get(self, name: str, expected: str) -> object:
        if name not in self._values:
            raise BadFile(f"{self._where}: {name} is missing ({expected})")
        return self._values[name]

    def text(self, name: str, *, limit: int = 1024) -> str:
        """Return a text of at most ``limit`` characters."""
        value = self._get(name, "a text")
        if not isinstance(value, str) or len(value) > limit:
            raise BadFile(f"{self._where}: {name} must be a text of at most {limit} characters")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._get(name, "a whole number")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadFile(f"{self._where}: {name} must be a whole number from {low} to {high}")
        return value

    def optional_whole(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number, or None where the field is absent or null."""
        return None if self._values.get(name) is None else self.whole(name, low, high)

    def number(self, name: str, low: float, high: float) -> float:
        """Return a number from ``low`` to ``high``."""
        value = self._get(name, "a number")
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise BadFile(f"{self._where}: {name} must be a number from {low} to {high}")
        return float(value)

    def optional_number(self, name: str, low: float, high: float) -> float | None:
        """Return a number, or None where the field is absent or null."""
        return None if self._values.get(name) is None else self.number(name, low, high)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._get(name, "true or false")
        if not isinstance(value, bool):
            raise BadFile(f"{self._where}: {name} must be true or false")
        return value

    def record(self, name: str) -> "Record":
        """Return the object of that name."""
        return Record(self._get(name, "an object"), f"{self._where}: {name}")

    def optional_record(self, name: str) -> "Record | None":
        """Return the object of that name, or None where it is absent or null."""
        return None if self._values.get(name) is None else self.record(name)

    def wholes(self, name: str, limit: int, high: int) -> list[int]:
        """Return a list of at most ``limit`` whole numbers from 0 to ``high``."""
        value = self._get(name, "a list")
        if not isinstance(value, list) or len(value) > limit:
            raise BadFile(f"{self._where}: {name} must be a list of at most {limit} numbers")
        if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= high for item in value):
            raise BadFile(f"{self._where}: {name} must hold whole numbers from 0 to {high}")
        return value

    def records(self, name: str, limit: int) -> "list[Record]":
        """Return a list of at most ``limit`` objects."""
        value = self._get(name, "a list")
        if not isinstance(value, list) or len(value) > limit:
            raise BadFile(f"{self._where}: {name} must be a list of at most {limit} objects")
        return [Record(item, f"{self._where}: {name}[{place}]") for place, item in enumerate(value)]

    def octets(self, name: str, size: int) -> bytes:
        """Return ``size`` octets written in hexadecimal."""
        text = self.text(name)
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            octets = b""
        if len(octets) != size:
            raise BadFile(f"{self._where}: {name} must be {size} octets in hexadecimal")
        return octets
