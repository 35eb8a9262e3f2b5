"""From what pydantic found wrong to what a person is told: the field at fault, and what was expected there.

In: a ValidationError and the JSON schema of the form it is about. Out: (field, detail) pairs; a field is a dotted path
with places in brackets, ``measurements[1].class``. The value at fault is repeated only where it is a number: it may be
a password. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from pydantic_core import ErrorDetails, PydanticCustomError

Node = Mapping[str, object]
OURS: Final = "refused"
MAX_SHOWN: Final = 64  # characters of a name that an error repeats
MAX_TOLD: Final = 16  # faults of one body that are told; there may be as many as it has fields
_PREFIX: Final = "#/components/schemas/"
_WHOLE: Final = "a whole number"
_KINDS: Final[Mapping[str, str]] = {
    "integer": _WHOLE,
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class Unread:
    """Stands for a query's text that is not written as its field demands."""


def refusal(text: str) -> PydanticCustomError:
    """Return what a validator of ours raises: its text is told as it is."""
    return PydanticCustomError(OURS, "{text}", {"text": text})


def told(error: ErrorDetails, schema: Node, definitions: Mapping[str, Node]) -> tuple[str, str]:
    """Return the field at fault and what is said about it."""
    where = error["loc"]
    field = path(where) or "body"
    if error["type"] == "missing":
        return field, "is missing"
    if error["type"] == "extra_forbidden":
        there = _names(_node(schema, where[:-1], definitions))
        return field, f"not a field here; there are {', '.join(there) or 'none'}"
    if error["type"] == OURS:
        return field, error["msg"]
    node = _node(schema, where, definitions)
    return field, f"{expected(node, definitions)} was expected{_found(error['input'], node)}"


def path(where: Sequence[int | str]) -> str:
    """Return a place as text."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)}"
    return text.removeprefix(".")


def shown(name: str) -> str:
    """Return as much of a name as an error may repeat."""
    return name[:MAX_SHOWN] or "(empty)"


def expected(node: Node, definitions: Mapping[str, Node]) -> str:
    """Return in words what a JSON schema demands."""
    node = _meant(node, definitions)
    if "anyOf" in node:
        return " or ".join(expected(part, definitions) for part in cast("list[Node]", node["anyOf"]))
    if "x-expected" in node:
        return str(node["x-expected"])
    if "enum" in node:
        return f"one of {', '.join(map(str, cast('list[object]', node['enum'])))}"
    kind = str(node.get("type", ""))
    return _KINDS.get(kind, "something else") + _bounds(node, kind)


def _bounds(node: Node, kind: str) -> str:
    names = {"string": ("minLength", "maxLength", " characters"), "array": ("minItems", "maxItems", " elements")}
    low, high, unit = names.get(kind, ("minimum", "maximum", ""))
    least, most = node.get(low), node.get(high)
    of = "from" if not unit else "of"
    if least is not None and most is not None:
        return f" {of} {_number(least)} to {_number(most)}{unit}"
    if most is not None:
        return f" of at most {_number(most)}{unit}"
    return "" if least is None else f" of at least {_number(least)}{unit}"


def _number(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def _found(value: object, node: Node) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and node.get("type") in {"integer", "number"}:
        return f", not {value!r}"[:MAX_SHOWN]
    if isinstance(value, list) and node.get("type") == "array":
        return f", not {len(value)}"
    if value is None:
        return ", not null"
    is_text = isinstance(value, str) and (node.get("type") == "string" or "enum" in node)
    return "" if is_text or isinstance(value, Unread) else f", not {type(value).__name__}"


def _names(node: Node) -> list[str]:
    fields = cast("Mapping[str, Node]", node.get("properties", {}))
    return [name for name, field in fields.items() if not field.get("readOnly")]


def _node(schema: Node, where: Sequence[int | str], definitions: Mapping[str, Node]) -> Node:
    """Return the schema of the value at a place; an empty one where the schema does not lead there."""
    node = _meant(schema, definitions)
    for part in where:
        if isinstance(part, int):
            found = node.get("items", {})
        else:
            fields = cast("Mapping[str, object]", node.get("properties", {}))
            found = fields.get(part, node.get("additionalProperties", {}))
        node = _meant(cast("Node", found) if isinstance(found, Mapping) else {}, definitions)
    return node


def _meant(node: Node, definitions: Mapping[str, Node]) -> Node:
    """Return a schema behind its reference; of several the one that has fields, if any."""
    if "$ref" in node:
        return definitions.get(str(node["$ref"]).removeprefix(_PREFIX), {})
    for part in cast("list[Node]", node.get("anyOf", [])):
        found = _meant(part, definitions)
        if "properties" in found or "items" in found:
            return found
    return node
