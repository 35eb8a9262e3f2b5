"""The whole product and its long work: meters are found, asked what they have, and left alone when nobody wants it.

Facts of one run, because a system costs seconds: a scan finds what listens and never touches a meter of ours, also one
that is added while it runs; its rate is kept; it is cancelled; its process is killed; a discovery becomes a wish; a
backfill is cancelled.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Final, cast

import pytest

from admin_api.ordered import order_scan
from common.command import BACKFILL, SCAN
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import CommandRow, CommandState
from poller.simulator import Fleet, MeterSpec
from tests.support.listeners import Listeners, garbage, hangs_up, refuses, silent
from tests.support.mosquitto import free_port
from tests.support.system import PASSWORD, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PER_SECOND: Final = 20
NET: Final = "127.0.7"
HDLC, WRAPPER, WIDE, OURS, LATE = (f"{NET}.{number}" for number in (11, 12, 13, 20, 89))
SILENT, GARBAGE, ENDLESS, DM = (f"{NET}.{number}" for number in (14, 15, 16, 17))
CLOSED: Final = [f"{NET}.{number}" for number in range(40, 81)]
"""Addresses that hang up at once: when they are dialled tells the rate."""
RANGE: Final = f"{NET}.10-{NET}.90"
LONG: Final = f"{NET}.10-{NET}.250"
"""Takes longer than it takes to break it off."""
ANSWERS: Final = {
    HDLC: "aare",
    WRAPPER: "aare",
    WIDE: "aare",
    SILENT: "open_no_dlms",
    GARBAGE: "open_no_dlms",
    ENDLESS: "open_no_dlms",
    DM: "dm",
} | dict.fromkeys(CLOSED, "open_no_dlms")
Job = dict[str, object]


@contextmanager
def meters(port: int) -> Iterator[Fleet]:
    """Give simulated meters, each on an address of its own, all at one port."""
    kinds = {HDLC: "microstar", WRAPPER: "wrapper", WIDE: "generic-list", OURS: "microstar", LATE: "microstar"}
    with Fleet([MeterSpec(host, kind, host=host, port=port) for host, kind in kinds.items()]) as fleet:
        yield fleet


def add(store: Store, host: str, port: int) -> None:
    """Add a meter of the fleet to the product."""
    wish = store.meters.list()[0].wish
    store.meters.add(replace(wish, name=f"m{host.rpartition('.')[2]}", ip_address=host, port=port), "test")


def newest(store: Store, verb: str) -> CommandRow:
    """Return the newest job of a kind."""
    return store.commands.jobs(verb=verb, limit=1)[0][0]


def number(document: Job, key: str) -> int:
    """Return a number of a job's result."""
    return int(str(cast("Job", document["result"])[key]))


def ended_after_s(row: CommandRow) -> float:
    """Return how long after the wish a job ended."""
    return ((row.finished_ms or 0) - (row.cancelled_ms or 0)) / 1000


