"""An alarm's life with real processes: raised once, one episode while its condition flaps, cleared by itself; its row
outlives the supervisor's SIGKILL; the frames of what went wrong are in the store."""

import time
from pathlib import Path
from typing import Final, cast

import pytest

from common.store.engine import open_store
from common.vault import Vault
from supervisor_qos.episodes import PATIENCE
from supervisor_qos.loop import GRACE_MS
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CONNECTION: Final = PATIENCE["connection"]
RAISED_S: Final = CONNECTION.hold_s + 15.0  # the link is found lost, an attempt fails, the supervisor looks
CLEARED_S: Final = CONNECTION.gone_s + 20.0
SEEN_S: Final = GRACE_MS / 1000 + 6.0  # within its grace a new supervisor takes nothing for gone
AWAY_S: Final = 15.0
BACK_S: Final = 4.0
AWAY: Final = "sim-1"
QUICK: Final = ("--limit", "reply_timeout_s=0.5", "--limit", "backoff_max_s=2")


def of_meter(system: System) -> list[dict[str, object]]:
    """Return all connection alarms of the meter that goes away, the past ones too, newest first."""
    alarms = cast("list[dict[str, object]]", system.cli_json("alarms", "list", "--all"))
    return [alarm for alarm in alarms if alarm["category"] == "connection" and alarm["meter"] == AWAY]


def go_away(system: System, seconds: float) -> None:
    """Let the meter close its links and answer no more for so long."""
    system.simulator.do("reboot", AWAY, seconds=seconds, close=True)


@pytest.mark.timeout(300)
def test_a_flapping_meter_is_one_episode_that_outlives_the_supervisor_and_ends_by_itself(tmp_path: Path) -> None:
    with System(tmp_path, meters=2, interval_s=1.0, words=QUICK) as system:
        system.wait_for_readings(3)
        assert not system.alarms()

        go_away(system, AWAY_S)
        started = time.monotonic()
        (alarm,) = wait_until(lambda: of_meter(system), RAISED_S, "the alarm")
        print(f"raised after {time.monotonic() - started:.1f} s: {alarm['message']}")
        number = str(alarm["id"])
        system.cli("alarms", "ack", number)

        # Meanwhile nobody watches: the row is there, and the new supervisor goes on with it.
        old = system.kill("supervisor_qos")
        system.wait_replaced("supervisor_qos", old, 20.0)
        replaced = time.monotonic()
        (same,) = of_meter(system)
        assert (same["id"], same["cleared_at"]) == (alarm["id"], None)
        assert same["acknowledged_by"]

        # It comes back for a moment, which the new supervisor sees after its grace, and goes again: the same row.
        system.wait_for_readings(2, 40.0, [AWAY])
        time.sleep(max(BACK_S, replaced + SEEN_S - time.monotonic()))
        go_away(system, AWAY_S)
        system.wait_for_state(AWAY, "unreachable", 20.0)

        system.wait_for_readings(1, 60.0, [AWAY])
        back = time.monotonic()
        wait_until(lambda: of_meter(system)[0]["cleared_at"], CLEARED_S, "the end of the alarm")
        print(f"cleared {time.monotonic() - back:.1f} s after the first reading")
        (over,) = of_meter(system)
        assert over["id"] == alarm["id"]
        assert int(str(over["count"])) >= 2

        store = open_store(f"sqlite:///{system.paths.root}/store.db", Vault.load(system.paths.master_key))
        kinds = {row.kind: row for row in store.diagnostics.list(bytes.fromhex(str(over["meter_uid"])))}
        store.close()
        assert "link_lost" in kinds
        assert any(row.frames for row in kinds.values()), kinds
