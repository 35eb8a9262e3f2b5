"""The sending half of HDLC numbering."""

import pytest

from poller.dlms.errors import OutOfSequence
from poller.dlms.hdlc_window import Segment, SendWindow, segments


def parts(count: int) -> list[Segment]:
    return [Segment(bytes((number,)), number < count - 1) for number in range(count)]


def test_a_payload_is_cut_into_segments() -> None:
    assert segments(b"abcdefg", 3) == [Segment(b"abc", True), Segment(b"def", True), Segment(b"g", False)]
    assert segments(b"abcdef", 3) == [Segment(b"abc", True), Segment(b"def", False)]
    assert segments(b"a", 3) == [Segment(b"a", False)]


def test_numbers_run_modulo_eight() -> None:
    window = SendWindow(1)
    for number in range(20):
        window.offer(parts(1))
        assert [ns for ns, _ in window.due()] == [number % 8]
        assert window.acknowledge((number + 1) % 8)
        assert window.idle


def test_the_window_admits_no_more_than_its_size() -> None:
    window = SendWindow(3)
    window.offer(parts(5))
    assert [ns for ns, _ in window.due()] == [0, 1, 2]
    assert window.due() == []
    assert window.acknowledge(2)
    assert [ns for ns, _ in window.in_flight] == [2]
    assert [ns for ns, _ in window.due()] == [3, 4]
    assert window.acknowledge(5)
    assert window.idle


def test_an_acknowledgement_of_nothing_is_no_progress() -> None:
    window = SendWindow(1)
    window.offer(parts(1))
    window.due()
    assert not window.acknowledge(0)
    assert not window.idle


@pytest.mark.parametrize("nr", [3, 4, 5, 6, 7])
def test_what_was_not_sent_cannot_be_acknowledged(nr: int) -> None:
    window = SendWindow(2)
    window.offer(parts(2))
    window.due()
    assert not window.admits(nr)
    with pytest.raises(OutOfSequence, match=f"N.R. {nr}"):
        window.acknowledge(nr)
