"""One way to write a point in time."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.moment import BadMoment, moment_ms

NOW = 1_795_262_400_000  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-21T12:00:00Z", NOW),
        ("2026-11-21T12:00:00", NOW),
        ("2026-11-21 12:00", NOW),
        ("2026-11-21T13:00:00+01:00", NOW),
        ("2026-11-21T12:00:00.250Z", NOW + 250),
        ("2026-11-22", NOW + 43_200_000),
        ("20261122", NOW + 43_200_000),
        (str(NOW), NOW),
        ("now", NOW),
        ("90s", NOW - 90_000),
        ("15m", NOW - 900_000),
        (" 2h ", NOW - 7_200_000),
        ("7d", NOW - 604_800_000),
    ],
)
def test_what_a_person_writes(text: str, wanted: int) -> None:
    assert moment_ms(text, NOW) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "5",
        "5 m",
        "-5m",
        "1970-01-01",
        "9999-12-31T23:59:59-23:59",
        "99999999d",
        "0001-01-01",
        "١٢٣٤٥٦٧٨٩٠١",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadMoment):
        moment_ms(text, NOW)


@given(st.text(max_size=30))
def test_no_text_brings_it_down(text: str) -> None:
    with suppress(BadMoment):
        assert isinstance(moment_ms(text, NOW), int)
