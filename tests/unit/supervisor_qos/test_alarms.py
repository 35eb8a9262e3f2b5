"""Which alarms hold: of meters, publisher, system, and of a fleet that went stale together."""

from dataclasses import replace

import pytest

from common.heartbeat import PublisherBeat, WorkerBeat
from common.meter_state import MeterState
from common.process_state import Process, ProcessState
from common.store.model import Meter, MeterWish, Severity
from supervisor_qos.alarms import SEVERITIES, Alarm, all_that_hold, of_meter, of_publisher, of_system
from supervisor_qos.health import Health
from supervisor_qos.judged import Judged
from supervisor_qos.observer import Worker
from supervisor_qos.policy import History
from supervisor_qos.shares import Figures

UID = bytes(range(16))
FINE = Judged(
    meter=Meter(1, UID, 1, 0, 0, None, False, MeterWish("sim-1", "10.0.0.1")),
    worker=Worker(beat=WorkerBeat(state=MeterState.ACTIVE)),
    process=Process("meter-00", ProcessState.RUNNING, pid=7),
    history=History(),
    health=Health.FINE,
    stale_s=20.0,
)


def said(state: MeterState = MeterState.ACTIVE, detail: str = "", **conditions: str) -> Worker:
    return Worker(beat=WorkerBeat(state=state, detail=detail, conditions=conditions))


def keys(judged: Judged) -> dict[str, Severity]:
    return {alarm.category: alarm.severity for alarm in of_meter(judged)}


def test_a_meter_that_is_fine_has_no_alarm() -> None:
    assert keys(FINE) == {}


@pytest.mark.parametrize(
    ("health", "category"),
    [
        (Health.SILENT, "heartbeat"),
        (Health.STUCK, "heartbeat"),
        (Health.STALE, "connection"),
        (Health.UNTAKEN, "publish"),
        (Health.UNDELIVERED, "publish"),
    ],
)
def test_what_the_supervisor_finds_has_its_category(health: Health, category: str) -> None:
    assert set(keys(replace(FINE, health=health))) == {category}


@pytest.mark.parametrize(
    ("state", "category"), [(MeterState.UNREACHABLE, "connection"), (MeterState.AUTH_FAILED, "auth")]
)
def test_what_the_worker_says_of_its_meter_has_its_category(state: MeterState, category: str) -> None:
    (alarm,) = of_meter(replace(FINE, health=Health.HONEST, worker=said(state, "refused by 10.0.0.1")))
    assert (alarm.category, alarm.message) == (category, "sim-1: refused by 10.0.0.1")
    assert alarm.key == f"{category}:{UID.hex()}"


def test_each_condition_of_a_worker_is_an_alarm() -> None:
    worker = said(circuit_breaker="11 reconnects in an hour", plausibility="P > S")
    assert keys(replace(FINE, worker=worker)) == {
        "circuit_breaker": Severity.ERROR,
        "plausibility": Severity.WARNING,
    }


def test_a_category_nobody_knows_becomes_one_of_ours() -> None:
    assert set(keys(replace(FINE, worker=said(gossip="?")))) == {"process"}


@pytest.mark.parametrize("health", [Health.SILENT, Health.DOWN, Health.OFF])
def test_old_words_of_a_worker_that_says_nothing_any_more_raise_nothing(health: Health) -> None:
    worker = said(MeterState.UNREACHABLE, circuit_breaker="old")
    assert not {"connection", "circuit_breaker"} & set(keys(replace(FINE, health=health, worker=worker)))


def test_a_start_nobody_planned_is_a_warning_and_a_block_is_critical() -> None:
    assert keys(replace(FINE, history=History(starts=(1.0,)))) == {"process": Severity.WARNING}
    blocked = replace(FINE, health=Health.DOWN, history=History(starts=(1.0,) * 6, blocked=2.0), last_words="no disk")
    (alarm,) = of_meter(blocked)
    assert (alarm.category, alarm.severity) == ("process", Severity.CRITICAL)
    assert alarm.message.endswith("its last words: no disk")
    assert blocked.state is MeterState.BLOCKED


