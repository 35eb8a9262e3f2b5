"""The short form of the fuzzing, and that the fuzzing itself sees what it is there to see."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from poller.dlms.errors import BadData
from poller.simulator.pushing import notification
from tests.fuzz.__main__ import again, report
from tests.fuzz.campaign import TARGETS, Plan, resumed, run
from tests.fuzz.scaling import NASTY, SMALLER, STEEPEST, steepness
from tests.fuzz.scenarios import ENERGY, SCENARIOS, SimulatedPeer, drive
from tests.fuzz.seeds import corpus
from tests.fuzz.sessions import encoded
from tests.fuzz.targets import Broken, Case, Target
from tests.fuzz.trial import FLOOR_OCTETS, batch, judged, outcome_of

SEED = 41
SHORT = Plan(30_000, SEED)
STEEP = ("frames 0: false starts", "pushes 0: bare", "apdus 0: many nulls", "values 0: compact-arrays of nothing")


@pytest.mark.parametrize(("name", "number", "size"), [task for task in SHORT.batches() if task[1] % 40 == 0])
def test_mutants_find_nothing(name: str, number: int, size: int) -> None:
    tally = batch(TARGETS[name], SEED, number, 40 * size)
    assert tally.violations == []
    assert tally.inputs == 40 * size


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", NASTY)
def test_costly_inputs_cost_in_step_with_their_size(name: str) -> None:
    nasty = NASTY[name]
    assert steepness(nasty) <= STEEPEST or steepness(nasty) <= STEEPEST, "the machine had two tries"
    assert judged(TARGETS[nasty.target], nasty.case(SMALLER)) == ""


@pytest.mark.parametrize("name", STEEP)
def test_some_costly_inputs_cost_in_step_with_their_size(name: str) -> None:
    nasty = NASTY[name]
    assert steepness(nasty) <= STEEPEST
    assert judged(TARGETS[nasty.target], nasty.case(SMALLER)) == ""


@pytest.mark.parametrize("number", range(0, len(corpus().sessions), 20))
def test_what_was_recorded_is_a_good_input(number: int) -> None:
    session = corpus().sessions[number]
    case = Case(encoded(number, [came for _, came in session.passed]))
    outcome, wrong = outcome_of(TARGETS["sessions"], case)
    assert not wrong
    assert outcome == ("object_undefined" if session.operation == "get-unknown" else "ok")


def test_a_push_is_protected_before_the_answer_that_it_goes_with() -> None:
    scenario = SCENARIOS["gmac-hdlc"]
    conversation, peer = scenario.conversation(), SimulatedPeer(scenario.kind)
    drive(conversation.open(), peer)
    peer.device.pushes.append(notification(peer.device))
    drive(conversation.get(ENERGY), peer)
    assert len(conversation.take_notifications()) == 1
    assert conversation.counters.replayed == 0


# The fuzzing sees defects.


def planted(**changes: object) -> Target:
    return replace(TARGETS["values"], name="planted", **changes)  # type: ignore[arg-type]


def found_in(target: Target) -> str:
    violations = batch(target, SEED, 0, 400).violations
    return str(violations[0]["what"]) if violations else ""


def test_an_error_that_is_not_typed_is_found() -> None:
    def broken(case: Case) -> None:
        if 0x7F in case.octets:
            raise IndexError("list index out of range")

    assert found_in(planted(run=broken)) == "IndexError: list index out of range"


def test_an_error_of_another_family_is_found() -> None:
    assert found_in(planted(typed=())).startswith("BadData: ")


def test_a_broken_promise_is_found() -> None:
    def forgetful(case: Case) -> None:
        if len(case.octets) > 30:
            raise Broken("something is lost")

    assert found_in(planted(run=forgetful)) == "Broken: something is lost"


def test_an_input_that_takes_too_long_is_found() -> None:
    def slow(case: Case) -> None:
        if case.octets[:1] == b"\x13":
            until = time.thread_time() + 0.03
            while time.thread_time() < until:
                pass

    assert "the limit is" in found_in(planted(run=slow, us_per_octet=1.0))


def test_an_input_that_takes_too_much_memory_is_found() -> None:
    def greedy(case: Case) -> None:
        bytearray(FLOOR_OCTETS * 8)

    assert judged(planted(run=greedy), Case(b"\0")).startswith("takes 8")


def test_work_that_grows_faster_than_its_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def quadratic(case: Case) -> None:
        for at in range(0, len(case.octets), 2):
            case.octets[at:].count(0x55)

    monkeypatch.setitem(TARGETS, "values", planted(run=quadratic))
    assert steepness(NASTY["values 0: one string"]) > STEEPEST


# Plans and results.


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, second, other = (batch(TARGETS["apdus"], seed, 3, 500) for seed in (SEED, SEED, SEED + 1))
    assert first.outcomes == second.outcomes
    assert first.octets == second.octets != other.octets


def test_a_plan_has_as_many_inputs_as_it_says() -> None:
    for inputs in (1_000, 200_000, 10_000_000):
        sizes = [size for _, _, size in Plan(inputs, SEED).batches()]
        assert sum(sizes) == pytest.approx(inputs, abs=len(TARGETS))


def test_a_run_that_was_stopped_goes_on_where_it_ended(tmp_path: Path) -> None:
    plan, file = Plan(400, SEED, ("apdus", "values")), tmp_path / "result.json"
    part = run(plan, file, 1, 0.0)
    assert not part.finished
    whole, at_once = run(plan, file, 1, None), run(plan, None, 1, None)
    assert whole.finished
    assert whole.inputs == at_once.inputs == 400
    assert {name: tally.outcomes for name, tally in whole.tallies.items()} == {
        name: tally.outcomes for name, tally in at_once.tallies.items()
    }
    assert "400 inputs" in report(resumed(file, plan))
    with pytest.raises(SystemExit, match="another run"):
        resumed(file, Plan(401, SEED))


def test_what_was_found_is_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = {"target": "apdus", "octets": "0f0000000100130202120182ffff0504000300080001020300040506", "choice": 1}
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"tallies": {"apdus": {"violations": [bomb]}}}))
    assert again(file) == 0
    assert capsys.readouterr().out == "apdus: repaired\n"


def test_bad_data_is_what_values_may_raise() -> None:
    assert TARGETS["values"].typed == (BadData,)
