"""A link over a line that loses, damages, cuts, repeats and reorders: an exchange ends right, or with a typed error.

The other side is a secondary station of its own (``hdlc_secondary``), with every window, both ways, and the habits of
real meters. Bounded: no exchange takes more than MAX_TURNS transmissions, whatever happens.
"""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from common.errors import Relink
from poller.dlms.errors import BadFrame, MeterBusy, ReplyTimeout
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import LinkParameters, decode_parameters, encode_parameters, proposal
from tests.support.dlms_drive import run_against
from tests.support.hdlc_secondary import CLIENT, METER, Fate, Habit, Secondary, parameters_of

MAX_TURNS = 1000
FATES = st.lists(st.sampled_from(Fate), max_size=40)
LIMITS = st.builds(LinkParameters, st.integers(8, 128), st.integers(8, 128), st.integers(1, 7), st.integers(1, 7))
HABITS = st.sets(st.sampled_from([Habit.REJECTS, Habit.SELECTS, Habit.GOES_ON, Habit.NO_REJ])).map(frozenset)
REQUESTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
RARE = st.lists(st.integers(3, 30), max_size=6).map(
    lambda gaps: [fate for gap in gaps for fate in [*[Fate.ARRIVES] * gap, Fate.LOST]]
)
"""Losses with at least three good frames between them."""
MOODS = st.lists(st.sampled_from([False, False, True]), max_size=20)


def echo(payload: bytes) -> bytes:
    return b"\xe6\xe7\x00" + bytes((len(payload) % 256,)) + payload[3:]


def expected(request: bytes) -> bytes:
    return echo(b"\xe6\xe6\x00" + request)[3:]


def ours(info: int = 128, window: int = 7) -> HdlcLink:
    return HdlcLink(CLIENT, METER, LinkParameters(info, info, window, window), Counters())


@given(LIMITS, HABITS, REQUESTS)
def test_without_faults_every_payload_comes_back_at_the_first_attempt(
    limits: LinkParameters, habits: frozenset[Habit], requests: list[bytes]
) -> None:
    counters = Counters()
    meter = Secondary(echo, limits, habits=habits)
    link = HdlcLink(CLIENT, METER, LinkParameters(128, 128, 7, 7), counters)
    run_against(link.connect(), meter)
    for request in requests:
        assert run_against(link.request(request), meter) == expected(request)
        run_against(link.keep_alive(), meter)
    assert (counters.resent, counters.polls, counters.out_of_sequence, counters.bad_frames) == (0, len(requests), 0, 0)
    assert meter.faults == []


@given(LIMITS, HABITS, REQUESTS, FATES, FATES, MOODS)
def test_an_answer_is_right_or_there_is_none(
    limits: LinkParameters,
    habits: frozenset[Habit],
    requests: list[bytes],
    to_meter: list[Fate],
    from_meter: list[Fate],
    moods: list[bool],
) -> None:
    meter = Secondary(echo, limits, to_meter, from_meter, habits, moods)
    link = ours()
    try:
        run_against(link.connect(), meter, MAX_TURNS)
        for request in requests:
            assert run_against(link.request(request), meter, MAX_TURNS) == expected(request)
    except (Relink, MeterBusy):
        pass
    else:  # an SNRM that comes late resets the link in the middle: then a request may be heard twice
        assert Fate.LATE in to_meter or [payload[3:] for payload in meter.received] == requests
    run_against(link.disconnect(), meter, MAX_TURNS)
    fresh = Secondary(echo, limits)
    run_against(link.connect(), fresh, MAX_TURNS)
    assert run_against(link.request(b"new"), fresh, MAX_TURNS) == expected(b"new")


@given(LIMITS, HABITS, st.lists(st.integers(0, 300), min_size=2, max_size=6), FATES, FATES, MOODS)
def test_after_silence_the_same_link_brings_whole_answers_and_none_from_the_future(
    limits: LinkParameters,
    habits: frozenset[Habit],
    sizes: list[int],
    to_meter: list[Fate],
    from_meter: list[Fate],
    moods: list[bool],
) -> None:
    meter = Secondary(echo, limits, to_meter, from_meter, habits, moods)
    link = ours()
    asked: list[bytes] = []
    try:
        run_against(link.connect(), meter, MAX_TURNS)
        for number, size in enumerate(sizes):
            request = bytes((number,)) + bytes(size)
            asked.append(expected(request))
            with suppress(ReplyTimeout, MeterBusy):
                assert run_against(link.request(request), meter, MAX_TURNS) in asked
    except Relink:
        pass