@pytest.mark.timeout(240)
def test_meters_are_found_asked_and_left_alone(tmp_path: Path) -> None:
    port = free_port()
    listening = {SILENT: silent, GARBAGE: garbage, ENDLESS: garbage, DM: refuses} | dict.fromkeys(CLOSED, hangs_up)
    settings = {"scan": {"allow": f"{NET}.0/24", "per_second": PER_SECOND, "ports": str(port)}}
    with (
        meters(port) as fleet,
        Listeners(listening, port, frozenset({ENDLESS})) as others,
        System(tmp_path, meters=1, settings=settings) as system,
        closing(open_from_settings(load(str(system.state), {}))) as store,
    ):
        add(store, OURS, port)
        wait_until(lambda: fleet.status(OURS)["gets"], 20, "our meter to be read")
        _found(system, store, fleet, others)
        _cancelled(system, store, others)
        killed, dialled = _killed(system, store, others)
        undisturbed = partial(system.audit, until_ms=time.time_ns() // 1_000_000)  # what is asked next is no reading
        wait_until(lambda: undisturbed().is_clean, 20, "all readings so far to be delivered")
        _discovered(system)
        _backfill_cancelled(system, store)
        _not_allowed(system)
        _failed_once(store, others, killed, dialled)
        assert fleet.status(OURS)["connections"] == 1


def _found(system: System, store: Store, fleet: Fleet, others: Listeners) -> None:
    """What listens is found; ours are not dialled, neither the one that is added meanwhile; nobody is dialled twice."""
    port = fleet.meters[LATE].port
    adding = Thread(target=lambda: _after_the_first(others, partial(add, store, LATE, port)))
    adding.start()
    done = cast("Job", system.cli_json("scan", RANGE))
    adding.join()
    result = cast("dict[str, list[Job]]", done["result"])
    found = {str(each["ip"]): each for each in result["found"]}
    assert {ip: each["answers"] for ip, each in found.items()} == ANSWERS
    assert (found[HDLC]["transport"], found[HDLC]["address_size"]) == ("hdlc", 1)
    assert (found[WRAPPER]["transport"], found[WRAPPER]["model"]) == ("wrapper", "generic-wrapper")
    assert (found[WIDE]["server_physical"], found[WIDE]["address_size"]) == (17, 4)
    assert found[HDLC]["logical_device_name"] == "SIM0000000000001"
    assert (found[HDLC]["serial_number"], found[HDLC]["manufacturer"]) == ("SIM00000001", "SIM")
    assert result["left_out"] == [{"ip": OURS, "port": port}, {"ip": LATE, "port": port}]
    wait_until(lambda: fleet.status(LATE)["gets"], 20, "the meter that was added to be read")
    for ours in (OURS, LATE):
        assert (fleet.status(ours)["connections"], fleet.status(ours)["second_clients"]) == (1, 0)
    assert fleet.status(HDLC)["connections"] == fleet.status(WIDE)["connections"] == 1
    assert all(len(others.times(address)) == 1 for address in (*CLOSED, SILENT, GARBAGE, ENDLESS, DM))
    _rate_was_kept(others)
    wait_until(lambda: "scanner" not in system.processes(), 10, "the scanner to be gone")
    shown = cast("Job", system.cli_json("jobs", "show", str(done["id"])))
    assert cast("Job", shown["progress"])["total"] == number(done, "targets")


def _after_the_first(others: Listeners, do: Callable[[], None]) -> None:
    wait_until(lambda: others.times(SILENT), 30, "the scan to be under way")
    do()


def _rate_was_kept(others: Listeners) -> None:
    times = sorted(at for _, at in others.dialled)
    for start in times:
        assert sum(start <= at < start + 1.0 for at in times) <= PER_SECOND + 1
    pauses = [b - a for a, b in pairwise(sorted(others.times(address)[0] for address in CLOSED))]
    assert sum(pauses) >= len(pauses) / PER_SECOND * 0.98
    print(f"dialled {len(pauses) / sum(pauses):.1f} a second, {PER_SECOND} allowed")


def _begun(system: System, store: Store, others: Listeners, seen: int) -> CommandRow:
    order_scan(store, load(str(system.state), {}).scan, [LONG], [], "test")
    wait_until(lambda: len(others.times(SILENT)) > seen, 20, "the next scan")
    return newest(store, SCAN)


def _cancelled(system: System, store: Store, others: Listeners) -> None:
    begun = _begun(system, store, others, 1)
    ended = cast("Job", system.cli_json("jobs", "cancel", begun.id))
    assert ended_after_s(store.commands.get(begun.id)) < 5.0
    assert (ended["state"], cast("Job", ended["error"])["kind"]) == ("cancelled", "cancelled")
    assert 0 < number(ended, "asked") < number(ended, "targets")


def _killed(system: System, store: Store, others: Listeners) -> tuple[CommandRow, int]:
    """Kill the scanner in the middle of a scan; return it, and how many were dialled before it began."""
    wait_until(lambda: "scanner" not in system.processes(), 10, "the scanner to be gone")
    before = len(others.dialled)
    begun = _begun(system, store, others, 2)
    system.kill("scanner", signal.SIGKILL)
    return begun, before


def _failed_once(store: Store, others: Listeners, killed: CommandRow, before: int) -> None:
    """A scanner that dies costs its scan, and nobody is dialled again."""
    wait_until(lambda: store.commands.get(killed.id).finished_ms, 20, "the scan to fail")
    row = store.commands.get(killed.id)
    assert (row.state, row.error_kind) == (CommandState.FAILED, "scanner_silent")
    again = [address for address, _ in others.dialled[before:]]
    assert len(again) == len(set(again))


def _discovered(system: System) -> None:
    """What a meter has becomes its wish, while it is read."""
    (name,) = system.simulator.meters
    told = system.cli("discover", name, "--apply").stdout
    assert "active_energy_export  1-1:2.8.0" in told
    status = cast("dict[str, list[Job]]", system.cli_json("status", name))
    names = [str(each["measurement_name"]) for each in status["measurements"]]
    assert {"voltage_l1", "active_energy_export"} <= set(names)
    assert len(names) == len(set(names))
    wait_until(lambda: "active_energy_export" in str(system.readings(name)[-1]["values"]), 10, "it to be read")


def _backfill_cancelled(system: System, store: Store) -> None:
    (name,) = system.simulator.meters
    system.simulator.do("slow", name, milliseconds=0.5, lasting=60.0, on="get")
    system.cli("backfill", name, "--from", "35d", "--no-wait")
    begun = newest(store, BACKFILL)
    wait_until(lambda: store.commands.get(begun.id).progress, 20, "the backfill to be under way")
    store.commands.cancel(begun.id, "test")
    wait_until(lambda: store.commands.get(begun.id).finished_ms, 10, "the backfill to end")
    row = store.commands.get(begun.id)
    assert ended_after_s(row) < 5.0
    assert (row.state, int(str(row.result["rows"])) > 0) == (CommandState.CANCELLED, True)
    assert begun.id in system.cli("jobs").stdout


def _not_allowed(system: System) -> None:
    refused = system.cli("scan", "127.0.8.1", code=2)
    assert "scan_not_allowed" in refused.stderr
    assert "[scan] allow" in refused.stderr
    assert PASSWORD not in system.logs()
