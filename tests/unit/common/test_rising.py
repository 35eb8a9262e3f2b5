"""A count that rose lately."""

from common.rising import LATELY_S, Rising


def test_the_first_value_is_no_rise() -> None:
    assert not Rising().rose("lost", 5, 0.0)


def test_a_rise_is_told_of_for_a_minute_and_then_no_more() -> None:
    rising = Rising()
    rising.rose("lost", 5, 0.0)
    assert rising.rose("lost", 6, 1.0)
    assert rising.rose("lost", 6, LATELY_S)
    assert not rising.rose("lost", 6, 1.0 + LATELY_S)


def test_names_do_not_know_each_other() -> None:
    rising = Rising()
    rising.rose("one", 1, 0.0)
    assert not rising.rose("other", 2, 0.0)
    assert rising.rose("one", 2, 0.0)
