"""What else may lie where a journal's files should be: no start stops at it, and numbers stay what they were."""

from pathlib import Path

import pytest

from common.envelope import Envelope, Kind, encode
from common.journal import Journal, Record
from tests.support.still_clock import StepClock

UID, BOOT = bytes(range(16)), b"boot-one"
SEGMENT = f"{2:016d}.seg"


def opened(path: Path) -> Journal:
    return Journal.open(path, UID, StepClock(), BOOT, patience_s=0.0)


def append(journal: Journal) -> int:
    appended = journal.append(lambda epoch, seq: encode(Envelope(Kind.READING, UID, epoch, seq, 1, 1, BOOT, [])))
    assert appended is not None
    return appended.seq


def held(journal: Journal) -> int:
    return sum(isinstance(item, Record) for span in journal.spans() for item in journal.read(span.epoch, 1))


@pytest.mark.parametrize(
    "name", ["ledger", "ledger.copy", SEGMENT, f"{9:016d}.seg", "0000000000000001.bad", ".ledger.x"]
)
def test_a_directory_where_a_file_should_be(tmp_path: Path, name: str) -> None:
    journal = opened(tmp_path)
    append(journal)
    journal.close()
    path = tmp_path / name
    if path.is_file():
        path.unlink()
    (path / "inside").mkdir(parents=True)
    again = opened(tmp_path)
    append(again)
    assert held(again) >= 1 if name == SEGMENT else held(again) == 2
    again.close()
    last = opened(tmp_path)
    append(last)
    last.close()


@pytest.mark.parametrize("name", ["ledger", "ledger.copy", SEGMENT, f"{9:016d}.seg", "notes.txt", "x.seg"])
def test_an_empty_file_where_ours_should_be(tmp_path: Path, name: str) -> None:
    journal = opened(tmp_path)
    append(journal)
    journal.close()
    (tmp_path / name).write_bytes(b"")
    again = opened(tmp_path)
    append(again)
    assert held(again) >= (1 if name == SEGMENT else 2)
