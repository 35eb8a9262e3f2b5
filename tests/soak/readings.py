"""What arrived over the soak: the time between two readings of a meter, and from the meter's answer to the broker.

In: the subscriber's record and the simulator's log. Out: milliseconds. Pure but for reading the log.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from tests.support.mosquitto import Received

ENERGY = "active_energy"


def intervals_ms(arrived: Iterable[Received], since: float) -> list[float]:
    """Return the times between two readings of one meter, by their own time stamps."""
    stamps: dict[str, list[int]] = defaultdict(list)
    for item in arrived:
        if item.at >= since:
            stamps[item.topic].append(json.loads(item.payload)["ts"])
    return [float(later - earlier) for times in map(sorted, stamps.values()) for earlier, later in pairwise(times)]


def latencies_ms(arrived: Iterable[Received], log: Path, since: float) -> list[float]:
    """Return, for each reading, milliseconds from the last answer of its cycle to its arrival at a subscriber.

    A cycle is found by its raw active energy, which no other cycle of that meter has; what the meter answers after it
    and before the next one belongs to it.
    """
    answered = _last_answers(log)
    found = []
    for item in arrived:
        if item.at < since:
            continue
        body = json.loads(item.payload)
        key = (body["meter"], round(body["values"].get(ENERGY, -1)))
        if key in answered:
            found.append((item.at - answered[key]) * 1000.0)
    return found


def _last_answers(log: Path) -> Mapping[tuple[str, int], float]:
    """Return when the meter answered last in each cycle, by meter and energy (the energy is read last of a cycle)."""
    answered = {}
    with log.open(encoding="utf-8") as stream:
        for text in stream:
            if ":1.8.0" not in text:
                continue
            line = json.loads(text)
            if line["event"] in {"get", "list"} and line["attr"] == 2 and line["answered"]:
                answered[line["meter"], line["raw"]] = line["mono"]
    return answered
