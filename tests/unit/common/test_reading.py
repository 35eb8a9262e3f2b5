"""A reading keeps the meter's integer to the last; a float is made only for the payload."""

from decimal import Decimal

import pytest

from common.reading import MAX_QUANTITIES, BadReading, Failure, Quality, Quantity, Reading, Source

QUANTITY = Quantity("active_energy", "1-0:1.8.0*255", 4991, -3, 30)
READING = Reading((QUANTITY,), (Failure("frequency", "object_undefined"),), (Quality.PARTIAL,), Source.LIVE, 120)


def test_a_reading_comes_out_as_it_went_in() -> None:
    assert Reading.from_body(READING.to_body()) == READING


@pytest.mark.parametrize(
    ("raw", "scaler", "exact", "payload"),
    [
        (4991, -3, Decimal("4.991"), 4.991),
        (5, 2, Decimal("5E+2"), 500.0),
        (7, None, Decimal(7), 7.0),
        (-1, -1, Decimal("-0.1"), -0.1),
        (2**64, 0, Decimal(2**64), float(2**64)),
        (True, None, True, True),
        ("0042", None, "0042", "0042"),
    ],
)
def test_a_value_is_exact_and_its_payload_has_one_type(raw: int, scaler: int, exact: object, payload: object) -> None:
    quantity = Quantity("k", "1-0:1.8.0*255", raw, scaler)
    assert quantity.exact() == exact
    assert quantity.payload() == payload
    assert type(quantity.payload()) is type(payload)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "body: a list of 5"),
        ([[], [], [], "live"], "body: a list of 5"),
        ([None, [], [], "live", 0], "quantities: a list"),
        ([[["k", "o", 1, 0]], [], [], "live", 0], "quantity: a list of 5"),
        ([[["k", "o", None, 0, 0]], [], [], "live", 0], "raw value of 'k'"),
        ([[["k", "o", [], 0, 0]], [], [], "live", 0], "raw value of 'k'"),
        ([[[1, "o", 1, 0, 0]], [], [], "live", 0], "key: a text"),
        ([[["k", "o", "x" * 2000, 0, 0]], [], [], "live", 0], "raw: a text"),
        ([[["k", "o", 1, 128, 0]], [], [], "live", 0], "scaler: a whole number"),
        ([[["k", "o", 1, 0, 256]], [], [], "live", 0], "unit: a whole number"),
        ([[], [["k"]], [], "live", 0], "failure: a list of 2"),
        ([[], [[1, 2]], [], "live", 0], "failure: a text"),
        ([[], [], ["good"], "live", 0], "'good' is not one of"),
        ([[], [], [1], "live", 0], "quality: 1 is not one of"),
        ([[], [], [], "dream", 0], "source: 'dream'"),
        ([[], [], [], "live", -1], "duration_ms"),
        ([[["k", "o", 1, 0, 0]] * (MAX_QUANTITIES + 1), [], [], "live", 0], "at most 256"),
    ],
)
def test_what_is_no_reading_is_refused_by_name(body: object, words: str) -> None:
    with pytest.raises(BadReading, match=words):
        Reading.from_body(body)