@given(LIMITS, HABITS, REQUESTS, FATES, FATES)
def test_the_life_of_a_link_is_asked_for_within_bounds(
    limits: LinkParameters,
    habits: frozenset[Habit],
    requests: list[bytes],
    to_meter: list[Fate],
    from_meter: list[Fate],
) -> None:
    meter = Secondary(echo, limits, to_meter, from_meter, habits)
    link = ours()
    try:
        run_against(link.connect(), meter, MAX_TURNS)
        for request in requests:
            run_against(link.keep_alive(), meter, 10)
            assert run_against(link.request(request), meter, MAX_TURNS) == expected(request)
    except Relink:
        pass


@given(LIMITS, st.sampled_from([frozenset[Habit](), frozenset({Habit.GOES_ON})]), REQUESTS, RARE, RARE)
def test_rare_losses_are_always_recovered(
    limits: LinkParameters,
    habits: frozenset[Habit],
    requests: list[bytes],
    to_meter: list[Fate],
    from_meter: list[Fate],
) -> None:
    for lost_in, lost_out in ((to_meter, []), ([], from_meter)):
        meter = Secondary(echo, limits, lost_in, lost_out, habits)
        link = ours()
        run_against(link.connect(), meter)
        for request in requests:
            assert run_against(link.request(request), meter) == expected(request)
        assert [payload[3:] for payload in meter.received] == requests


NUMBERS = st.integers(0, 300) | st.integers(0, 0xFFFF_FFFF)
ITEMS = st.lists(st.tuples(st.sampled_from([5, 6, 7, 8, 9]), NUMBERS, st.integers(0, 5)), max_size=6)


def group(items: list[tuple[int, int, int]]) -> bytes:
    octets = [(name, (number % (1 << 8 * size)).to_bytes(size, "big")) for name, number, size in items]
    content = b"".join(bytes((name, len(value))) + value for name, value in octets)
    return b"\x81\x80" + bytes((len(content),)) + content


@given(ITEMS, st.integers(128, 2030), st.integers(1, 7))
def test_no_ua_makes_us_exceed_what_either_side_said(items: list[tuple[int, int, int]], info: int, window: int) -> None:
    octets = group(items)
    try:
        said = decode_parameters(octets)
    except BadFrame:
        assert any(number % (1 << 8 * size) == 0 or size in {0, 5} for _, number, size in items)
        return
    meter = parameters_of(octets)
    bound = proposal(info, window).granted(said)
    assert (bound.info_tx, bound.info_rx) == (min(info, meter[6]), min(info, meter[5]))
    assert (bound.window_tx, bound.window_rx) == (min(window, meter[8]), min(window, meter[7]))


@given(st.integers(128, 2030), st.integers(1, 7), LIMITS, st.booleans(), st.binary(max_size=6000))
def test_what_was_negotiated_is_kept_to(
    info: int, window: int, limits: LinkParameters, bare: bool, payload: bytes
) -> None:
    meter = Secondary(echo, limits, habits=frozenset({Habit.BARE_UA} if bare else set()))
    link = HdlcLink(CLIENT, METER, proposal(info, window), Counters())
    run_against(link.connect(), meter)
    assert link.parameters == (
        LinkParameters(128, 128, 1, 1)
        if bare
        else LinkParameters(
            limits.info_rx, limits.info_tx, min(limits.window_rx, window), min(limits.window_tx, window)
        )
    )
    assert run_against(link.request(payload), meter) == expected(payload)
    assert (meter.faults, meter.received) == ([], [b"\xe6\xe6\x00" + payload])


@given(st.integers(128, 2030), st.integers(1, 7))
def test_a_proposal_is_read_as_it_was_meant(info: int, window: int) -> None:
    asked = proposal(info, window)
    assert parameters_of(encode_parameters(asked)) == {5: info, 6: info, 7: window, 8: window}
    assert decode_parameters(encode_parameters(asked)) == asked
