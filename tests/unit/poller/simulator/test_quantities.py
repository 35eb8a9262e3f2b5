from poller.simulator import quantities
from poller.simulator.quantities import Registers, first_energy

COUNTS = range(0, 20_000, 7)


def test_quantities_stay_in_the_ranges_seen_in_the_field() -> None:
    for count in COUNTS:
        assert all(12_480 <= quantities.voltage(count, phase) <= 13_780 for phase in range(3))
        assert all(1_230 <= quantities.current(count, phase) <= 1_350 for phase in range(3))
        assert 5_997 <= quantities.frequency(count) <= 6_001
        assert 4_000 <= quantities.active_power(count) <= 7_000


def test_active_power_never_exceeds_apparent_power_of_a_nearby_read() -> None:
    for count in COUNTS:
        apparent = min(quantities.apparent_power(count + later) for later in range(-12, 13))
        assert abs(quantities.active_power(count)) <= apparent


def test_the_power_triangle_closes() -> None:
    for count in COUNTS:
        square = quantities.active_power(count) ** 2 + quantities.reactive_power(count) ** 2
        assert abs(square**0.5 - quantities.apparent_power(count)) < 2


def test_energy_rises_by_one_with_each_read() -> None:
    registers = Registers(energy=first_energy(2))
    assert [registers.next_energy() for _ in range(3)] == [58_281_000, 58_281_001, 58_281_002]


def test_energies_of_a_fleet_fit_their_register() -> None:
    assert max(first_energy(index) for index in range(5000)) < 2**32 - 10**8
