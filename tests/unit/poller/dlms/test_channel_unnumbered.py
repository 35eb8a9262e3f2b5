"""Pushes that came in UI frames beside the answer to a request."""

import pytest

from poller.dlms.association import Association
from poller.dlms.channel import Channel
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_link import HdlcLink
from tests.support.scripted_meter import HDLC

PUSH = bytes.fromhex("0f00000001001105")
ANSWER = b"\xc4\x01\xc1\x00\x11\x05"


def test_they_are_kept_and_what_is_no_push_is_dropped() -> None:
    counters = Counters()
    link = HDLC.make_link(counters)
    assert isinstance(link, HdlcLink)
    channel = Channel(HDLC, link, counters)
    channel.terms = Association(0, 1000, 7)
    link.unnumbered.extend([PUSH, ANSWER, b"", PUSH[:-1], PUSH])
    exchange = channel._whole(ANSWER)
    with pytest.raises(StopIteration) as end:
        next(exchange)
    assert end.value.value == ANSWER
    assert [push.invoke for push in channel.notifications] == [1, 1]
    assert (counters.notifications, counters.notifications_dropped) == (2, 3)
    assert not link.unnumbered
