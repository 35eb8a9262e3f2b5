"""The whole product on PostgreSQL: readings, a wish, an alarm, a backup, a new key; meanwhile the server restarts."""

import time
from pathlib import Path
from typing import cast

import pytest

from tests.support.databases import databases
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
AWAY_S = 3.0


def test_on_postgresql_nothing_is_lost_while_the_server_restarts(tmp_path: Path) -> None:
    with (
        databases() as servers,
        servers.empty() as url,
        System(tmp_path, meters=2, interval_s=1.0, settings={"store": {"url": url}}) as system,
    ):
        first, second = system.simulator.meters
        system.wait_for_readings(2)
        system.wait_for_state(first, "active", 10.0)
        assert not (system.state / "store.db").exists()
        before = system.settled_pids()
        servers.cluster.stop()
        count = len(system.readings(first))
        time.sleep(AWAY_S)
        assert len(system.readings(first)) > count, "reading and delivering need no store"
        servers.cluster.start()
        system.cli("pause", second)
        system.wait_for_state(second, "paused", 15.0)
        for program in ("publisher", *map(system.worker, (first, second))):
            assert system.pids()[program] == before[program], "nobody who reads or delivers was disturbed"
        _back_up_and_change_the_key(system, tmp_path)
        system.simulator.do("refuse_password", second, count=100)
        system.cli("resume", second)
        wait_until(lambda: any(alarm["category"] == "auth" for alarm in system.alarms()), 20.0, "the alarm")
        assert system.settle().is_clean
        assert system.stop() == 0


def _back_up_and_change_the_key(system: System, directory: Path) -> None:
    key = (system.state / "master.key").read_bytes()
    made = cast("dict[str, object]", system.cli_json("backup", str(directory / "made.tar"), "--with-key"))
    assert made["verified"] == "restored"
    assert cast("dict[str, int]", made["rows"])["meters"] == 2
    told = cast("dict[str, object]", system.cli_json("rotate-key"))
    assert told["secrets"] == 2
    assert (system.state / "master.key").read_bytes() != key
    system.cli("restore", str(directory / "made.tar"), code=2)
    system.cli("migrate", "--to", "0003", "--yes", code=2)
