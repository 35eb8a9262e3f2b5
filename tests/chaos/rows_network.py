"""N: what lies between a worker and its meter goes wrong; a share of the meters is hit, the others may not notice."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from tests.chaos.figures import rss_mib
from tests.chaos.plant import Plant
from tests.chaos.row import ANY, PROXIED, Listed, Moment, Rounds, Row, Touched, touched

REPLY_S: Final = 5.0
"""A reply's deadline; two in a row end a cycle as link lost."""
RELINK_S: Final = 2 * REPLY_S + 1.0
BACKOFF_S: Final = 16.0
"""The most that a worker waits between two tries to connect after a fault of at most half a minute."""
MOST_GROWTH_MIB: Final = 4.0
SHARE: Final = 10
"""One meter in so many is hit."""
TOLD: Final = frozenset({"connection", "hdlc", "performance", "watchdog"})
TRIES_PER_S: Final = 0.6
"""Connects per second and meter: 1, 3, 7, 15 s after a loss, with jitter; more would be a storm."""
TABLE: Final = "dlms_chaos"
LOSS_PERCENT: Final = 20


class Network(Row):
    """What the rows have in common: some meters, hit for some time."""

    stage = PROXIED
    may_raise = TOLD
    short_s = 5.0
    long_s = 25.0

    def bound_s(self, plant: Plant) -> float:
        return RELINK_S + BACKOFF_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float | None:
        return self.short_s if plant.short else self.long_s

    def touch(self, plant: Plant) -> Touched:
        meters = plant.chance.sample(plant.meters, max(1, len(plant.meters) // SHARE))
        return touched(meters, kills=ANY, note=", ".join(meters[:3]))

    def clear(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.meter_link(meter).mend()


class HalfOpen(Network):
    """N1: the product has to notice, and the meter is there again at once."""

    id = "N1"
    fault = "meters vanish without FIN (half-open)"
    rounds = Rounds(1, 3)

    def holds_s(self, plant: Plant) -> float | None:
        return None

    def inject(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.meter_link(meter).vanish()


class Slow(Network):
    """N2: a whole frame has a deadline, not an octet."""

    id = "N2"
    fault = "meters answer one octet per second"
    rounds = Rounds(0, 2)

    def inject(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.meter_link(meter).bend(down={"slice": 1, "pause": 1.0})

    def clear(self, plant: Plant, hit: Touched) -> None:
        """What waits in the proxy would come for minutes: the line is new after it."""
        for meter in hit.unread:
            plant.meter_link(meter).mend()
            plant.meter_link(meter).reset()


class Garbage(Network):
    """N3: every fiftieth octet is another, both ways: checksums, numbers, lengths."""

    id = "N3"
    fault = "one octet in fifty is wrong, both ways"
    rounds = Rounds(1, 3)

    def inject(self, plant: Plant, hit: Touched) -> None:
        self._memory = {meter: _memory(plant, meter) for meter in hit.unread}
        for meter in hit.unread:
            plant.meter_link(meter).both(corrupt=0.02)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        grown = {
            meter: rss_mib(plant.system.pid_of(plant.system.worker(meter))) - self._memory[meter]
            for meter in hit.unread
        }
        return [f"the worker of {meter} grew by {by:.1f} MiB" for meter, by in grown.items() if by > MOST_GROWTH_MIB]


class Resets(Network):
    """N4: in the middle of a frame, at connect, and nobody listening; in turn."""

    id = "N4"
    fault = "RST mid-frame, RST at connect, refused"
    rounds = Rounds(1, 3)

    def __init__(self) -> None:
        self._connected: dict[str, int] = {}

    def inject(self, plant: Plant, hit: Touched) -> None:
        turns = ("open", "reset", "refused")
        self._connected = {}
        for number, meter in enumerate(sorted(hit.unread)):
            link = plant.meter_link(meter)
            self._connected[meter] = link.status()["connected"]
            link.bend(down={"reset_after": 100})
            link.gate(turns[(number + plant.chance.randrange(3)) % 3])
            link.reset()

    def during(self, plant: Plant, hit: Touched) -> None:
        """No storm: the delays between tries are kept."""
        seconds = self.holds_s(plant) or 0.0
        for meter, before in self._connected.items():
            tries = plant.meter_link(meter).status()["connected"] - before
            assert tries <= 2 + TRIES_PER_S * seconds, f"{meter}: {tries} connects in {seconds:.0f} s"


class Loss(Network):
    """N5: real packets are lost, by a rule of nftables on loopback."""

    id = "N5"
    fault = f"{LOSS_PERCENT} % of all packets from and to meters are lost"
    rounds = Rounds(0, 2)
    needs_root = True

    def why_not(self) -> str:
        if shutil.which("nft") is None:
            return "nft is not installed"
        tried = subprocess.run(["nft", "add", "table", "inet", TABLE], capture_output=True, check=False, timeout=10)
        _no_table()
        return "" if tried.returncode == 0 else "the kernel lets nobody add rules of nftables"

    def inject(self, plant: Plant, hit: Touched) -> None:
        ports = ", ".join(str(plant.system.simulator.port(meter)) for meter in hit.unread)
        lost = f"numgen random mod 100 < {LOSS_PERCENT} drop"
        rules = f"""
            table inet {TABLE} {{
                chain incoming {{
                    type filter hook input priority 0;
                    tcp dport {{ {ports} }} {lost}
                    tcp sport {{ {ports} }} {lost}
                }}
            }}"""
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True, check=True, timeout=10)

    def clear(self, plant: Plant, hit: Touched) -> None:
        _no_table()


class Narrow(Network):
    """N5B: 10 kbit/s and 100 to 300 ms each way: slower, and no storm."""

    id = "N5B"
    fault = "lines of 10 kbit/s with 100 to 300 ms each way"
    rounds = Rounds(0, 2)

    def inject(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.meter_link(meter).both(latency=0.1, jitter=0.2, rate=1250.0)

    def bound_s(self, plant: Plant) -> float:
        return REPLY_S + plant.interval_s


class Lingering(Network):
    """N6: after an unclean end the meter refuses everybody until its own timer has run out."""

    id = "N6"
    fault = "meters hold on to a lost association"
    rounds = Rounds(0, 2)

    def _lingers_s(self, plant: Plant) -> float:
        return 5.0 if plant.short else 30.0

    def bound_s(self, plant: Plant) -> float:
        return self._lingers_s(plant) + RELINK_S + BACKOFF_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float | None:
        return None

    def inject(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.system.simulator.do("linger", meter, seconds=self._lingers_s(plant), how="dm", after="unclean")
            plant.meter_link(meter).reset()

    def clear(self, plant: Plant, hit: Touched) -> None:
        for meter in hit.unread:
            plant.system.simulator.do("clear", meter)


class Partition(Network):
    """N7: it needs workers on another machine; the bus is a socket of this one."""

    id = "N7"
    fault = "workers and publisher cannot reach each other"
    rounds = Rounds(0, 1)

    def why_not(self) -> str:
        return "the bus is ipc:// on one machine, nothing can part it; H2 is a publisher that takes nothing"

    def inject(self, plant: Plant, hit: Touched) -> None:
        raise NotImplementedError


def _memory(plant: Plant, meter: str) -> float:
    return rss_mib(plant.system.pid_of(plant.system.worker(meter)))


def _no_table() -> None:
    subprocess.run(["nft", "delete", "table", "inet", TABLE], capture_output=True, check=False, timeout=10)


ROWS: Final[tuple[Listed, ...]] = (
    HalfOpen(),
    Slow(),
    Garbage(),
    Resets(),
    Loss(),
    Narrow(),
    Lingering(),
    Partition(),
)
