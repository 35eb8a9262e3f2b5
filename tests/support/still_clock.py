"""A clock that moves only when a test says so, and a boot that it can begin anew."""


class StepClock:
    """All three clocks of a machine. ``sleep`` moves them, so that code with patience comes to its end."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.booted_at = 0.0
        self.wall_step_s = 0.0

    def monotonic(self) -> float:
        return self.now

    def boottime_ms(self) -> int:
        return round((self.now - self.booted_at) * 1000)

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + round((self.now + self.wall_step_s) * 1000)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def reboot(self) -> None:
        """Let the boot time begin again at one second."""
        self.booted_at = self.now - 1.0
