from random import Random

import pytest

from poller.simulator.faults import MAX_FAULTS, Asked, Fault, FaultBook, FaultKind


def kinds(book: FaultBook, asked: Asked = Asked.GET, now: float = 0.0) -> list[str]:
    return [fault.kind.value for fault in book.draw(asked, now)]


def test_a_fault_strikes_once_unless_told_otherwise() -> None:
    book = FaultBook(Random(1))
    book.arm(Fault(FaultKind.DROP), 0.0)
    assert [kinds(book) for _ in range(2)] == [["drop"], []]


def test_a_count_is_used_up() -> None:
    book = FaultBook(Random(1))
    book.arm(Fault(FaultKind.DROP, count=3), 0.0)
    assert [bool(kinds(book)) for _ in range(5)] == [True, True, True, False, False]
    assert book.struck == {"drop": 3}


def test_a_duration_runs_out() -> None:
    book = FaultBook(Random(1))
    book.arm(Fault(FaultKind.DROP, lasting=5.0), 10.0)
    assert [bool(kinds(book, now=now)) for now in (10.0, 14.9, 15.0)] == [True, True, False]
    assert book.armed == []


def test_a_probability_is_kept_and_repeats_with_its_seed() -> None:
    runs = []
    for _ in range(2):
        book = FaultBook(Random(7))
        book.arm(Fault(FaultKind.DROP, probability=0.3), 0.0)
        runs.append([bool(kinds(book)) for _ in range(1000)])
    assert runs[0] == runs[1]
    assert 250 < sum(runs[0]) < 350


@pytest.mark.parametrize(
    ("kind", "asked", "strikes"),
    [
        (FaultKind.BUSY, Asked.AARQ, False),
        (FaultKind.DM, Asked.SNRM, True),
        (FaultKind.DM, Asked.GET, False),
        (FaultKind.REFUSE_LLS, Asked.AARQ, True),
        (FaultKind.DROP, Asked.POLL, True),
        (FaultKind.BAD_HCS, Asked.POLL, False),
    ],
)
def test_kinds_strike_what_they_can_spoil(kind: FaultKind, asked: Asked, strikes: bool) -> None:
    assert Fault(kind).strikes(asked) is strikes


def test_on_narrows_what_is_struck() -> None:
    fault = Fault(FaultKind.DEAF, on=frozenset({Asked.SNRM}))
    assert [asked for asked in Asked if fault.strikes(asked)] == [Asked.SNRM]


def test_armed_faults_are_bounded_and_can_be_cleared() -> None:
    book = FaultBook(Random(1))
    assert [book.arm(Fault(FaultKind.DROP), 0.0) for _ in range(MAX_FAULTS + 1)][-2:] == [True, False]
    book.clear()
    assert book.armed == []
