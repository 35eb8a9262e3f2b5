"""Texts as a column takes them: whatever a meter or a person made of them, every database can hold what goes in.

In: any text. Out: at most as many characters as the column has, none of them NUL or half a pair. SQLite takes all of
these; PostgreSQL refuses the whole transaction, and a meter that calls itself NUL would stop all others' recording.
What people wish is checked before (``common.store.rules``) and is not cut here.
"""

import json
import math
from typing import Final

from sqlalchemy import Dialect, types
from sqlalchemy.types import TypeDecorator

NO_CHARACTER: Final = "\ufffd"


class String(TypeDecorator[str]):
    """A text of bounded length."""

    impl = types.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what any database can hold of a text."""
        del dialect
        return None if value is None else fitting(value)[: self._length]


def fitting(text: str) -> str:
    """Return a text without what no database holds: NUL, and halves of pairs that are no characters."""
    if "\0" in text:
        text = text.replace("\0", NO_CHARACTER)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def json_text(value: object) -> str:
    """Return JSON that every database takes: numbers that JSON cannot say are null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
