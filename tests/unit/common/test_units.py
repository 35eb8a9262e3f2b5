"""Units by the standard's table."""

import pytest

from common.units import unit_name


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        (1, "a"),
        (2, "mo"),
        (6, "min"),
        (7, "s"),
        (9, "°C"),
        (13, "m³"),
        (27, "W"),
        (28, "VA"),
        (29, "var"),
        (30, "Wh"),
        (31, "VAh"),
        (32, "varh"),
        (33, "A"),
        (35, "V"),
        (38, "Ω"),
        (44, "Hz"),
        (45, "1/(Wh)"),
        (56, "%"),
        (57, "Ah"),
        (72, "dB"),
        (0, None),
        (58, None),
        (254, None),
        (255, None),
    ],
)
def test_units(code: int, symbol: str | None) -> None:
    assert unit_name(code) == symbol


def test_only_codes_of_the_standard_have_names() -> None:
    named = {code for code in range(256) if unit_name(code)}
    assert named == {*range(1, 58), *range(60, 68), 70, 71, 72, *range(128, 175)}
