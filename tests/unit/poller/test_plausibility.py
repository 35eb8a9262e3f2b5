"""Facts about plausibility: it marks, and never changes."""

from common.reading import Quantity
from poller.plausibility import Plausibility


def item(key: str, raw: int, scaler: int = 0) -> Quantity:
    return Quantity(key, "1-1:1.8.0", raw, scaler, 30)


def test_power_within_apparent_power_is_plausible() -> None:
    assert Plausibility().check([item("active_power", -500), item("apparent_power", 500)]) == ()


def test_power_above_apparent_power_is_not() -> None:
    (problem,) = Plausibility().check([item("active_power", 560), item("apparent_power", 500)])
    assert "active_power" in problem


def test_scalers_count() -> None:
    assert Plausibility().check([item("active_power", 5, 2), item("apparent_power", 5100, -1)]) == ()
    assert Plausibility().check([item("active_power", 5, 3), item("apparent_power", 5000, -1)])


def test_reads_one_after_the_other_may_differ_a_little() -> None:
    assert Plausibility().check([item("active_power", 505), item("apparent_power", 500)]) == ()


def test_energy_that_falls_is_named_once_per_fall() -> None:
    rules = Plausibility()
    assert rules.check([item("active_energy", 100)]) == ()
    assert rules.check([item("active_energy", 100)]) == ()
    (problem,) = rules.check([item("active_energy", 99)])
    assert problem == "active_energy fell from 100 to 99"
    assert rules.check([item("active_energy", 100)]) == ()


def test_another_meter_starts_anew() -> None:
    rules = Plausibility()
    rules.check([item("active_energy", 100)], "123")
    assert rules.check([item("active_energy", 1)], "124") == ()
    assert rules.check([item("active_energy", 0)], "124")


def test_texts_and_missing_values_are_passed_over() -> None:
    assert Plausibility().check([Quantity("active_energy", "1-1:1.8.0", "none")]) == ()
    assert Plausibility().check([item("active_power", 500)]) == ()
