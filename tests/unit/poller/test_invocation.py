"""Invocation counters: never the same twice, whatever happens to process and file."""

import os
from pathlib import Path

import pytest

from poller.dlms.errors import CounterExhausted
from poller.dlms.security import MAX_COUNTER, SecuritySettings
from poller.errors import BadCounterFile, CounterFileHeld, CounterUnsaved
from poller.invocation import CounterFile, DeferredCounter, MemorySource, _record, counter_path
from tests.support.crashing import Crash, Disk, Fuse


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "key.counter"


def abandoned(path: Path, reserve: int = 10) -> CounterFile:
    """Open a counter and let its lock go without closing it in order, as a kill does."""
    counter = CounterFile(path, reserve)
    os.dup2(os.open(os.devnull, os.O_RDONLY), counter._lock)
    return counter


def test_a_new_key_begins_at_one(path: Path) -> None:
    with CounterFile(path) as counter:
        assert [counter.take() for _ in range(3)] == [1, 2, 3]


def test_a_new_key_may_begin_elsewhere(path: Path) -> None:
    with CounterFile(path, first=500) as counter:
        assert counter.take() == 500


def test_the_beginning_does_not_lower_what_the_file_has(path: Path) -> None:
    with CounterFile(path, first=500) as counter:
        counter.take()
    with CounterFile(path, first=7) as counter:
        assert counter.take() == 501
    with CounterFile(path, first=900) as counter:
        assert counter.take() == 900


def test_a_counter_that_was_closed_in_order_loses_nothing(path: Path) -> None:
    with CounterFile(path) as counter:
        assert [counter.take() for _ in range(3)] == [1, 2, 3]
    with CounterFile(path) as counter:
        assert counter.take() == 4


def test_after_a_kill_it_goes_on_at_the_ceiling(path: Path) -> None:
    counter = abandoned(path)
    assert [counter.take() for _ in range(3)] == [1, 2, 3]
    with CounterFile(path) as again:
        assert again.take() == 11


def test_the_ceiling_is_on_disk_before_the_first_counter_below_it_is_used(path: Path) -> None:
    counter = abandoned(path)
    used = [counter.take() for _ in range(25)]
    assert used == list(range(1, 26))
    with CounterFile(path) as again:
        assert again.take() == 31


def test_an_unused_counter_writes_nothing(path: Path) -> None:
    CounterFile(path).close()
    assert not path.exists()


def test_raising_is_on_disk_at_once(path: Path) -> None:
    counter = abandoned(path)
    counter.take()
    counter.raise_to(1000)
    with CounterFile(path) as again:
        assert again.take() == 1000
    assert counter.take() == 1000


def test_raising_within_the_reserve_needs_no_write(path: Path) -> None:
    with CounterFile(path, 10) as counter:
        counter.take()
        before = path.stat().st_mtime_ns
        counter.raise_to(8)
        assert path.stat().st_mtime_ns == before
        assert counter.take() == 8


@pytest.mark.parametrize("lower", [0, 1, 4, 5])
def test_nothing_lowers_the_counter(path: Path, lower: int) -> None:
    with CounterFile(path, first=5) as counter:
        counter.raise_to(lower)
        assert counter.take() == 5
    source = MemorySource(5)
    source.raise_to(lower)
    assert source.take() == 5


