"""The ledger: which starts count, and what is remembered of a process."""

from dataclasses import replace

from common.process_state import Process, ProcessState
from supervisor_qos.ledger import MAX_STARTS, SETTLE_S, Ledger, Start
from supervisor_qos.policy import Act, Budget, Decision

NAME = "meter-00"
FIRST = Process(NAME, ProcessState.RUNNING, pid=10, started_s=500)


def ledger() -> Ledger:
    return Ledger(Budget())


def look(book: Ledger, process: Process, now: float) -> list[Start]:
    return book.look({process.name: process}, now)


def test_the_first_start_is_a_wish_and_does_not_count() -> None:
    book = ledger()
    assert look(book, FIRST, 1.0) == []
    assert book.history(NAME).started == 1.0


def test_another_pid_is_a_start_nobody_planned() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    assert look(book, replace(FIRST, pid=11), 2.0) == [Start(NAME, 11)]
    assert book.history(NAME).starts == (2.0,)
    assert book.history(NAME).counted == 1


def test_starts_are_told_apart_by_what_was_before_them() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    look(book, replace(FIRST, pid=11), 2.0)
    book.note(Decision(NAME, Act.KILL, "silent"), 3.0)
    look(book, replace(FIRST, pid=12), 4.0)
    look(book, replace(FIRST, pid=13), 5.0)
    book.failed(NAME, 6.0)
    found = book.history(NAME)
    assert (found.counted, found.replaced, found.refused) == (4, 1, 1)


def test_a_start_that_ended_between_two_looks_counts() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    ended = Process(NAME, ProcessState.BACKOFF, pid=0, started_s=503)
    assert look(book, ended, 4.0) == [Start(NAME, 0)]


def test_a_clock_that_is_set_moves_supervisords_times_and_is_no_start() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    assert look(book, replace(FIRST, started_s=100), 2.0) == []
    assert look(book, replace(FIRST, started_s=9000), 3.0) == []
    assert book.history(NAME).started == 1.0


def test_a_start_is_counted_once() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    look(book, replace(FIRST, pid=11, started_s=502), 3.0)
    assert look(book, replace(FIRST, pid=11, started_s=502), 4.0) == []


def test_a_try_of_supervisord_that_was_under_way_belongs_to_the_planned_start() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    book.expect(NAME)
    assert look(book, replace(FIRST, pid=11), 2.0) == []
    assert look(book, replace(FIRST, pid=12), 4.0) == []
    assert look(book, replace(FIRST, pid=13), 9.0) == [Start(NAME, 13)]


def test_a_planned_start_does_not_count_and_the_next_does() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    book.expect(NAME)
    assert look(book, replace(FIRST, pid=11), 2.0) == []
    assert look(book, replace(FIRST, pid=12), 2.0 + SETTLE_S) == [Start(NAME, 12)]


def test_starts_leave_the_window() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    look(book, replace(FIRST, pid=11), 2.0)
    look(book, replace(FIRST, pid=11), 602.0)
    assert book.history(NAME).starts == ()
    assert book.history(NAME).counted == 1


def test_the_end_is_when_it_was_first_seen() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    down = replace(FIRST, state=ProcessState.EXITED, pid=0)
    look(book, down, 5.0)
    look(book, down, 6.0)
    assert book.history(NAME).ended == 5.0
    look(book, replace(FIRST, pid=12), 7.0)
    assert book.history(NAME).ended is None


def test_a_new_process_is_asked_for_stacks_anew() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    book.note(Decision(NAME, Act.DUMP, ""), 2.0)
    book.note(Decision(NAME, Act.KILL, ""), 3.0)
    assert (book.history(NAME).dumped, book.history(NAME).killed) == (2.0, 3.0)
    look(book, replace(FIRST, pid=11), 4.0)
    assert (book.history(NAME).dumped, book.history(NAME).killed) == (None, None)


def test_replacements_of_the_last_minute_are_remembered() -> None:
    book = ledger()
    book.note(Decision(NAME, Act.DUMP, ""), 2.0)
    book.look({}, 61.0)
    assert book.replacements == [2.0]
    book.look({}, 62.0)
    assert book.replacements == []


def test_a_block_a_trial_and_trust() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    book.note(Decision(NAME, Act.BLOCK, ""), 2.0)
    assert book.history(NAME).blocked == 2.0
    book.note(Decision(NAME, Act.START, ""), 302.0)
    assert book.history(NAME).tried == 302.0
    book.note(Decision(NAME, Act.TRUST, ""), 400.0)
    assert (book.history(NAME).blocked, book.history(NAME).starts) == (None, ())


def test_a_refused_start_counts_and_delays_the_next() -> None:
    book = ledger()
    look(book, replace(FIRST, state=ProcessState.FATAL, pid=0), 1.0)
    book.failed(NAME, 9.0)
    assert book.history(NAME).starts == (9.0,)
    assert book.history(NAME).ended == 9.0


def test_what_an_earlier_supervisor_counted_is_taken_over() -> None:
    book = ledger()
    book.seed(NAME, [400.0, 450.0], pid=10)
    assert look(book, FIRST, 500.0) == []
    assert book.history(NAME).starts == (400.0, 450.0)


def test_a_start_while_no_supervisor_lived_counts() -> None:
    book = ledger()
    book.seed(NAME, [], pid=9)
    assert look(book, FIRST, 500.0) == [Start(NAME, 10)]


def test_a_program_that_is_gone_is_forgotten() -> None:
    book = ledger()
    look(book, FIRST, 1.0)
    look(book, replace(FIRST, pid=11), 2.0)
    book.look({}, 3.0)
    assert book.history(NAME).starts == ()


def test_what_is_remembered_is_bounded() -> None:
    book = ledger()
    for number in range(MAX_STARTS + 10):
        book.count(NAME, number, 1.0)
    assert len(book.history(NAME).starts) == MAX_STARTS
