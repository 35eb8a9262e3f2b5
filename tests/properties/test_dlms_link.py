"""A link over a line that loses, damages, cuts and repeats: an exchange ends right, or with a Relink error."""

from hypothesis import given
from hypothesis import strategies as st

from common.errors import Relink
from poller.dlms.errors import MeterBusy
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import LinkParameters
from tests.support.dlms_drive import run_against
from tests.support.hdlc_secondary import CLIENT, METER, Fate, Secondary

FATES = st.lists(st.sampled_from(Fate), max_size=40)
LIMITS = st.builds(LinkParameters, st.integers(8, 128), st.integers(8, 128), st.integers(1, 7), st.integers(1, 7))
REQUESTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
RARE = st.lists(st.integers(3, 30), max_size=6).map(
    lambda gaps: [fate for gap in gaps for fate in [*[Fate.ARRIVES] * gap, Fate.LOST]]
)
"""Losses with at least three good frames between them."""


def echo(payload: bytes) -> bytes:
    return b"\xe6\xe7\x00" + bytes((len(payload) % 256,)) + payload[3:]


def expected(request: bytes) -> bytes:
    return echo(b"\xe6\xe6\x00" + request)[3:]


@given(LIMITS, REQUESTS)
def test_without_faults_every_payload_comes_back_at_the_first_attempt(
    limits: LinkParameters, requests: list[bytes]
) -> None:
    counters = Counters()
    meter = Secondary(echo, limits)
    link = HdlcLink(CLIENT, METER, LinkParameters(128, 128, 7, 7), counters)
    run_against(link.connect(), meter)
    assert [run_against(link.request(request), meter) for request in requests] == [*map(expected, requests)]
    assert (counters.resent, counters.polls, counters.out_of_sequence, counters.bad_frames) == (0, 0, 0, 0)
    assert meter.faults == []


@given(LIMITS, REQUESTS, FATES, FATES)
def test_an_answer_is_right_or_there_is_none(
    limits: LinkParameters, requests: list[bytes], to_meter: list[Fate], from_meter: list[Fate]
) -> None:
    meter = Secondary(echo, limits, to_meter=to_meter, from_meter=from_meter)
    link = HdlcLink(CLIENT, METER, LinkParameters(128, 128, 7, 7), Counters())
    try:
        run_against(link.connect(), meter)
        for request in requests:
            assert run_against(link.request(request), meter) == expected(request)
    except (Relink, MeterBusy):
        pass
    else:
        assert [payload[3:] for payload in meter.received] == requests
    run_against(link.disconnect(), meter)


@given(LIMITS, REQUESTS, RARE)
def test_rare_losses_are_always_recovered(limits: LinkParameters, requests: list[bytes], to_meter: list[Fate]) -> None:
    meter = Secondary(echo, limits, to_meter=to_meter)
    link = HdlcLink(CLIENT, METER, LinkParameters(128, 128, 1, 7), Counters())
    run_against(link.connect(), meter)
    for request in requests:
        assert run_against(link.request(request), meter) == expected(request)
    assert [payload[3:] for payload in meter.received] == requests
