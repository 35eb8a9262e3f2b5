"""The hand-over against its model: any order of readings, losses, deaths and starts; then everything arrives."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from common.journal import JournalLimits
from common.reading import Source
from tests.support.handover import UID, World

SHM = Path("/dev/shm")  # a file system in memory, where there is one: a death is not a power cut
QUICK = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=400, stateful_step_count=60)
steps = st.integers(0, 25)
few = st.integers(0, 4)


class Handover(RuleBasedStateMachine):
    """What may happen to one worker and the publisher; the truth is the list of readings that were taken."""

    limits = JournalLimits()

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.world = World(self.root, self.limits)
        self.next = self.boots = 1
        self.taken: list[int] = []
        self.unsure: list[int] = []
        self.refused: list[int] = []
        self.may_drop = self.damaged = False

    # ---- the worker

    @rule(
        count=st.integers(1, 6),
        size=st.sampled_from((0, 10, 900)),
        full=st.sampled_from((False, False, True)),
        source=st.sampled_from(Source),
    )
    def take_readings(self, count: int, size: int, full: bool, source: Source) -> None:
        """Take some readings, from the meter's present or its memory; the disk may refuse them."""
        self.start_worker()
        self.world.disk.full = full
        for _ in range(count):
            alive = self.world.feed is not None
            told = self.world.publish(self.next, size, source)
            if alive:
                {True: self.taken, False: self.refused, None: self.unsure}[told].append(self.next)
            self.next += 1
        self.world.disk.full = False

    @rule()
    def beat(self) -> None:
        self.start_worker()
        self.world.beat()

    @rule(left=steps, tears=st.booleans())
    def let_worker_die_soon(self, left: int, tears: bool) -> None:
        self.world.worker_fuse.left, self.world.disk.tears = left, tears
        self.may_drop |= tears  # a torn tail is counted as one damaged record

    def start_worker(self) -> None:
        self.world.start_worker()
        self.damaged &= self.world.feed is None  # one damage at a time: a second copy cannot help against two

    # ---- the wire

    @rule(lane=st.integers(0, 2), place=few)
    def lose(self, lane: int, place: int) -> None:
        del self.world.wire.lane(lane)[place : place + 3]

    @rule(lane=st.integers(0, 2), place=few)
    def double(self, lane: int, place: int) -> None:
        messages = self.world.wire.lane(lane)
        messages += messages[place : place + 3]

    @rule(lane=st.integers(0, 2))
    def overtake(self, lane: int) -> None:
        messages = self.world.wire.lane(lane)
        messages[:3] = reversed(messages[:3])

    # ---- the publisher

    @rule(subscribed=st.integers(0, 12), back=st.sampled_from((0, 3, 300)), full=st.sampled_from((False, False, True)))
    def handle(self, subscribed: int, back: int, full: bool) -> None:
        """Let some messages arrive, and what is answered go back; the outbox's disk may refuse them."""
        self.world.start_publisher()
        self.world.outbox_full = full
        self.world.handle(subscribed, back)
        self.world.outbox_full = False

    @rule()
    def exchange(self) -> None:
        """Let all messages arrive, both ways."""
        self.world.start_publisher()
        self.world.handle(1000, 1000)
        self.world.pump()

    @rule(left=steps)
    def let_publisher_die_soon(self, left: int) -> None:
        self.world.publisher_fuse.left = left

    @rule()
    def behead_outbox(self) -> None:
        """Lose the head of the outbox's file: the next start takes everything back."""
        self.world.behead_outbox()

    @rule(limit=st.integers(1, 5))
    def deliver(self, limit: int) -> None:
        self.world.deliver(limit)

    # ---- both

    @rule(seconds=st.sampled_from((0.3, 1.1, 70.0)))
    def wait(self, seconds: float) -> None:
        self.world.clock.now += seconds

    @rule(loses=few)
    def reboot(self, loses: int) -> None:
        """Cut the power: the journal may lose its last records; the outbox keeps what it acknowledged."""
        self.world.kill_worker()
        self.world.start_publisher()
        lost = [] if self.damaged else self.world.lose_tail(loses)
        self.taken = [number for number in self.taken if number not in lost]
        self.unsure += lost
        self.may_drop |= bool(loses)  # a ledger may remember that they were there
        self.world.kill_publisher()
        self.world.wire.subscribed.clear()
        self.world.clock.reboot()
        self.boots += 1
        self.world.boot = self.boots.to_bytes(8, "big")

    @precondition(lambda self: not self.damaged)
    @rule(what=st.sampled_from(("ledger", "ledger.copy", "*.seg")), from_end=st.integers(1, 400), cut=st.booleans())
    def damage_journal(self, what: str, from_end: int, cut: bool) -> None:
        """Kill the worker, then flip a bit of a file, often near its end, or cut a part of its last record off."""
        self.world.kill_worker()
        files = sorted(self.world.journal_dir.glob(what))
        if files:
            octets = bytearray(files[-1].read_bytes())
            octets[-(from_end % len(octets)) - 1] ^= 0x10
            files[-1].write_bytes(octets[:-20] if cut else octets)
            self.may_drop = self.damaged = True

    # ---- what holds always, and at the end

    @invariant()
    def accounts_balance(self) -> None:
        if self.world.outbox is not None:
            tally = self.world.outbox.tally(UID)
            assert tally.balanced, tally
            assert (tally.waiting, tally.octets) == self.world.rows_on_disk()

    def teardown(self) -> None:
        try:
            self.world.drain()
            self._check()
        finally:
            self.world.kill_worker()
            self.world.kill_publisher()
            shutil.rmtree(self.root)

    def _check(self) -> None:
        seen: dict[tuple[bytes, int], int] = {}
        order: list[int] = []
        for epoch, seq, number in self.world.delivered:
            if (epoch, seq) not in seen:
                order.append(number)
            assert seen.setdefault((epoch, seq), number) == number, "a repeat has other content"
        assert order == sorted(set(order)), "a reading arrived twice under two names, or out of order"
        assert not set(order) & set(self.refused), "a reading arrived that was said not to be taken"
        assert set(order) <= set(self.taken) | set(self.unsure)
        missing = set(self.taken) - set(order)
        assert self.world.outbox is not None
        tally = self.world.outbox.tally(UID)
        assert len(missing) <= sum(tally.dropped.values()), (missing, tally)
        assert self.may_drop or not tally.dropped, tally
        assert tally.taken == len(order) + sum(tally.dropped.values())


class SmallJournal(Handover):
    """The same with a journal that is soon full: what it drops is counted."""

    limits = JournalLimits(max_age_s=60.0, max_octets=10_000)

    def __init__(self) -> None:
        super().__init__()
        self.may_drop = True


TestHandover = Handover.TestCase
TestHandover.settings = QUICK
TestSmallJournal = SmallJournal.TestCase
TestSmallJournal.settings = QUICK


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Handover, SmallJournal])
def test_the_handover_at_length(machine: type[Handover]) -> None:
    run_state_machine_as_test(machine, settings=LONG)
