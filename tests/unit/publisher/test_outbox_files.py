"""What else may lie where the outbox's files should be: no start stops at it, and what was there is kept."""

from pathlib import Path

import pytest

from common.envelope import Envelope, Kind, encode
from common.routes import Mode, Route
from publisher.outbox import Arrival, Lane, Outbox, OutboxFailed, Verdict
from publisher.outbox_file import FILE, SUSPECT
from publisher.outbox_reserve import NAME
from tests.support.still_clock import StepClock

UID, EPOCH, BOOT = bytes(range(16)), b"epoch-01", b"boot-one"


def opened(path: Path) -> Outbox:
    return Outbox.open(path, StepClock(), BOOT, max_age_s=1e6, max_octets=1 << 30)


def works(outbox: Outbox) -> bool:
    """Take in the reading that follows, and find it again."""
    outbox.begin(UID, EPOCH, 1)
    seq = (outbox.cursor(UID, EPOCH) or 0) + 1
    envelope = Envelope(Kind.READING, UID, EPOCH, seq, 1, 1, BOOT, [])
    verdict = outbox.take([Arrival(envelope, encode(envelope), Route(UID, "meter", Mode.GENERIC, "broker"))])
    rows = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=99, octets=1 << 20)
    return verdict == [Verdict.INSERTED] and seq in [row.seq for row in rows]


@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal", SUSPECT, NAME])
def test_a_directory_where_a_file_should_be(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "inside").mkdir(parents=True)
    outbox = opened(tmp_path)
    assert works(outbox)
    outbox.close()
    assert works(opened(tmp_path))


@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal", SUSPECT, NAME])
@pytest.mark.parametrize("content", [b"", b"x", b"\x00" * 9000, b"\xff" * 9000])
def test_a_foreign_file_beside_or_instead_of_ours(tmp_path: Path, name: str, content: bytes) -> None:
    outbox = opened(tmp_path)
    assert works(outbox)
    outbox.close()
    (tmp_path / name).write_bytes(content)
    outbox = opened(tmp_path)
    assert works(outbox)
    if name != FILE:
        assert outbox.cursor(UID, EPOCH) == 2, "what is beside the file takes nothing from it"


@pytest.mark.parametrize("name", [f"{FILE}.bad-1", f"{FILE}.bad-x", f"{FILE}.bad-1-wal"])
def test_something_where_a_damaged_file_would_be_put(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / FILE).write_bytes(b"garbage" * 1000)
    assert works(opened(tmp_path))


def test_a_reserve_that_was_never_finished_leaves_its_space(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.new").write_bytes(bytes(9000))
    (tmp_path / NAME).write_bytes(b"")
    assert works(opened(tmp_path))
    assert not (tmp_path / f"{NAME}.new").exists()


def test_a_disk_that_refuses_at_the_start_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutboxFailed):
        opened(tmp_path / "file")
    with pytest.raises(OutboxFailed):
        opened(tmp_path / "file" / "below")
