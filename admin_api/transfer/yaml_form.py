"""A YAML or JSON file to rows, and meters to one. Pure.

A list of meters, each with the fields of POST /meters; also ``{"meters": [...]}`` and ``{"items": [...]}``. YAML is
read event by event: no tag makes an object, no alias is followed, depth and size are bounded before anything is built.
What a scalar means is said by its field, not by its look: an unquoted password 00012345 stays the text that it is.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Final, cast

import yaml

from admin_api.schemas.refusals import shown
from admin_api.schemas.shape import BadPayload
from admin_api.transfer.columns import COLUMNS, OF_A_MEASUREMENT, PASSED_OVER, as_number, nothing_of, portable, value_of
from admin_api.transfer.csv_form import decoded
from admin_api.transfer.rows import BadImport, Row, refuse_too_many
from common.store.model import Meter

MAX_DEPTH: Final = 8  # list, meter, measurements, measurement: half of it is used
MAX_NODES: Final = 400_000  # a thousand meters with fifty measurements of seven fields each
LISTS: Final = ("meters", "items")
Read = Callable[[str, object], object]
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
_READER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WRITER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def parse_yaml(octets: bytes) -> list[Row]:
    """Return the rows of a YAML file; raise BadImport where it is none at all."""
    try:
        document = _built(yaml.parse(decoded(octets), Loader=_READER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise BadImport(f"line {mark.line + 1 if mark else 1}", f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise BadImport("file", f"not YAML: {str(error)[:100]}") from None
    return _rows(document, _typed)


def parse_json(octets: bytes) -> list[Row]:
    """Return the rows of a JSON file; raise BadImport where it is none at all."""
    try:
        document = json.loads(decoded(octets))
    except (ValueError, RecursionError) as error:
        raise BadImport("file", f"not JSON: {str(error)[:100]}") from None
    return _rows(document, _as_it_is)


def dump_yaml(meters: Iterable[Meter]) -> str:
    """Return meters as a YAML file, without their secrets."""
    documents = [portable(meter) for meter in meters]
    return yaml.dump(documents, Dumper=_WRITER, sort_keys=False, allow_unicode=True, width=120)


def dump_json(meters: Iterable[Meter]) -> str:
    """Return meters as a JSON file, without their secrets."""
    return json.dumps([portable(meter) for meter in meters], ensure_ascii=False, indent=1) + "\n"


class _Builder:
    """Events to lists, maps and texts; an unquoted word for nothing becomes None."""

    def __init__(self) -> None:
        self._open: list[list[object] | dict[str, object]] = []
        self._key: str | None = None
        self.document: object = None

    def take(self, event: "yaml.Event") -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent():
                self._begin([])
            case yaml.MappingStartEvent():
                self._begin({})
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()

    def _scalar(self, event: "yaml.ScalarEvent") -> None:
        text = str(event.value)
        if isinstance(self._inner(), dict) and self._key is None:
            self._key = text
            return
        self._put(None if event.implicit[0] and not event.style and text in _NOTHING else text)

    def _begin(self, made: list[object] | dict[str, object]) -> None:
        if isinstance(self._inner(), dict) and self._key is None:
            raise BadImport("file", "the name of a field is a text")
        if len(self._open) >= MAX_DEPTH:
            raise BadImport("file", f"nested deeper than {MAX_DEPTH} levels")
        self._put(made)
        self._open.append(made)

    def _inner(self) -> list[object] | dict[str, object] | None:
        return self._open[-1] if self._open else None

    def _put(self, value: object) -> None:
        inner = self._inner()
        if isinstance(inner, dict):
            name, self._key = cast("str", self._key), None
            if name in inner:
                raise BadImport("file", f"{shown(name)} is there twice in one place")
            inner[name] = value
        elif isinstance(inner, list):
            inner.append(value)
        else:
            self.document = value


def _built(events: Iterator["yaml.Event"]) -> object:
    builder, documents = _Builder(), 0
    for count, event in enumerate(events):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if count > MAX_NODES or documents > 1:
            raise BadImport("file", f"one document of at most {MAX_NODES} parts was expected")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadImport("file", "anchors and aliases are not taken")
        builder.take(event)
    return builder.document


def _rows(document: object, read: Read) -> list[Row]:
    if isinstance(document, dict) and len(document) == 1 and next(iter(document)) in LISTS:
        document = next(iter(document.values()))
    if not isinstance(document, list):
        raise BadImport("file", "a list of meters was expected")
    refuse_too_many(len(document))
    return [_row(number, item, read) for number, item in enumerate(document, 1)]


def _row(number: int, item: object, read: Read) -> Row:
    if not isinstance(item, dict):
        return Row(number, error=BadPayload("row", "a map of fields was expected"))
    uid = item.get("uid")
    fields: dict[str, object] = {}
    error: BadPayload | None = None
    for name, value in item.items():
        if name in PASSED_OVER or name == "uid":
            continue
        try:
            fields[name] = read(name, value)
        except BadPayload as found:
            error = error or found
    return Row(number, fields, uid if isinstance(uid, str) else "", error)


def _as_it_is(_name: str, value: object) -> object:
    return value


def _typed(name: str, value: object) -> object:
    """Return what the texts of a field say; what is no field stays for whoever refuses it."""
    if name not in COLUMNS:
        return value
    if value is None:
        return nothing_of(name)
    if isinstance(value, str):
        return value_of(name, value)
    if isinstance(value, dict):
        return {key: as_number(key, text) if isinstance(text, str) else text for key, text in value.items()}
    return [_measurement(item) for item in value] if isinstance(value, list) else value


def _measurement(item: object) -> object:
    if not isinstance(item, dict):
        return item
    kinds = {name: OF_A_MEASUREMENT[name] for name in item if name in OF_A_MEASUREMENT}
    return {
        name: kinds[name](name, text) if name in kinds and isinstance(text, str) else text
        for name, text in item.items()
    }
