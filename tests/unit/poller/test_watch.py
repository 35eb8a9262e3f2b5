"""The worker file under watch."""

import logging
from dataclasses import fields, replace
from pathlib import Path

import pytest

from common.json_record import BadFile
from common.secret import Secret
from common.worker_file import WorkerFile
from poller.dlms.errors import BadAddress
from poller.watch import CONNECTION, FIXED, IN_PASSING, LOOK_S, Watch, changed
from tests.support.simulated import StillClock
from tests.support.workers import worker_file


def watched(root: Path) -> tuple[Watch, WorkerFile, StillClock, Path]:
    file, clock, path = worker_file(root, 3333), StillClock(), root / "worker.json"
    file.dump(path)
    return Watch(path, clock), file, clock, path


def test_an_unchanged_file_is_no_news(tmp_path: Path) -> None:
    watch, file, clock, _ = watched(tmp_path)
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert watch.current == file


def test_a_change_is_seen_within_a_second_and_once(tmp_path: Path) -> None:
    watch, file, clock, path = watched(tmp_path)
    new = replace(file, interval_s=7.0, revision=2)
    new.dump(path)
    assert watch.look() is None
    clock.sleep(LOOK_S)
    assert watch.look() == new
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert changed(file, new) == {"interval_s", "revision"}


def test_the_same_content_written_again_is_no_news(tmp_path: Path) -> None:
    watch, _, clock, path = watched(tmp_path)
    path.write_bytes(path.read_bytes())
    clock.sleep(LOOK_S)
    assert watch.look() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"uid": "00"}'])
def test_a_bad_file_is_refused_and_told_once(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    watch, file, clock, path = watched(tmp_path)
    path.write_text(damage)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.sleep(LOOK_S)
            assert watch.look() is None
    assert watch.current == file
    assert watch.problem
    assert len(caplog.records) == 1


def test_a_file_that_is_gone_leaves_the_old_one_in_force_until_it_is_back(tmp_path: Path) -> None:
    watch, file, clock, path = watched(tmp_path)
    path.unlink()
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert "No such file" in watch.problem
    file.dump(path)
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert watch.problem == ""


def test_settings_that_the_protocol_cannot_carry_are_refused(tmp_path: Path) -> None:
    watch, file, clock, path = watched(tmp_path)
    replace(file, client_id=200).dump(path)
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert "client address" in watch.problem


def test_another_meter_is_refused(tmp_path: Path) -> None:
    watch, file, clock, path = watched(tmp_path)
    replace(file, uid=bytes(16), bus_dir="/elsewhere").dump(path)
    clock.sleep(LOOK_S)
    assert watch.look() is None
    assert watch.problem == "bus_dir, uid cannot change while the worker runs"


def test_a_worker_does_not_start_from_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    with pytest.raises(BadFile):
        Watch(path, StillClock())
    replace(worker_file(tmp_path, 3333), client_id=200).dump(path)
    with pytest.raises(BadAddress):
        Watch(path, StillClock())


def test_every_setting_makes_a_new_link_or_leaves_it_or_cannot_change() -> None:
    assert sorted(CONNECTION + FIXED + IN_PASSING) == sorted(item.name for item in fields(WorkerFile))


def test_problems_do_not_show_the_password(tmp_path: Path) -> None:
    watch, file, clock, path = watched(tmp_path)
    replace(file, password=Secret("topsecret"), client_id=200).dump(path)
    clock.sleep(LOOK_S)
    watch.look()
    assert "topsecret" not in watch.problem
