"""Values of JSON data, checked for their types: the small readers that bodies are made of.

In: a value and the name of its field. Out: the value with its type, or BadPayload that names the field. Bounds of
meaning are elsewhere; here are only those that keep a hostile body from costing anything.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from common.secret import Secret
from common.store.errors import BadWish

MAX_TEXT: Final = 4096  # characters of any text, before the rules look closer
MAX_LIST: Final = 1024  # elements of any list or object, before the rules look closer
Reader = Callable[[object, str], Any]
Values = dict[str, Any]  # fields by name, each of the type that its reader gave it


class BadPayload(BadWish):
    """A body or a query that is not what it should be; ``field`` names the part at fault."""


def as_object(value: object, name: str) -> Mapping[str, object]:
    """Return an object whose keys are texts; raise BadPayload."""
    if not isinstance(value, Mapping) or len(value) > MAX_LIST or not all(isinstance(key, str) for key in value):
        raise BadPayload(name, f"an object of at most {MAX_LIST} fields was expected, not {_kind(value)}")
    return value


def as_list(value: object, name: str) -> list[object]:
    """Return a list; raise BadPayload."""
    if not isinstance(value, list | tuple) or len(value) > MAX_LIST:
        raise BadPayload(name, f"a list of at most {MAX_LIST} elements was expected, not {_kind(value)}")
    return list(value)


def as_text(value: object, name: str) -> str:
    """Return a text; raise BadPayload."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise BadPayload(name, f"a text of at most {MAX_TEXT} characters was expected, not {_kind(value)}")
    return value


def as_secret(value: object, name: str) -> Secret:
    """Return a secret, null being none; raise BadPayload."""
    return Secret("" if value is None else as_text(value, name))


def as_whole(value: object, name: str) -> int:
    """Return a whole number that JSON carries exactly; raise BadPayload."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**53:
        raise BadPayload(name, f"a whole number was expected, not {_kind(value)}")
    return value


def as_number(value: object, name: str) -> float:
    """Return a number; raise BadPayload."""
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) >= 2**53:
        raise BadPayload(name, f"a number was expected, not {_kind(value)}")
    return float(value)


def as_flag(value: object, name: str) -> bool:
    """Return true or false; raise BadPayload."""
    if not isinstance(value, bool):
        raise BadPayload(name, f"true or false was expected, not {_kind(value)}")
    return value


def as_numbers(value: object, name: str) -> dict[str, float]:
    """Return an object of numbers; raise BadPayload."""
    return {key: as_number(number, f"{name}.{shown(key)}") for key, number in as_object(value, name).items()}


def or_none(reader: Reader) -> Reader:
    """Return a reader that also takes null, as None."""
    return lambda value, name: None if value is None else reader(value, name)


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def shown(name: str) -> str:
    """Return as much of a name as an error may repeat."""
    return name[:64] or "(empty)"
