"""What a form refuses, in words: the field, what was expected there, and never a secret."""

from typing import Annotated

import pytest

from admin_api.schemas.shape import (
    BadPayload,
    Field,
    Flag,
    Fraction,
    Instant,
    Omissible,
    OneOf,
    Page,
    Passed,
    Shape,
    absent,
)


class _Part(Shape):
    class_id: int = Field(3, alias="class", ge=1, le=9)


class _Whole(Shape):
    name: Annotated[str, Field(min_length=1, max_length=8)]
    port: Annotated[int, Field(ge=1, le=65535)] = absent()
    physical: Annotated[int, Field(ge=0, le=3)] | None = absent()
    transport: Annotated[str, OneOf(("hdlc", "wrapper"))] = absent()
    enabled: bool = absent()
    parts: list[_Part] = absent(min_length=1, max_length=3)
    limits: dict[str, float] = absent()
    id: Passed


class _Asked(Page):
    wait: Fraction = Field(0.0, ge=0, le=30)
    purge: Flag | None = None
    since: Instant | None = None


class _Spare(Omissible):
    wait_s: float = Field(1.0, ge=0)


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        (None, "body", "an object was expected, not null"),
        ([], "body", "an object was expected, not list"),
        ({}, "name", "is missing"),
        ({"name": 7}, "name", "a text of 1 to 8 characters was expected, not int"),
        ({"name": "x" * 9}, "name", "a text of 1 to 8 characters was expected"),
        ({"name": "m", "port": "1"}, "port", "a whole number from 1 to 65535 was expected, not str"),
        ({"name": "m", "port": 0}, "port", "a whole number from 1 to 65535 was expected, not 0"),
        ({"name": "m", "port": True}, "port", "a whole number from 1 to 65535 was expected, not bool"),
        ({"name": "m", "port": 3.0}, "port", "a whole number from 1 to 65535 was expected, not 3.0"),
        ({"name": "m", "port": None}, "port", "a whole number from 1 to 65535 was expected, not null"),
        ({"name": "m", "physical": "x"}, "physical", "a whole number from 0 to 3 or null was expected, not str"),
        ({"name": "m", "transport": "pigeon"}, "transport", "one of hdlc, wrapper was expected"),
        ({"name": "m", "transport": ["hdlc"]}, "transport", "one of hdlc, wrapper was expected, not list"),
        ({"name": "m", "enabled": 1}, "enabled", "true or false was expected, not int"),
        ({"name": "m", "parts": []}, "parts", "a list of 1 to 3 elements was expected, not 0"),
        (
            {"name": "m", "parts": [{}, {"class": "3"}]},
            "parts[1].class",
            "a whole number from 1 to 9 was expected, not",
        ),
        ({"name": "m", "parts": [{"colour": 1}]}, "parts[0].colour", "not a field here; there are class"),
        ({"name": "m", "limits": {"a": "x"}}, "limits.a", "a number was expected, not str"),
        ({"name": "m", "limits": {"a": float("nan")}}, "limits.a", "a number was expected, not nan"),
        ({"name": "m", "colour": 1}, "colour", "not a field here; there are name, port, physical, transport"),
        ({"name": "m", "x" * 500: 1}, "x" * 64, "not a field here"),
        ({"name": "m\ud800"}, "name", "a text of 1 to 8 characters was expected"),
    ],
    ids=range(22),
)
def test_a_fault_is_told_by_field_and_by_what_was_expected(body: object, field: str, told: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _Whole.read(body)
    assert caught.value.field == field
    assert caught.value.detail.startswith(f"{field}: {told}")


def test_further_faults_are_told_with_the_first() -> None:
    with pytest.raises(BadPayload) as caught:
        _Whole.read({"port": 0, "colour": 1})
    assert [field for field, _ in caught.value.further] == ["port", "colour"]


def test_a_text_at_fault_is_not_repeated() -> None:
    with pytest.raises(BadPayload) as caught:
        _Whole.read({"name": "s3cret-pw", "transport": "s3cret-pw"})
    assert "s3cret" not in repr((caught.value, caught.value.further))


def test_what_was_given_is_known_from_what_was_left_out() -> None:
    found = _Whole.read({"name": "m", "physical": None, "id": {"any": "thing"}})
    assert found.given == {"name": "m", "physical": None, "id": {"any": "thing"}}


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ({"limit": "0"}, "limit", "a whole number from 1 to 1000 was expected, not 0"),
        ({"limit": "1e2"}, "limit", "a whole number from 1 to 1000 was expected"),
        ({"limit": "1_0"}, "limit", "a whole number from 1 to 1000 was expected"),
        ({"limit": " 1"}, "limit", "a whole number from 1 to 1000 was expected"),
        ({"limit": "\u0661"}, "limit", "a whole number from 1 to 1000 was expected"),
        ({"wait": "nan"}, "wait", "a number from 0 to 30 was expected"),
        ({"purge": "perhaps"}, "purge", "true or false was expected"),
        ({"since": "yesterday"}, "since", "an ISO 8601 time or milliseconds since 1970 were expected"),
        ({"since": "9" * 30}, "since", "an ISO 8601 time or milliseconds since 1970 were expected"),
        ({"colour": "red"}, "colour", "not a field here; there are limit, offset, wait, purge, since"),
    ],
)
def test_a_query_is_read_plainly_or_refused(query: dict[str, str], field: str, told: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _Asked.read(query)
    assert caught.value.detail == f"{field}: {told}"


def test_a_query_is_read_as_what_it_says() -> None:
    found = _Asked.read({"limit": "7", "wait": "2.5", "purge": "TRUE", "since": "1970-01-01T00:00:01Z"})
    assert (found.limit, found.offset, found.wait, found.purge, found.since) == (7, 0, 2.5, True, 1000)


def test_a_body_that_may_be_left_out_names_nothing_then() -> None:
    assert _Spare.read(None).wait_s == 1.0


def test_a_schema_says_neither_titles_of_fields_nor_the_none_of_what_was_left_out() -> None:
    schema = _Whole.model_json_schema()
    assert schema["properties"]["port"] == {"type": "integer", "minimum": 1, "maximum": 65535}
    assert schema["additionalProperties"] is False
    assert _Whole.model_json_schema() is schema


def test_two_forms_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match="both have a form"):
        type("Page", (Shape,), {"__module__": "elsewhere", "__annotations__": {}})