def test_the_last_counter_is_used_and_no_other(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.raise_to(MAX_COUNTER)
        assert counter.take() == MAX_COUNTER
        for _ in range(2):
            with pytest.raises(CounterExhausted):
                counter.take()
    with CounterFile(path) as counter, pytest.raises(CounterExhausted):
        counter.take()


def test_raising_beyond_the_end_uses_the_key_up(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.raise_to(MAX_COUNTER + 100)
        with pytest.raises(CounterExhausted):
            counter.take()


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.take()
        for name in tuple(path.parent.iterdir()):
            assert name.stat().st_mode & 0o777 == 0o600


def test_one_process_counts_at_a_time(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.take()
        with pytest.raises(CounterFileHeld, match="another process"):
            CounterFile(path)
    CounterFile(path).close()


def test_what_was_closed_gives_no_counter_any_more(path: Path) -> None:
    counter = CounterFile(path)
    counter.take()
    counter.close()
    counter.close()
    with pytest.raises(CounterUnsaved, match="closed"):
        counter.take()
    with pytest.raises(CounterUnsaved, match="closed"):
        counter.raise_to(10_000)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"1025\n", b"ceiling 1025\n", b"ceiling 1025 00000000\n", b"ceiling -5 00000000\n", bytes(20)),
        b"ceiling 99999999999 00000000\n",
        b"x" * 10_000,
    ],
)
def test_a_damaged_file_is_no_fresh_start(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for _ in range(2):  # and the lock is given back
        with pytest.raises(BadCounterFile, match=r"damaged; .*resynchronise"):
            CounterFile(path)
    assert path.read_bytes() == content


def test_no_flipped_bit_and_no_cut_passes(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.take()
        content = path.read_bytes()
    for bit in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(BadCounterFile):
            CounterFile(path)
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(BadCounterFile):
            CounterFile(path)


def test_a_ceiling_beyond_the_end_is_damage(path: Path) -> None:
    path.write_bytes(_record(MAX_COUNTER + 2))
    with pytest.raises(BadCounterFile):
        CounterFile(path)


def test_what_cannot_be_read_is_no_fresh_start(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadCounterFile, match="directory"):
        CounterFile(path)


def test_a_folder_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(CounterUnsaved, match="No such file"):
        CounterFile(path / "below")


def test_a_disk_that_refuses_protects_nothing(path: Path) -> None:
    counter = CounterFile(path, 2)
    assert counter.take() == 1
    path.with_name(f"{path.name}.new").mkdir()  # where the new file would be written
    assert counter.take() == 2
    with pytest.raises(CounterUnsaved, match="directory"):
        counter.take()
    with pytest.raises(CounterUnsaved):
        counter.raise_to(100)
    path.with_name(f"{path.name}.new").rmdir()
    assert counter.take() == 3
    path.with_name(f"{path.name}.new").mkdir()
    counter.close()  # cannot give back what was reserved: it is lost, and nothing else
    path.with_name(f"{path.name}.new").rmdir()
    with CounterFile(path) as again:
        assert again.take() == 5


def test_what_a_kill_left_half_written_is_not_read(path: Path) -> None:
    with CounterFile(path) as counter:
        counter.take()
    path.with_name(f"{path.name}.new").write_bytes(b"ceil")
    with CounterFile(path) as counter:
        assert counter.take() == 2


def test_a_counter_belongs_to_title_and_key(tmp_path: Path) -> None:
    def named(title: bytes = b"CLIENT01", key: bytes = bytes(16), authentication_key: bytes = b"") -> Path:
        return counter_path(
            tmp_path,
            SecuritySettings(client_title=title, encryption_key=key, authentication_key=authentication_key),
        )

    assert named() == named(authentication_key=bytes(16))
    assert named().parent == tmp_path
    assert len({named(), named(b"CLIENT02"), named(key=b"\1" * 16)}) == 3
    assert bytes(16).hex() not in named().name


def test_a_counter_in_memory_rises_to_its_end() -> None:
    source = MemorySource()
    assert [source.take(), source.take()] == [1, 2]
    source.raise_to(MAX_COUNTER)
    assert source.take() == MAX_COUNTER
    with pytest.raises(CounterExhausted):
        source.take()


def test_randomness_is_of_the_length_asked_and_not_the_same_twice(path: Path) -> None:
    with CounterFile(path) as counter:
        for source in (counter, MemorySource()):
            drawn = {source.entropy(16) for _ in range(8)}
            assert len(drawn) == 8
            assert {len(octets) for octets in drawn} == {16}


SETTINGS = SecuritySettings(client_title=b"CLIENT01", encryption_key=bytes(16))


def test_a_deferred_counter_touches_the_disk_with_its_first_counter(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "counters"
    source = DeferredCounter(folder, SETTINGS)
    assert len(source.entropy(16)) == 16
    source.close()
    assert not folder.exists()
    assert source.take() == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    source.raise_to(40)
    source.close()
    assert source.take() == 40


def test_a_deferred_counter_that_another_process_has_is_told_with_its_first_counter(tmp_path: Path) -> None:
    source = DeferredCounter(tmp_path, SETTINGS)
    with CounterFile(counter_path(tmp_path, SETTINGS)), pytest.raises(CounterFileHeld):
        source.take()
    assert source.take() == 1


def test_a_deferred_counter_without_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CounterUnsaved, match="directory"):
        DeferredCounter(tmp_path / "file" / "below", SETTINGS).take()


def lived(path: Path, disk: Disk, used: list[int]) -> bool:
    """Count, raise and close under a fuse; say whether the process lived, and let its lock go when it did not."""
    source: CounterFile | None = None
    try:
        with disk.watched():
            source = CounterFile(path, 2)
            for _ in range(5):
                used.append(source.take())
            source.raise_to(used[-1] + 10)
            used.append(source.take())
            source.close()
    except Crash:
        if source is not None:
            os.close(source._lock)
        return False
    return True


def test_a_death_at_any_step_repeats_no_counter(tmp_path: Path) -> None:
    for steps in range(100):
        fuse, used, path = Fuse(), list[int](), tmp_path / f"{steps}.counter"
        with CounterFile(path, 2) as before:
            used.append(before.take())
        fuse.left = steps
        alive = lived(path, Disk(fuse), used)
        with CounterFile(path, 2) as after:
            used.append(after.take())
        assert used == sorted(set(used)), steps
        if alive:
            break
    assert alive
    assert steps > 20
