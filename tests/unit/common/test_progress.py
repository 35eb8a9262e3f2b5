"""Progress: a line that can be taken apart again."""

import pytest

from common.progress import MAX_TEXT, Progress, parse


@pytest.mark.parametrize(
    "progress", [Progress(), Progress(1, 3), Progress(12, 256, "addresses, 3 answer"), Progress(0, 5)]
)
def test_a_line_is_taken_apart_again(progress: Progress) -> None:
    assert parse(str(progress)) == progress


def test_a_line_of_another_form_is_words() -> None:
    assert parse("40 %, 12 rows") == Progress(text="40 %, 12 rows")
    assert parse("") == Progress()
    assert parse("40 %").fraction is None


def test_a_fraction_is_at_most_one() -> None:
    assert (Progress(1, 4).fraction, Progress(9, 4).fraction, Progress(9, 0).fraction) == (0.25, 1.0, None)


def test_a_line_is_short() -> None:
    assert len(str(Progress(10**9 - 1, 10**9 - 1, "x" * 5000))) <= MAX_TEXT + 20
