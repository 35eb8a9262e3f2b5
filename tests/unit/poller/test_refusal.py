"""Facts about the record of a refused password."""

from pathlib import Path

from poller.refusal import FILE_NAME, RefusalRecord
from tests.support.simulated import StillClock

BOOT, OTHER_BOOT = b"b" * 16, b"c" * 16


def test_a_refusal_outlives_the_process(tmp_path: Path) -> None:
    clock = StillClock()
    RefusalRecord(tmp_path, clock, BOOT).note(b"secret", 2)
    clock.sleep(100)
    later = RefusalRecord(tmp_path, clock, BOOT)
    assert later.count(b"secret") == 2
    assert later.age_s() == 100.0


def test_other_credentials_are_not_refused(tmp_path: Path) -> None:
    record = RefusalRecord(tmp_path, StillClock(), BOOT)
    record.note(b"secret", 2)
    assert record.count(b"another") == 0


def test_the_record_does_not_hold_the_password_and_is_private(tmp_path: Path) -> None:
    RefusalRecord(tmp_path, StillClock(), BOOT).note(b"22222222", 1)
    path = tmp_path / FILE_NAME
    assert b"22222222" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_after_another_boot_wall_time_counts_and_never_runs_backwards(tmp_path: Path) -> None:
    clock = StillClock()
    RefusalRecord(tmp_path, clock, BOOT).note(b"secret", 2)
    later = StillClock(now=5.0, wall=clock.wall + 60_000)
    assert RefusalRecord(tmp_path, later, OTHER_BOOT).age_s() == 60.0
    earlier = StillClock(now=5.0, wall=clock.wall - 60_000)
    assert RefusalRecord(tmp_path, earlier, OTHER_BOOT).age_s() == 0.0


def test_a_step_of_the_wall_clock_changes_nothing_within_a_boot(tmp_path: Path) -> None:
    clock = StillClock()
    record = RefusalRecord(tmp_path, clock, BOOT)
    record.note(b"secret", 2)
    clock.wall += 10**10
    assert record.age_s() == 0.0


def test_success_forgets(tmp_path: Path) -> None:
    record = RefusalRecord(tmp_path, StillClock(), BOOT)
    record.note(b"secret", 2)
    record.clear()
    record.clear()
    assert record.count(b"secret") == 0
    assert record.age_s() == 0.0


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert RefusalRecord(tmp_path, StillClock(), BOOT).count(b"secret") == 0


def test_a_disk_that_takes_nothing_is_no_reason_to_stop(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    record = RefusalRecord(place, StillClock(), BOOT)
    record.note(b"secret", 1)
    record.clear()
