"""What is missed, on disk: it comes back as it was, and no damage to it stops a worker."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from poller.backfill import Habits, Intent, Order, Span, State
from poller.backfill_file import FILE_NAME, SEEN_NAME, BackfillFile, sealed

FULL = State(
    serial="12345678",
    gaps=(Span(10, 20), Span(30, 40)),
    orders=(Order("id", Span(1, 9), Span(5, 9), 3, 2, 1, 4),),
    floor=40,
    intent=Intent(b"e" * 8, 7, (11, 12), Span(10, 20), "id", 1),
    habits=Habits("1-0:99.1.0", "entry", True, 9),
)


def saved(directory: Path) -> bytes:
    """Return the octets of a full file."""
    assert BackfillFile(directory).save(FULL)
    return (directory / FILE_NAME).read_bytes()


@pytest.mark.parametrize("state", [State(), FULL, State(gaps=FULL.gaps)])
def test_a_state_comes_back_as_it_was(tmp_path: Path, state: State) -> None:
    directory = tmp_path / "journal"
    assert BackfillFile(directory).save(state)
    assert BackfillFile(directory).load() == state
    assert (directory / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert not list(directory.glob(".*"))


def test_without_a_file_nothing_is_missed(tmp_path: Path) -> None:
    assert BackfillFile(tmp_path).load() == State()
    assert BackfillFile(tmp_path).seen() == 0


def test_every_torn_file_is_set_aside_and_nothing_is_missed(tmp_path: Path) -> None:
    octets = saved(tmp_path)
    for length in range(len(octets)):
        (tmp_path / FILE_NAME).write_bytes(octets[:length])
        assert BackfillFile(tmp_path).load() == State()
        assert not (tmp_path / FILE_NAME).exists()
    assert (tmp_path / "backfill.bad").exists()


def test_a_flipped_octet_stops_nobody(tmp_path: Path) -> None:
    octets = saved(tmp_path)
    for place in range(len(octets)):
        (tmp_path / FILE_NAME).write_bytes(octets[:place] + bytes((octets[place] ^ 0x15,)) + octets[place + 1 :])
        assert BackfillFile(tmp_path).load() == State()


def _with(**changes: object) -> Callable[[dict[str, object]], object]:
    return lambda document: document | changes


@pytest.mark.parametrize(
    "change",
    [
        _with(form=2),
        _with(gaps=[{"begin": 5, "end": 4}]),
        _with(gaps=[{"begin": -1, "end": 4}]),
        _with(gaps=[{"begin": 1, "end": 1 << 60}]),
        _with(gaps=[{"begin": 1, "end": 2}] * 1000),
        _with(gaps="all"),
        _with(orders=[{}]),
        _with(intent={"epoch": "00"}),
        _with(habits=[1]),
        lambda _: [],
        lambda _: {},
        lambda _: None,
    ],
)
def test_a_foreign_content_is_none(tmp_path: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = json.loads(saved(tmp_path).splitlines()[0])
    (tmp_path / FILE_NAME).write_bytes(sealed(json.dumps(change(document)).encode()))
    assert BackfillFile(tmp_path).load() == State()


def test_nested_or_large_or_a_directory_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(sealed(b"[" * 100_000))
    assert BackfillFile(tmp_path).load() == State()
    path.write_bytes(sealed(b"{" + b" " * (1 << 20) + b"}"))
    assert BackfillFile(tmp_path).load() == State()
    path.mkdir()
    assert BackfillFile(tmp_path).load() == State()


def test_a_disk_that_takes_nothing_is_said_and_the_old_state_stays(tmp_path: Path) -> None:
    saved(tmp_path)
    record = BackfillFile(tmp_path)
    (tmp_path / f".{FILE_NAME}.draft").mkdir()  # nothing can be opened there
    assert not record.save(State())
    assert record.load() == FULL


def test_the_time_of_the_last_reading_comes_back(tmp_path: Path) -> None:
    record = BackfillFile(tmp_path / "journal")
    for moment in (5, 1_700_000_000_000, 0, 1_700_000_000_001):
        record.note(moment)
        assert BackfillFile(tmp_path / "journal").seen() == moment
    record.close()
    assert (tmp_path / "journal" / SEEN_NAME).stat().st_size == 12


def test_damage_to_the_time_of_the_last_reading_makes_it_unknown(tmp_path: Path) -> None:
    record = BackfillFile(tmp_path)
    record.note(1_700_000_000_000)
    record.close()
    octets = (tmp_path / SEEN_NAME).read_bytes()
    for place in range(len(octets)):
        (tmp_path / SEEN_NAME).write_bytes(octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :])
        assert BackfillFile(tmp_path).seen() == 0
        (tmp_path / SEEN_NAME).write_bytes(octets[:place])
        assert BackfillFile(tmp_path).seen() == 0


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        record = BackfillFile(tmp_path)
        record.note(7)
        record.save(State())
        record.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
