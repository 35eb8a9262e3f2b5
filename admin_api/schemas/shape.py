"""What every form of the API derives from: Shape of bodies, Query of paths and queries, Answer of what is answered.

In: JSON data, or the strings of a query. Out: frozen values of the right types, or BadPayload that names the field at
fault and what was expected there. A form's JSON schema is made once; its name is its name in the OpenAPI document, so
there cannot be two. No HTTP, store or clock may enter: API and meterctl read with the same forms.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from admin_api.schemas.refusals import MAX_TOLD, Unread, refusal, told
from common.store.errors import BadWish

EXACT: Final = 2**53 - 1  # whole numbers up to here are the same in every reader of JSON
MAX_ID: Final = 2**31 - 1  # of a row, on every database
MAX_TEXT: Final = 4096  # characters of any text
MAX_WORD: Final = 128  # characters of a text in a query or a path: a request's line is at most 8190 octets
MAX_LIST: Final = 1024  # elements of any list or object
MAX_PAGE: Final = 1000
PAGE: Final = 100
MAX_OFFSET: Final = 1_000_000_000
LATEST_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
Values = JsonSchemaValue
"""Fields of a form by name, each of the type that the form gave it."""
REFERENCES: Final = "#/components/schemas/{model}"
_SIGNED: Final = re.compile(r"-?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


class BadPayload(BadWish):
    """A body or a query that is not what it should be; ``field`` names the part at fault, ``further`` the others."""

    def __init__(self, field: str, detail: str, further: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(field, detail)
        self.further = tuple(further)


class _Schemas(GenerateJsonSchema):
    """JSON schemas without what says nothing: titles of fields, and the None of a field that was left out."""

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            made.pop("default")
        return made


class _QuerySchemas(_Schemas):
    """A query parameter is there or not; none of them is null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


class Shape(BaseModel):
    """A form of JSON data: strict, without a place for unknown fields, frozen."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
        serialize_by_alias=True,
    )
    schemas: ClassVar[type[GenerateJsonSchema]] = _Schemas

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        other = _FORMS.setdefault(cls.__name__, cls)
        if other is not cls and other.__module__ != cls.__module__:
            raise TypeError(f"{cls.__module__} and {other.__module__} both have a form {cls.__name__}")

    @classmethod
    def read(cls, data: object) -> Self:
        """Return the form that data fills; raise BadPayload."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise refused(error) from None

    @classmethod
    def model_json_schema(cls, *_ways: object, mode: JsonSchemaMode = "validation", **_more: object) -> JsonSchemaValue:
        """Return the form's JSON schema, made once."""
        found = _SCHEMAS.get((cls, mode))
        if found is None:
            found = super().model_json_schema(True, REFERENCES, cls.schemas, mode)
            _SCHEMAS[cls, mode] = found
        return found

    @property
    def given(self) -> Values:
        """The fields that the data named, by their names here."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


_FORMS: Final[dict[str, type[Shape]]] = {}
_SCHEMAS: Final[dict[tuple[type[Shape], JsonSchemaMode], JsonSchemaValue]] = {}


class Omissible(Shape):
    """A body that may be left out: then it names no field."""

    @model_validator(mode="before")
    @classmethod
    def _of_nothing(cls, data: object) -> object:
        return {} if data is None else data


class Query(Shape):
    """A query's or a path's parameters: texts, read as what the form says."""

    model_config = ConfigDict(strict=False)
    schemas = _QuerySchemas


class Answer(Shape):
    """What is answered."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text that is one of these words."""

    words: Sequence[str]

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.words))


def _parsed(pattern: re.Pattern[str], read: Callable[[str], float]) -> BeforeValidator:
    """Return a validator that reads a query's text only where it is written plainly: no 1_0, no 1e3, no spaces."""
    return BeforeValidator(lambda given: _plain(given, pattern, read))


def _plain(given: object, pattern: re.Pattern[str], read: Callable[[str], float]) -> object:
    if not isinstance(given, str):
        return given
    return read(given) if pattern.fullmatch(given) else Unread()


def _flag(given: object) -> object:
    return _FLAGS.get(given.lower(), Unread()) if isinstance(given, str) else given


def _instant(given: object) -> int:
    """Return milliseconds of an ISO 8601 time (UTC unless it says otherwise) or of milliseconds themselves."""
    text = given if isinstance(given, str) else ""
    try:
        if text.isascii() and text.isdigit():
            found = int(text[:16])
        else:
            at = datetime.fromisoformat(text)
            found = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= LATEST_MS:
        raise refusal("an ISO 8601 time or milliseconds since 1970 were expected")
    return found


Whole = Annotated[int, _parsed(_SIGNED, int)]
"""Of a query: a whole number."""
Fraction = Annotated[float, _parsed(_DECIMAL, float)]
"""Of a query: a number."""
Flag = Annotated[bool, BeforeValidator(_flag)]
"""Of a query: true, false, 1 or 0."""
Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "description": "ISO 8601, UTC unless it says otherwise; or milliseconds."}),
]
"""Of a query: a time, as milliseconds since 1970."""
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""Of an answer: ISO 8601 in UTC with milliseconds."""
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Word = Annotated[str, Field(max_length=MAX_WORD)]
"""Of a query or a path: a text."""
Passed = Annotated[object, Field(default=None, json_schema_extra={"readOnly": True})]
"""Of a body: what we answer ourselves; it may come back and is passed over."""


class Page(Query):
    """Which part of a list is asked for."""

    limit: Whole = Field(PAGE, ge=1, le=MAX_PAGE, description="How many at most.")
    offset: Whole = Field(0, ge=0, le=MAX_OFFSET, description="How many to pass over.")


def refused(error: ValidationError) -> BadPayload:
    """Return a ValidationError of a form as what our callers handle."""
    schema = _FORMS[error.title].model_json_schema()
    found = [told(item, schema, schema.get("$defs", {})) for item in error.errors(include_url=False)[:MAX_TOLD]]
    return BadPayload(*found[0], further=found[1:])


absent = partial(Field, default=None)
"""A field that may be left out; Shape.given tells whether it was. It may not be null."""

__all__ = [
    "Answer",
    "BadPayload",
    "Field",
    "Flag",
    "Fraction",
    "Instant",
    "Omissible",
    "OneOf",
    "Page",
    "Passed",
    "Query",
    "Shape",
    "Text",
    "Time",
    "Values",
    "Whole",
    "Word",
    "absent",
    "refusal",
    "refused",
]
