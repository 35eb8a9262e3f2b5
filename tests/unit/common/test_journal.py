"""The journal on real files: numbers, damage, bounds, acknowledgement, the lock."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from common.envelope import Envelope, Kind, encode
from common.heartbeat import MAX_EPOCHS
from common.journal import Gone, Journal, JournalLimits, LockHeld, Record
from common.journal_files import MAX_BAD, is_free
from common.journal_segment import HEADER_SIZE, RECORD_OVERHEAD
from tests.support.still_clock import StepClock

UID = bytes(range(16))
BOOT = b"boot-one"
SMALL = JournalLimits(max_age_s=60.0, max_octets=20_000)


def opened(
    path: Path, clock: StepClock | None = None, boot: bytes = BOOT, limits: JournalLimits | None = None
) -> Journal:
    return Journal.open(path / UID.hex(), UID, clock or StepClock(), boot, limits, patience_s=0.0)


def content(number: int, clock: StepClock | None = None, size: int = 0) -> Callable[[bytes, int], bytes]:
    boot_ms = (clock or StepClock()).boottime_ms()
    body = [number, "x" * size]
    return lambda epoch, seq: encode(Envelope(Kind.READING, UID, epoch, seq, 1, boot_ms, BOOT, body))


def fill(journal: Journal, count: int, size: int = 0, clock: StepClock | None = None) -> list[bytes]:
    octets = []
    for number in range(count):
        appended = journal.append(content(number, clock, size))
        assert appended is not None
        octets.append(appended.octets)
    return octets


def held(journal: Journal) -> list[bytes]:
    """Return the octets of all sound records, in order."""
    found = []
    for span in journal.spans():
        found += [item.octets for item in journal.read(span.epoch, 1, 10_000, 1 << 30) if isinstance(item, Record)]
    return found


def files(path: Path, suffix: str = ".seg") -> list[Path]:
    return sorted((path / UID.hex()).glob(f"*{suffix}"))


def test_numbers_begin_at_one_and_have_no_holes(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    octets = fill(journal, 5)
    assert [item.seq for item in journal.read(journal.epoch, 1) if isinstance(item, Record)] == [1, 2, 3, 4, 5]
    assert held(journal) == octets


def test_an_epoch_is_continued_after_a_death_within_one_boot(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    octets, epoch = fill(journal, 3), journal.epoch
    journal._lock.release()  # what the kernel does at SIGKILL
    again = opened(tmp_path)
    assert again.epoch == epoch
    appended = again.append(content(9))
    assert appended is not None
    assert appended.seq == 4
    assert held(again) == [*octets, appended.octets]


@pytest.mark.parametrize("boot", [b"boot-two", bytes(8)])
def test_another_boot_or_none_begins_a_new_epoch_and_keeps_the_records(tmp_path: Path, boot: bytes) -> None:
    journal = opened(tmp_path)
    octets, epoch = fill(journal, 3), journal.epoch
    journal.close()
    again = opened(tmp_path, boot=boot)
    assert again.epoch != epoch
    assert [(span.epoch, span.first_unacknowledged, span.last) for span in again.spans()] == [
        (epoch, 1, 3),
        (again.epoch, 1, 0),
    ]
    assert held(again) == octets


def test_a_journal_that_nobody_wrote_to_keeps_its_epoch(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    epoch = journal.epoch
    journal.close()
    again = opened(tmp_path)
    assert again.epoch == epoch
    assert len(again.spans()) == 1


def test_a_second_opener_is_told_and_waits_for_its_patience(tmp_path: Path) -> None:
    journal, clock = opened(tmp_path), StepClock()
    with pytest.raises(LockHeld, match=UID.hex()):
        Journal.open(tmp_path / UID.hex(), UID, clock, BOOT, patience_s=2.0)
    assert clock.now >= 1002.0
    assert not is_free(tmp_path / UID.hex())
    journal.close()
    assert is_free(tmp_path / UID.hex())
    assert not is_free(tmp_path / "nothing")


def damaged_copy(original: Path, copy: Path, octets: bytes) -> Path:
    """Make a journal like another but for the octets of its last segment."""
    shutil.copytree(original / UID.hex(), copy / UID.hex())
    files(copy)[-1].write_bytes(octets)
    return copy


def check_damaged(path: Path, octets: list[bytes], lost: set[int]) -> None:
    """A damaged journal opens, keeps what is sound, says what is gone, and gives no number twice."""
    journal = opened(path)
    assert held(journal) == [item for place, item in enumerate(octets, 1) if place not in lost]
    first = journal.spans()[0]
    gone: set[int] = set()
    for item in journal.read(first.epoch, 1):
        gone |= set(range(item.first, item.last + 1)) if isinstance(item, Gone) else set()
        assert not isinstance(item, Gone) or item.reason == "damaged"
    assert gone == lost
    appended = journal.append(content(99))
    assert appended is not None
    assert appended.seq == 1
    assert journal.epoch != first.epoch
    journal.close()


def test_a_tail_cut_anywhere_costs_the_last_record_only(tmp_path: Path) -> None:
    journal = opened(tmp_path / "good")
    octets = fill(journal, 3)
    journal.close()
    whole = files(tmp_path / "good")[0].read_bytes()
    begin = len(whole) - len(octets[-1]) - RECORD_OVERHEAD
    for size in range(begin + 1, len(whole)):
        check_damaged(damaged_copy(tmp_path / "good", tmp_path / str(size), whole[:size]), octets, {3})


def test_a_flipped_octet_costs_at_most_its_record(tmp_path: Path) -> None:
    journal = opened(tmp_path / "good")
    octets = fill(journal, 3)
    journal.close()
    whole = files(tmp_path / "good")[0].read_bytes()
    step = len(octets[0]) + RECORD_OVERHEAD
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        lost = {1 + (place - HEADER_SIZE) // step} if place >= HEADER_SIZE else set()
        check_damaged(damaged_copy(tmp_path / "good", tmp_path / str(place), bytes(damaged)), octets, lost)


@pytest.mark.parametrize("head", [bytes(HEADER_SIZE), b""])
def test_a_lost_header_costs_no_record(tmp_path: Path, head: bytes) -> None:
    journal = opened(tmp_path / "good")
    octets = fill(journal, 3)
    journal.close()
    whole = files(tmp_path / "good")[0].read_bytes()
    check_damaged(damaged_copy(tmp_path / "good", tmp_path / "bad", head + whole[HEADER_SIZE:]), octets, set())


def test_damage_in_the_middle_and_at_the_end_is_counted_by_the_numbers_it_still_shows(tmp_path: Path) -> None:
    journal = opened(tmp_path / "good")
    octets = fill(journal, 4)
    journal.close()
    whole = bytearray(files(tmp_path / "good")[0].read_bytes())
    step = len(octets[0]) + RECORD_OVERHEAD
    whole[HEADER_SIZE + 2 * step + RECORD_OVERHEAD] ^= 1
    check_damaged(damaged_copy(tmp_path / "good", tmp_path / "bad", bytes(whole[:-3])), octets, {3, 4})


def test_damage_in_what_was_acknowledged_is_set_aside_and_counted_too(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    journal.acknowledge(journal.epoch, 3)
    journal.close()
    (segment,) = files(tmp_path)
    whole = bytearray(segment.read_bytes())
    whole[HEADER_SIZE + RECORD_OVERHEAD] ^= 1
    segment.write_bytes(whole)
    again = opened(tmp_path)
    assert len(files(tmp_path, ".bad")) == again.counters()["damaged_files"] == 1


def test_a_file_of_somebody_else_is_set_aside_and_the_start_goes_on(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    octets = fill(journal, 2)
    journal.close()
    for number in range(20, 30):
        (tmp_path / UID.hex() / f"{number:016d}.seg").write_bytes(os.urandom(500))
    again = opened(tmp_path)
    assert held(again) == octets
    assert len(files(tmp_path, ".bad")) == MAX_BAD
    assert again.counters()["damaged_files"] == 10


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with (tmp_path / UID.hex() / f"{5:016d}.seg").open("wb") as stream:
        stream.truncate(1 << 40)
    assert held(opened(tmp_path)) == []


def test_a_segment_of_another_meter_is_not_taken_for_ours(tmp_path: Path) -> None:
    other = Journal.open(tmp_path / "other", bytes(16), StepClock(), BOOT)
    other.append(lambda epoch, seq: encode(Envelope(Kind.READING, bytes(16), epoch, seq)))
    other.close()
    opened(tmp_path).close()
    shutil.copy(next((tmp_path / "other").glob("*.seg")), tmp_path / UID.hex() / f"{7:016d}.seg")
    assert held(opened(tmp_path)) == []


@pytest.mark.parametrize("name", ["ledger", "ledger.copy"])
@pytest.mark.parametrize("octets", [b"", b"garbage", bytes(100)])
def test_one_damaged_ledger_begins_a_new_epoch_and_loses_nothing(tmp_path: Path, name: str, octets: bytes) -> None:
    journal = opened(tmp_path)
    records, epoch = fill(journal, 3), journal.epoch
    journal.close()
    (tmp_path / UID.hex() / name).write_bytes(octets)
    again = opened(tmp_path)
    assert again.epoch != epoch
    assert held(again) == records


def test_a_missing_newest_segment_is_noticed(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=SMALL)
    fill(journal, 30, size=400)
    epoch, last = journal.epoch, journal.spans()[0].last
    journal.close()
    missing = files(tmp_path)[-1]
    missing.unlink()
    again = opened(tmp_path, limits=SMALL)
    assert again.epoch != epoch
    gone = [item for item in again.read(epoch, 1, 10_000) if isinstance(item, Gone)]
    assert gone
    assert gone[-1].reason == "damaged"
    assert gone[-1].last <= last


def test_a_hole_in_the_middle_is_told_in_its_place(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=SMALL)
    octets = fill(journal, 30, size=400)
    epoch = journal.epoch
    journal.close()
    files(tmp_path)[1].unlink()
    again = opened(tmp_path, limits=SMALL)
    items = again.read(epoch, 1, 10_000)
    places = [index for index, item in enumerate(items) if isinstance(item, Gone)]
    assert len(places) == 1
    lost = items[places[0]]
    assert isinstance(lost, Gone)
    assert places[0] == lost.first - 1
    assert held(again) == [item for seq, item in enumerate(octets, 1) if not lost.first <= seq <= lost.last]


def test_acknowledged_segments_go_and_the_active_one_stays(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=SMALL)
    fill(journal, 30, size=400)
    assert len(files(tmp_path)) > 2
    journal.acknowledge(journal.epoch, 29)
    assert len(files(tmp_path)) == 1
    assert journal.spans()[0].first_unacknowledged == 30
    assert not journal.drained()
    journal.acknowledge(journal.epoch, 30)
    assert journal.drained()
    assert journal.octets <= SMALL.segment


def test_an_old_epoch_is_forgotten_when_all_of_it_is_acknowledged(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    epoch = journal.epoch
    journal.close()
    again = opened(tmp_path, boot=b"boot-two")
    again.acknowledge(epoch, 2)
    assert len(again.spans()) == 2
    again.acknowledge(epoch, 3)
    again.acknowledge(b"no-epoch", 7)
    assert len(again.spans()) == 1
    assert files(tmp_path) == []
    assert again.read(epoch, 1) == []


def test_beyond_its_octets_the_oldest_go_first_and_are_told(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=SMALL)
    octets = fill(journal, 100, size=400)
    assert journal.octets <= SMALL.max_octets
    items = journal.read(journal.epoch, 1, 10_000)
    lost = items[0]
    assert isinstance(lost, Gone)
    assert (lost.first, lost.reason) == (1, "journal_full")
    assert held(journal) == octets[lost.last :]
    assert journal.counters()["journal_full"] == lost.last
    assert journal.spans()[0].first_unacknowledged == 1
    journal.close()
    assert opened(tmp_path, limits=SMALL).read(journal.epoch, 1)[0] == lost


def test_beyond_their_age_records_go_even_when_nothing_is_written(tmp_path: Path) -> None:
    clock = StepClock()
    journal = opened(tmp_path, clock, limits=SMALL)
    fill(journal, 3, clock=clock)
    clock.now += 59.0
    journal.expire()
    assert len(held(journal)) == 3
    clock.wall_step_s = 1e9
    journal.expire()
    assert len(held(journal)) == 3
    clock.now += 2.0
    journal.expire()
    assert journal.read(journal.epoch, 1) == [Gone(1, 3, "journal_age")]
    assert files(tmp_path) == []
    appended = journal.append(content(4, clock))
    assert appended is not None
    assert appended.seq == 4
    epoch = journal.epoch
    journal.close()
    assert opened(tmp_path, clock, limits=SMALL).epoch == epoch


def test_what_another_boot_wrote_ages_from_when_this_one_saw_it(tmp_path: Path) -> None:
    clock = StepClock()
    journal = opened(tmp_path, clock, limits=SMALL)
    fill(journal, 3, clock=clock)
    journal.close()
    clock.reboot()
    opened(tmp_path, clock, b"boot-two", SMALL).close()
    clock.now += 30.0
    again = opened(tmp_path, clock, b"boot-two", SMALL)
    again.expire()
    assert len(held(again)) == 3
    clock.now += 31.0
    again.expire()
    assert held(again) == []
    assert again.counters()["journal_age"] == 3


def test_a_full_disk_uses_up_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    fill(journal, 2)
    real = os.write

    def short(handle: int, octets: bytes) -> int:
        return real(handle, octets[:7])

    def full(handle: int, octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    for write in (short, full):
        monkeypatch.setattr(os, "write", write)
        assert journal.append(content(3)) is None
        monkeypatch.setattr(os, "write", real)
    appended = journal.append(content(4))
    assert appended is not None
    assert appended.seq == 3
    assert journal.counters()["disk_full"] == 2
    journal.close()
    assert len(held(opened(tmp_path))) == 3


def test_a_file_that_cannot_be_cut_off_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    fill(journal, 2)
    real = os.write

    def torn(handle: int, octets: bytes) -> int:
        return real(handle, octets[:30])

    def refuse(handle: int, size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", torn)
        patch.setattr(os, "ftruncate", refuse)
        assert journal.append(content(3)) is None
    fill(journal, 2)
    assert [item.seq for item in journal.read(journal.epoch, 1) if isinstance(item, Record)] == [1, 2, 3, 4]


def test_a_full_disk_at_the_start_keeps_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    fill(journal, 2)
    journal.close()
    (tmp_path / UID.hex() / f"{9:016d}.seg").write_bytes(b"foreign")

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        first = opened(tmp_path)
        fill(first, 1)
        first.close()
    assert files(tmp_path, ".bad") == []
    again = opened(tmp_path)
    assert again.epoch != first.epoch
    assert len(held(again)) == 3


def test_a_record_larger_than_an_envelope_is_refused(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.append(content(1, size=1 << 20)) is None
    assert journal.counters()["too_large"] == 1


def test_a_batch_is_bounded_by_count_and_octets(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 50, size=100)
    assert len(journal.read(journal.epoch, 1, limit=7)) == 7
    assert len(journal.read(journal.epoch, 48, limit=7)) == 3
    assert len(journal.read(journal.epoch, 1, octets=500)) == 4
    assert journal.read(journal.epoch, 51) == []


def test_what_was_acknowledged_and_is_asked_for_again_is_told_apart_from_damage(tmp_path: Path) -> None:
    journal = opened(tmp_path, limits=SMALL)
    fill(journal, 30, size=400)
    journal.acknowledge(journal.epoch, 20)
    assert journal.read(journal.epoch, 1)[0] == Gone(1, journal.read(journal.epoch, 1)[1].seq - 1, "acknowledged")  # type: ignore[union-attr]  # a record follows


def test_an_acknowledgement_beyond_the_last_number_begins_a_new_epoch(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, 3)
    epoch = journal.epoch
    journal.acknowledge(epoch, 10)
    assert journal.epoch != epoch
    assert journal.counters()["went_back"] == 1
    assert journal.drained()


def test_not_more_epochs_are_kept_than_a_heartbeat_can_tell(tmp_path: Path) -> None:
    for turn in range(MAX_EPOCHS + 5):
        journal = opened(tmp_path, boot=b"%08d" % turn)
        fill(journal, 1)
        assert len(journal.spans()) <= MAX_EPOCHS
        journal.close()
    assert len(files(tmp_path)) == MAX_EPOCHS
    assert journal.counters()["journal_epochs"] == 1


def test_drafts_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    opened(tmp_path).close()
    for name in ("0000000000000009.new", ".ledger.123", ".ledger.copy.77"):
        (tmp_path / UID.hex() / name).write_bytes(b"half")
    opened(tmp_path)
    assert sorted(path.name for path in (tmp_path / UID.hex()).iterdir()) == ["ledger", "ledger.copy", "lock"]
