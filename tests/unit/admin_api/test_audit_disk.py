"""What an audit learns from real files of an outbox and a journal, while both are open."""

from collections.abc import Callable
from pathlib import Path

import pytest

from admin_api.audit import disk
from admin_api.audit.auditor import judged
from admin_api.audit.gathered import Gathered
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import Decision, Invariant
from common import journal_reading
from common.envelope import Envelope, Kind, encode
from common.journal import Journal
from common.outbox_reading import FILE, OutboxUnreadable, looked_at
from common.paths import Paths
from common.reading import Quantity, Reading
from common.routes import Mode, Route
from publisher.outbox import Arrival, Lane, Outbox
from tests.support.still_clock import StepClock

UID, BOOT = bytes(range(16)), b"boot-one"
ROUTE = Route(UID, "meter-1", Mode.GENERIC, "broker", "meters/meter-1/telemetry")
TAKEN, JOURNALED = 6, 9


class Installation:
    """Nine readings in a journal, six of them taken; three delivered, one set aside, two waiting."""

    def __init__(self, root: Path) -> None:
        self.paths, self.clock = Paths(root), StepClock()
        self.journal = Journal.open(self.paths.journal / UID.hex(), UID, self.clock, BOOT)
        records = [self.journal.append(self._content(seq)) for seq in range(1, JOURNALED + 1)]
        self.outbox = Outbox.open(self.paths.outbox, self.clock, BOOT, max_age_s=1e6, max_octets=1 << 30)
        self.outbox.begin(UID, self.journal.epoch, 1)
        for record in records[:TAKEN]:
            assert record is not None
            envelope = Envelope(Kind.READING, UID, self.journal.epoch, record.seq, 1, 1, BOOT)
            self.outbox.take([Arrival(envelope, record.octets, ROUTE)])
        rows = self.outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=100, octets=1 << 20)
        self.outbox.acknowledge([row.id for row in rows[:3]])
        self.clock.sleep(1.0)
        self.outbox.flush()
        self.outbox.set_aside(rows[3].id, "rejected")

    def _content(self, number: int) -> Callable[[bytes, int], bytes]:
        body = Reading((Quantity("active_energy", "1-1:1.8.0", 1000 + number, 0, 30),)).to_body()
        return lambda epoch, seq: encode(Envelope(Kind.READING, UID, epoch, seq, 1, 1, BOOT, body))

    def gathered(self) -> Gathered:
        told = Gathered()
        assert disk.gather(told, self.paths, self.clock)
        return told


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_the_outbox_is_read_while_the_publisher_has_it_open(installation: Installation) -> None:
    with looked_at(installation.paths.outbox, installation.clock) as outbox:
        assert outbox is not None
        account = outbox.accounts()[UID]
        assert (account.taken, account.delivered, account.waiting, account.set_aside) == (6, 3, 2, 1)
        assert [row.seq for row in outbox.rows()] == [4, 5, 6]
        (aside,) = outbox.rows(only_aside=True)
        assert (aside.seq, aside.aside) == (4, "rejected")
        assert outbox.cursors() == {(UID, installation.journal.epoch): TAKEN}


def test_books_rows_and_journal_of_a_sound_system_hold(installation: Installation) -> None:
    found = judged(installation.gathered(), Scope())
    assert not found.broken
    assert found.findings[Invariant.I1].decision is Decision.HOLDS
    assert found.findings[Invariant.I1].numbers["kept"] == JOURNALED - 3


def test_a_row_that_somebody_deleted_is_missed(installation: Installation) -> None:
    told = installation.gathered()
    uid = UID.hex()
    account = told.accounts[uid]
    assert account.rows == 3
    installation.outbox._file._db.execute("DELETE FROM rows WHERE seq = 5")
    assert judged(installation.gathered(), Scope()).broken == (Invariant.I1,)


def test_a_cursor_that_fell_behind_what_a_journal_let_go_of_is_seen(installation: Installation) -> None:
    installation.journal.acknowledge(installation.journal.epoch, TAKEN)
    installation.journal.close()
    installation.outbox._file._db.execute("UPDATE cursors SET seq = 2")
    assert Invariant.I2 in judged(installation.gathered(), Scope()).broken


def test_energies_tell_which_cycles_wait(installation: Installation) -> None:
    assert installation.gathered().kept_energies[UID.hex()] == {1004, 1005, 1006, 1007, 1008, 1009}


def test_a_journal_is_read_without_its_lock(installation: Installation) -> None:
    directory = installation.paths.journal / UID.hex()
    (epoch,) = journal_reading.held(directory, UID)
    assert (epoch.epoch, epoch.last) == (installation.journal.epoch, JOURNALED)
    assert [seq for _, seq, _ in journal_reading.records(directory, UID)] == list(range(1, JOURNALED + 1))


def test_where_there_is_no_outbox_nothing_is_learned(tmp_path: Path) -> None:
    assert not disk.gather(Gathered(), Paths(tmp_path / "nowhere"), StepClock())


def test_an_outbox_that_is_none_is_named(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.outbox.mkdir()
    (paths.outbox / FILE).write_bytes(b"this is no database, but it is long enough to be taken for one" * 20)
    with pytest.raises(OutboxUnreadable):
        disk.gather(Gathered(), paths, StepClock())
