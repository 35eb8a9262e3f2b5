"""Octets that are read back."""

from poller.echo import MAX_PENDING, Echo


def test_a_line_that_echoes_is_known_by_what_was_sent_first() -> None:
    echo = Echo()
    echo.sent(b"SNRM")
    known = [echo.heard]
    assert echo.received(b"SN") == b""
    known.append(echo.heard)
    assert echo.received(b"RMUA") == b"UA"
    assert [*known, echo.heard] == [None, None, True]
    echo.sent(b"RR")
    assert [echo.received(octets) for octets in (b"R", b"R", b"RR")] == [b"", b"", b"RR"]


def test_a_line_that_does_not_echo_loses_nothing() -> None:
    echo = Echo()
    echo.sent(b"SNRM")
    assert echo.received(b"S") == b""
    assert echo.received(b"UA") == b"SUA"
    assert echo.heard is False
    echo.sent(b"RR")
    assert echo.received(b"RR") == b"RR"


def test_an_echo_that_met_something_else_is_handed_on_and_the_next_is_not() -> None:
    echo = Echo()
    echo.sent(b"SNRM")
    assert echo.received(b"SNRM") == b""
    echo.sent(b"RR")
    assert echo.received(b"RxUA") == b"RxUA"
    echo.sent(b"I")
    assert echo.received(b"IJ") == b"J"


def test_what_is_expected_has_a_limit() -> None:
    echo = Echo()
    echo.sent(bytes(MAX_PENDING))
    echo.sent(b"more")
    assert echo.received(bytes(MAX_PENDING) + b"more") == b"more"
