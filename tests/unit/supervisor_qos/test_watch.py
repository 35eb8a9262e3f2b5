"""Facts brought together: whose words count, what grace covers, which cases reach the policy."""

from dataclasses import replace

from common.envelope import Envelope, Kind, encode
from common.heartbeat import PublisherBeat, WorkerBeat
from common.meter_state import DesiredState, MeterState
from common.process_state import Process, ProcessState
from common.settings import SupervisionSettings
from common.store.model import Meter, MeterWish
from supervisor_qos.health import Health
from supervisor_qos.ledger import Ledger
from supervisor_qos.observer import Observer
from supervisor_qos.policy import Act, Budget, Decision
from supervisor_qos.watch import PUBLISHER, Moment, Watch
from supervisor_qos.wishes import program_name

UID = bytes(range(16))
NAME = program_name(UID)
METER = Meter(1, UID, 1, 0, 0, None, False, MeterWish("sim-1", "10.0.0.1"))
RUNNING = Process(NAME, ProcessState.RUNNING, pid=7, started_s=5)


class Scene:
    """One meter, one worker, one publisher, and a time that is told."""

    def __init__(self) -> None:
        self.table = {NAME: RUNNING, PUBLISHER: Process(PUBLISHER, ProcessState.RUNNING, pid=8, started_s=5)}
        self.meter = METER
        self.planned: set[str] = set()
        self.watch = Watch(Observer(), Ledger(Budget()), SupervisionSettings())
        self.watch.ledger.look(self.table, 1.0)

    def say(self, now_ms: int, *, pid: int = 7, state: MeterState = MeterState.ACTIVE, **values: object) -> None:
        body = WorkerBeat(pid=pid, state=state).to_body() | values
        self.watch.observer.take(encode(Envelope(Kind.HEARTBEAT, UID, body=body)), now_ms)

    def publisher_says(self, now_ms: int, pid: int = 8) -> None:
        body = PublisherBeat(pid=pid).to_body()
        self.watch.observer.take(encode(Envelope(Kind.PUBLISHER_HEARTBEAT, body=body)), now_ms)

    def at(self, now_ms: int, *, grace: bool = False) -> tuple[Health, MeterState, list[Decision]]:
        moment = Moment(now_ms, grace, self.table, self.planned)
        (judged,) = self.watch.judge({UID: self.meter}, moment)
        return judged.health, judged.state, self.watch.decide([judged], moment)


def test_a_worker_that_reads_is_fine() -> None:
    scene = Scene()
    scene.say(10_000, last_read_boot_ms=9_900)
    scene.publisher_says(10_000)
    assert scene.at(10_500) == (Health.FINE, MeterState.ACTIVE, [])


def test_a_worker_is_silent_twelve_seconds_after_its_last_word_and_thrice_as_long_before_its_first() -> None:
    scene = Scene()
    scene.publisher_says(60_000)
    assert scene.at(36_900)[0] is not Health.SILENT
    assert scene.at(37_100)[0] is Health.SILENT
    scene = Scene()
    scene.publisher_says(25_000)
    scene.say(13_200)
    assert scene.at(25_100)[0] is not Health.SILENT
    assert scene.at(25_300)[2] == [Decision(NAME, Act.DUMP, "silent")]


def test_words_of_an_earlier_process_are_not_the_present_ones() -> None:
    scene = Scene()
    scene.say(2_000, pid=6, state=MeterState.UNREACHABLE)
    assert scene.at(3_000)[0] is Health.STARTING


def test_in_grace_nobody_is_silent_or_stale() -> None:
    scene = Scene()
    scene.say(2_000)
    health, _, decisions = scene.at(100_000, grace=True)
    assert (health, decisions) == (Health.FINE, [])
    assert scene.at(100_000)[0] is Health.SILENT


def test_an_open_breaker_is_an_honest_word() -> None:
    scene = Scene()
    scene.say(50_000, facts={"breaker": "open"})
    assert scene.at(51_000)[0] is Health.HONEST


def test_a_program_that_supervisord_has_not_been_told_of_is_starting() -> None:
    scene = Scene()
    scene.table.pop(NAME)
    assert scene.at(60_000)[:2] == (Health.STARTING, MeterState.STARTING)


def test_a_restart_that_a_person_asked_for_is_not_a_fault() -> None:
    scene = Scene()
    scene.table[NAME] = replace(RUNNING, state=ProcessState.STOPPED, pid=0)
    scene.publisher_says(5_000)
    assert scene.at(5_000)[1] is MeterState.ERROR
    scene.planned = {NAME}
    health, state, decisions = scene.at(5_000)
    assert (health, state) == (Health.STARTING, MeterState.STARTING)
    assert decisions == [Decision(NAME, Act.START, "asked for")]


def test_a_stopped_meter_is_nobodys_case() -> None:
    scene = Scene()
    scene.meter = replace(METER, wish=replace(METER.wish, desired_state=DesiredState.STOPPED))
    scene.publisher_says(60_000)
    assert scene.at(60_000) == (Health.OFF, MeterState.INACTIVE, [])


def test_a_silent_publisher_is_replaced_and_workers_are_not() -> None:
    scene = Scene()
    scene.say(59_000, last_read_boot_ms=59_000)
    scene.publisher_says(40_000)
    assert scene.at(60_000)[2] == [Decision(PUBLISHER, Act.DUMP, "silent")]
    assert scene.watch.publisher_silent
    scene.publisher_says(60_000)
    assert scene.at(60_500)[2] == []
    assert not scene.watch.publisher_silent


def test_we_do_not_judge_ourselves_and_other_programs_only_by_their_end() -> None:
    scene = Scene()
    scene.say(9_000, last_read_boot_ms=9_000)
    scene.publisher_says(9_000)
    fatal = ProcessState.FATAL
    scene.table |= {name: Process(name, fatal) for name in ("supervisor_qos", "api")}
    scene.watch.ledger.look(scene.table, 9.0)
    assert scene.at(9_500)[2] == [Decision("api", Act.START, "FATAL for 0 s")]


def test_a_fleet_goes_stale_together() -> None:
    scene = Scene()
    meters = {number.to_bytes(16): replace(METER, uid=number.to_bytes(16)) for number in range(6)}
    scene.table = {program_name(uid): replace(RUNNING, name=program_name(uid)) for uid in meters}
    scene.watch.ledger.look(scene.table, 1.0)
    for uid in meters:
        body = WorkerBeat(pid=7, state=MeterState.ACTIVE, last_read_boot_ms=1_000).to_body()
        scene.watch.observer.take(encode(Envelope(Kind.HEARTBEAT, uid, body=body)), 30_000)
    judged = scene.watch.judge(meters, Moment(31_000, False, scene.table))
    assert {item.health for item in judged} == {Health.STALE}
    assert scene.watch.together
    scene.watch.judge(meters, Moment(31_000, True, scene.table))
    assert not scene.watch.together