def test_a_worker_that_lives_for_a_minute_is_past_its_start() -> None:
    started = replace(FINE, history=History(starts=(1.0, 100.0)))
    assert list(of_meter(started, Figures(now_s=159.0)))
    assert not list(of_meter(started, Figures(now_s=160.0)))


@pytest.mark.parametrize(
    ("health", "delivered", "severity"),
    [
        (Health.FINE, 0.8, None),
        (Health.FINE, 0.79, Severity.WARNING),
        (Health.FINE, 0.49, Severity.CRITICAL),
        (Health.HONEST, 0.49, Severity.CRITICAL),
        (Health.UNDELIVERED, 0.95, Severity.WARNING),
        (Health.UNTAKEN, 0.1, Severity.CRITICAL),
        (Health.OFF, 0.0, None),
    ],
)
def test_publish_is_a_warning_below_eighty_per_cent_and_critical_below_fifty(
    health: Health, delivered: float, severity: Severity | None
) -> None:
    found = {
        alarm.category: alarm.severity for alarm in of_meter(replace(FINE, health=health), Figures(0.0, delivered))
    }
    assert found.get("publish") == severity


def test_reads_that_fail_too_often_come_before_a_slow_cycle() -> None:
    slow = replace(FINE, worker=said(performance="a cycle takes longer"))
    (alarm,) = of_meter(slow, Figures(reads="97.0 % of the last hour's reads succeeded"))
    assert (alarm.category, alarm.message) == ("performance", "sim-1: 97.0 % of the last hour's reads succeeded")


def test_the_publishers_own_fault_is_as_bad_as_what_it_keeps_back() -> None:
    beat = PublisherBeat(conditions={"publish": "refused", "disk": "full"})
    (publish, disk) = of_publisher(beat, silent=False, limit_s=12.0, delivered=0.4)
    assert (publish.severity, disk.severity) == (Severity.CRITICAL, Severity.CRITICAL)
    (publish, disk) = of_publisher(beat, silent=False, limit_s=12.0, delivered=0.9)
    assert publish.severity is Severity.WARNING


def test_a_worker_that_cannot_run_says_why() -> None:
    process = Process("meter-00", ProcessState.FATAL, error="Exited too quickly")
    (alarm,) = of_meter(replace(FINE, health=Health.DOWN, process=process, last_words="bad_file: host is missing"))
    assert alarm.message == "sim-1: worker FATAL: Exited too quickly; its last words: bad_file: host is missing"


def test_the_publishers_conditions_and_its_silence() -> None:
    beat = PublisherBeat(conditions={"no_puback": "default: 30 s"})
    assert [alarm.key for alarm in of_publisher(beat, silent=False, limit_s=12.0)] == ["no_puback:publisher"]
    (alarm,) = of_publisher(beat, silent=True, limit_s=12.0)
    assert (alarm.key, alarm.severity) == ("heartbeat:publisher", Severity.CRITICAL)


def test_troubles_of_the_system() -> None:
    (alarm,) = of_system({"api": ("process", "api FATAL")})
    assert (alarm.key, alarm.severity) == ("process:api", Severity.CRITICAL)


def test_a_fleet_that_went_stale_together_is_one_alarm_and_old_ones_stay() -> None:
    meters = [
        replace(FINE, health=Health.STALE, meter=replace(FINE.meter, uid=number.to_bytes(16))) for number in range(9)
    ]
    old = f"connection:{bytes(16).hex()}"
    found = all_that_hold(meters, [], {old}, together=True)
    assert set(found) == {old, "connection:fleet"}
    assert len(all_that_hold(meters, [], {old}, together=False)) == 9


def test_the_fleets_alarm_hides_nothing_else() -> None:
    silent = replace(FINE, health=Health.SILENT)
    other = Alarm("clock", "off", Severity.WARNING, component="system")
    found = all_that_hold([silent], [other], set(), together=True)
    assert set(found) == {f"heartbeat:{UID.hex()}", "clock:system", "connection:fleet"}


def test_every_category_of_the_contract_has_a_severity() -> None:
    words = (
        "connection hdlc watchdog circuit_breaker auth performance publish process heartbeat clock disk "
        "session_takeover no_puback outbox plausibility"
    )
    assert set(SEVERITIES) == set(words.split())
