"""The client's side of an HDLC link: numbering, segmentation, recovery."""

from collections.abc import Callable, Iterator

import pytest

from poller.dlms.errors import (
    BadFrame,
    LinkDamaged,
    LinkRefused,
    LinkReset,
    MeterBusy,
    OutOfSequence,
    ReplyTimeout,
)
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import Frame, FrameKind, supervisory_control, unnumbered_control, unpack_frame
from poller.dlms.hdlc_link import MAX_POLLS, MAX_POLLS_FOR_MORE, HdlcLink
from poller.dlms.hdlc_parameters import LinkParameters, encode_parameters
from poller.dlms.hdlc_port import MAX_NOISE
from poller.dlms.hdlc_reactions import Link
from tests.support.dlms_drive import run_against
from tests.support.hdlc_secondary import CLIENT, METER, Fate, Habit, Secondary

OUT, BACK = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def echo(payload: bytes) -> bytes:
    return BACK + payload[3:]


def made(parameters: LinkParameters | None = None) -> HdlcLink:
    return HdlcLink(CLIENT, METER, parameters or LinkParameters(), Counters())


def opened(meter: Callable[[bytes], bytes | None], parameters: LinkParameters | None = None) -> HdlcLink:
    link = made(parameters)
    run_against(link.connect(), meter)
    return link


def from_meter(control: int, info: bytes = b"", *, segmented: bool = False) -> bytes:
    return Frame(CLIENT, METER, control, info, segmented).to_bytes()


def unnumbered(kind: FrameKind) -> bytes:
    return from_meter(unnumbered_control(kind))


class Script:
    """A peer that answers each transmission with the next of prepared octets, and keeps what was sent."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers: Iterator[bytes | None] = iter(answers)
        self.sent: list[Frame] = []

    def __call__(self, out: bytes) -> bytes | None:
        if out:
            self.sent += HdlcDecoder(Counters()).feed(out)
        return next(self._answers)


UA = unnumbered(FrameKind.UA)


def test_numbers_count_up_modulo_eight_and_acknowledge_the_next_expected() -> None:
    sent: list[Frame] = []
    meter = Secondary(echo)

    def watched(out: bytes) -> bytes | None:
        sent.append(unpack_frame(out))
        return meter(out)

    link = opened(watched)
    for number in range(30):
        payload = bytes((number,))
        assert run_against(link.request(payload), watched) == payload
        assert (sent[-1].ns, sent[-1].nr) == (number % 8, number % 8)
        assert sent[-1].final
    assert (meter.faults, link._counters.resent) == ([], 0)


def test_what_the_ua_grants_binds() -> None:
    meter = Secondary(echo, LinkParameters(60, 40, 1, 3))
    link = opened(meter, LinkParameters(1024, 1024, 5, 5))
    assert link.parameters == LinkParameters(40, 60, 3, 1)
    payload = bytes(range(256)) * 3
    assert run_against(link.request(payload), meter) == payload
    assert meter.received == [OUT + payload]
    assert meter.faults == []


@pytest.mark.parametrize("window", range(1, 8))
def test_segmentation_both_ways_with_every_window(window: int) -> None:
    limits = LinkParameters(128, 128, window, window)
    meter = Secondary(echo, limits)
    link = opened(meter, limits)
    for size in (1, 124, 125, 126, 253, 1000, 5000):
        payload = bytes(i * 7 % 256 for i in range(size))
        assert run_against(link.request(payload), meter) == payload
    assert (meter.faults, link._counters.resent, link._counters.out_of_sequence) == ([], 0, 0)


def meter_behind(direction: str, fates: list[Fate], limits: LinkParameters) -> Secondary:
    if direction == "to_meter":
        return Secondary(echo, limits, to_meter=fates)
    return Secondary(echo, limits, from_meter=fates)


FATES = [Fate.LOST, Fate.DAMAGED, Fate.CUT, Fate.TWICE]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("direction", ["to_meter", "from_meter"])
@pytest.mark.parametrize("frame", range(14))
@pytest.mark.parametrize("window", [1, 3])
def test_one_bad_frame_of_a_long_exchange_is_recovered(fate: Fate, direction: str, frame: int, window: int) -> None:
    fates = [Fate.ARRIVES] * frame + [fate]
    limits = LinkParameters(128, 128, window, window)
    meter = meter_behind(direction, fates, limits)
    link = opened(meter, limits)
    payload = bytes(i % 251 for i in range(700))
    for _ in range(2):
        assert run_against(link.request(payload), meter) == payload
    assert meter.received == [OUT + payload] * 2


@pytest.mark.parametrize("direction", ["to_meter", "from_meter"])
def test_two_bad_frames_in_a_row_are_recovered_and_three_are_not(direction: str) -> None:
    for count in (1, 2, 3):
        meter = meter_behind(direction, [Fate.ARRIVES, *[Fate.LOST] * count], LinkParameters())
        link = opened(meter)
        if count < 3:
            assert run_against(link.request(b"x"), meter) == b"x"
        else:
            with pytest.raises(ReplyTimeout):
                run_against(link.request(b"x"), meter)


def test_recovery_first_polls_then_repeats() -> None:
    meter = Script(UA, None, None, None)
    link = opened(meter)
    with pytest.raises(ReplyTimeout):
        run_against(link.request(b"x"), meter)
    assert [frame.kind for frame in meter.sent[1:]] == [FrameKind.I, FrameKind.RR, FrameKind.I]
    assert meter.sent[1] == meter.sent[3]
    assert (link._counters.polls, link._counters.resent) == (1, 1)


def test_an_answer_behind_a_cut_frame_is_found_when_the_wait_ends() -> None:
    answer = from_meter(0x30, BACK + b"a")
    cut = from_meter(0x30, bytes(100))[:20]
    meter = Script(UA, cut + answer, None)
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert (link._counters.polls, link._counters.resent) == (0, 0)


def test_the_connection_survives_a_timeout_and_the_next_request_gets_its_own_answer() -> None:
    meter = Secondary(echo, from_meter=[Fate.ARRIVES, Fate.LOST, Fate.LOST, Fate.LOST])
    link = opened(meter)
    with pytest.raises(ReplyTimeout):
        run_against(link.request(b"old"), meter)
    assert run_against(link.request(b"new"), meter) == b"new"


def test_swallowed_snrms_are_repeated_twice() -> None:
    meter = Script(None, None, UA)
    assert opened(meter).state is Link.UP
    assert [frame.kind for frame in meter.sent] == [FrameKind.SNRM] * 3
    with pytest.raises(ReplyTimeout):
        opened(Script(None, None, None))


def test_a_damaged_ua_is_asked_for_again_at_once() -> None:
    meter = Script(UA[:4] + b"\x00" + UA[5:], UA)
    assert opened(meter).state is Link.UP


def test_a_lingering_session_is_closed_and_opened_anew() -> None:
    meter = Script(unnumbered(FrameKind.DM), UA, UA)
    assert opened(meter).state is Link.UP
    assert [frame.kind for frame in meter.sent] == [FrameKind.SNRM, FrameKind.DISC, FrameKind.SNRM]


@pytest.mark.parametrize("kind", [FrameKind.DM, FrameKind.FRMR])
def test_a_refusal_after_the_disc_stands(kind: FrameKind) -> None:
    with pytest.raises(LinkRefused, match=kind.name):
        opened(Script(unnumbered(kind), unnumbered(FrameKind.DM), unnumbered(kind)))


def test_a_disc_that_nobody_answers_does_not_keep_from_opening() -> None:
    assert opened(Script(unnumbered(FrameKind.DM), None, None, None, UA)).state is Link.UP


def test_frames_of_an_earlier_session_do_not_disturb_the_opening() -> None:
    old = from_meter(0x52, BACK + b"old") + from_meter(supervisory_control(FrameKind.RR, 3))
    link = opened(Script(old + UA))
    assert link.state is Link.UP
    assert (link._counters.out_of_sequence, link._counters.foreign_frames) == (1, 1)


def test_nothing_but_other_frames_is_a_damaged_link() -> None:
    with pytest.raises(LinkDamaged):
        opened(Script(*[from_meter(0x52, BACK) * 64] * 3))


def test_a_ua_that_cannot_be_leaves_a_link_to_close() -> None:
    link = made()
    meter = Script(from_meter(unnumbered_control(FrameKind.UA), b"\x81\x80\x03\x05\x01\x00"), UA)
    with pytest.raises(BadFrame):
        run_against(link.connect(), meter)
    run_against(link.disconnect(), meter)
    assert meter.sent[-1].kind is FrameKind.DISC


# A session that ends


@pytest.mark.parametrize("kind", [FrameKind.DM, FrameKind.FRMR])
def test_the_meter_may_leave_the_link(kind: FrameKind) -> None:
    meter = Script(UA, unnumbered(kind))
    link = opened(meter)
    with pytest.raises(LinkReset, match=kind.name):
        run_against(link.request(b"x"), meter)
    assert link.state is (Link.DOWN if kind is FrameKind.DM else Link.UP)


@pytest.mark.parametrize("answer", [UA, unnumbered(FrameKind.DM), None, from_meter(0x30, BACK) + UA, b"\x7e\xa0\x00~"])
def test_a_disc_ends_whatever_is_answered(answer: bytes | None) -> None:
    meter = Script(UA, answer, None)
    link = opened(meter)
    run_against(link.disconnect(), meter)
    assert link.state is Link.DOWN
    assert meter.sent[-1].kind is FrameKind.DISC
    run_against(link.disconnect(), Script())
    with pytest.raises(LinkReset, match="not open"):
        run_against(link.request(b"x"), Script())


# Meters that do not answer at once


def test_rr_before_the_answer_is_an_acknowledgement() -> None:
    early = from_meter(supervisory_control(FrameKind.RR, 1) & ~0x10)
    meter = Script(UA, early, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert link._counters.polls == 0


def test_rr_that_gives_the_turn_back_is_polled_for_the_answer() -> None:
    early = from_meter(supervisory_control(FrameKind.RR, 1))
    meter = Script(UA, early, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert (meter.sent[-1].kind, meter.sent[-1].nr) == (FrameKind.RR, 0)


def test_the_answer_behind_an_rr_in_one_chunk_needs_no_poll() -> None:
    meter = Script(UA, from_meter(supervisory_control(FrameKind.RR, 1)) + from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert len(meter.sent) == 2


def test_a_busy_meter_is_polled_until_it_is_ready() -> None:
    busy = from_meter(supervisory_control(FrameKind.RNR, 1))
    meter = Script(UA, *[busy] * MAX_POLLS, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert link._counters.polls == MAX_POLLS


def test_a_meter_that_stays_busy_is_left_for_later() -> None:
    busy = from_meter(supervisory_control(FrameKind.RNR, 1))
    meter = Script(UA, *[busy] * (MAX_POLLS + 1))
    link = opened(meter)
    with pytest.raises(MeterBusy):
        run_against(link.request(b"x"), meter)


def test_busy_without_the_turn_is_waited_for() -> None:
    busy = from_meter(supervisory_control(FrameKind.RNR, 1) & ~0x10)
    meter = Script(UA, busy, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert link._counters.polls == 0


def test_a_rejected_frame_is_repeated() -> None:
    meter = Script(UA, from_meter(supervisory_control(FrameKind.REJ, 0)), from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert [frame.ns for frame in meter.sent[1:]] == [0, 0]


@pytest.mark.parametrize("kind", [FrameKind.REJ, FrameKind.SREJ, FrameKind.RR])
def test_what_is_never_acknowledged_is_out_of_sequence(kind: FrameKind) -> None:
    meter = Script(UA, *[from_meter(supervisory_control(kind, 0))] * 3)
    link = opened(meter)
    with pytest.raises(OutOfSequence):
        run_against(link.request(b"x"), meter)


@pytest.mark.parametrize("kind", [FrameKind.REJ, FrameKind.SREJ])
def test_a_rejection_that_acknowledges_everything_is_answered_with_a_poll(kind: FrameKind) -> None:
    meter = Script(UA, from_meter(supervisory_control(kind, 1)), from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert (meter.sent[-1].kind, link._counters.resent) == (FrameKind.RR, 0)


def test_a_rejection_of_the_first_segments_goes_on_with_the_rest() -> None:
    meter = Script(
        UA,
        from_meter(supervisory_control(FrameKind.REJ, 1)),
        from_meter(supervisory_control(FrameKind.RR, 2)),
        from_meter(0x70, BACK + b"a"),
    )
    link = opened(meter)
    assert run_against(link.request(bytes(300)), meter) == b"a"


# Wrong numbers


def test_an_impossible_acknowledgement_is_out_of_sequence() -> None:
    for wrong in (from_meter(0x70, BACK), from_meter(supervisory_control(FrameKind.RR, 3))):
        meter = Script(UA, wrong)
        link = opened(meter)
        with pytest.raises(OutOfSequence, match=r"N.R. 3"):
            run_against(link.request(b"x"), meter)


def test_a_repeated_answer_is_dropped_and_counted() -> None:
    first, second = from_meter(0x30, BACK + b"1"), from_meter(0x52, BACK + b"2")
    meter = Script(UA, first, first + second, first + from_meter(0x74, BACK + b"3"))
    link = opened(meter)
    assert [run_against(link.request(b"x"), meter) for _ in range(3)] == [b"1", b"2", b"3"]
    assert link._counters.out_of_sequence == 2
    assert [frame.kind for frame in meter.sent[1:]] == [FrameKind.I] * 3


def test_a_repetition_behind_the_answer_is_dropped_before_the_next_request() -> None:
    first = from_meter(0x30, BACK + b"1")
    meter = Script(UA, first + first, from_meter(0x52, BACK + b"2"))
    link = opened(meter)
    assert [run_against(link.request(b"x"), meter) for _ in range(2)] == [b"1", b"2"]
    assert link._counters.out_of_sequence == 1


def test_a_frame_too_early_is_asked_for_from_the_missing_one() -> None:
    meter = Script(UA, from_meter(0x34, BACK + b"b"), from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert meter.sent[-1].nr == 0


def test_a_meter_that_counts_wrongly_is_out_of_sequence() -> None:
    meter = Script(UA, *[from_meter(0x34, BACK + b"b")] * 3)
    link = opened(meter)
    with pytest.raises(OutOfSequence, match="0 is expected"):
        run_against(link.request(b"x"), meter)


def test_an_answer_that_does_not_acknowledge_the_request_is_not_its_answer() -> None:
    meter = Script(UA, from_meter(0x10, BACK + b"old"), from_meter(0x32, BACK + b"new"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"new"
    assert link._counters.late_answers == 1


def test_what_answers_an_older_request_without_giving_the_turn_is_let_pass() -> None:
    meter = Script(UA, from_meter(0x00, BACK + b"old") + from_meter(0x32, BACK + b"new"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"new"
    assert len(meter.sent) == 2


def test_an_acknowledgement_of_nothing_without_the_turn_is_let_pass() -> None:
    meter = Script(UA, from_meter(supervisory_control(FrameKind.RR, 0) & ~0x10), from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert len(meter.sent) == 2


def test_the_first_segment_acknowledged_without_the_turn_is_let_pass() -> None:
    meter = Script(
        UA,
        from_meter(supervisory_control(FrameKind.RR, 1) & ~0x10),
        from_meter(supervisory_control(FrameKind.RR, 1)),
        from_meter(0x50, BACK + b"a"),
    )
    link = opened(meter)
    assert run_against(link.request(bytes(200)), meter) == b"a"
    assert [frame.ns for frame in meter.sent[1:]] == [0, 1]


# Floods and limits


def test_frames_of_others_are_ignored_and_counted() -> None:
    other = Frame(METER, METER, 0x30, BACK + b"other").to_bytes()
    meter = Script(UA, other + from_meter(0x13, b"push") + from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert link._counters.foreign_frames == 2


def test_a_flood_of_frames_without_an_answer_ends() -> None:
    meter = Script(UA, from_meter(0x13, b"push") * 65)
    link = opened(meter)
    with pytest.raises(OutOfSequence, match="no nearer"):
        run_against(link.request(b"x"), meter)


def test_a_flood_of_noise_ends() -> None:
    noise = bytes(MAX_NOISE + 1)
    meter = Script(UA, noise, noise, noise)
    link = opened(meter)
    with pytest.raises(LinkDamaged):
        run_against(link.request(b"x"), meter)


def test_a_payload_has_a_limit_and_so_have_empty_segments() -> None:
    def endless(info: bytes) -> Callable[[bytes], bytes | None]:
        number = -1

        def meter(_: bytes) -> bytes:
            nonlocal number
            number += 1
            return UA if number == 0 else from_meter(0x30 | (number - 1) % 8 << 1, info, segmented=True)

        return meter

    for info, error in ((bytes(1000), BadFrame), (b"", OutOfSequence)):
        meter = endless(info)
        link = opened(meter)
        with pytest.raises(error):
            run_against(link.request(b"x"), meter)


@pytest.mark.parametrize("info", [b"", b"\xe6", b"\xe6\xe7", b"\xe6\xe6\x00abc", b"\xc4\x01\xc1\x00"])
def test_an_answer_without_llc_header_is_a_bad_frame(info: bytes) -> None:
    meter = Script(UA, from_meter(0x30, info))
    link = opened(meter)
    with pytest.raises(BadFrame, match="LLC"):
        run_against(link.request(b"x"), meter)


def test_more_asks_with_a_poll() -> None:
    meter = Script(UA, from_meter(0x30, BACK + b"push"), from_meter(0x32, BACK + b"answer"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"push"
    assert run_against(link.more(), meter) == b"answer"
    assert (meter.sent[-1].kind, meter.sent[-1].nr) == (FrameKind.RR, 1)


def test_a_meter_with_nothing_more_is_not_asked_for_long() -> None:
    nothing = from_meter(supervisory_control(FrameKind.RR, 1))
    meter = Script(UA, from_meter(0x30, BACK + b"push"), *[nothing] * (MAX_POLLS_FOR_MORE + 1))
    link = opened(meter)
    run_against(link.request(b"x"), meter)
    with pytest.raises(MeterBusy):
        run_against(link.more(), meter)


def test_an_incomplete_frame_shows() -> None:
    link = opened(Script(UA))
    exchange = link.request(b"x")
    next(exchange)
    seen = [link.mid_frame]
    exchange.send(from_meter(0x30, BACK)[:6])
    seen.append(link.mid_frame)
    assert seen == [False, True]
    exchange.close()


# Gaps in windows above one

WIDE = LinkParameters(128, 128, 7, 7)


def wide_ua() -> bytes:
    return from_meter(unnumbered_control(FrameKind.UA), encode_parameters(WIDE))


def test_a_gap_is_asked_for_with_rr_and_when_the_meter_goes_on_with_rej() -> None:
    for habit, kinds in ((None, [FrameKind.RR]), (Habit.GOES_ON, [FrameKind.RR, FrameKind.REJ])):
        fates = [Fate.ARRIVES] * 2 + [Fate.LOST]
        limits = LinkParameters(20, 128, 3, 1)
        meter = Secondary(echo, limits, from_meter=fates, habits=frozenset({habit} if habit else set()))
        link = opened(meter, WIDE)
        assert run_against(link.request(bytes(range(110))), meter) == bytes(range(110))
        asked = [Frame(METER, CLIENT, control).kind for control in meter.controls[2:]]
        assert [kind for kind in asked if kind is FrameKind.REJ] == [kind for kind in kinds if kind is FrameKind.REJ]
        assert asked[0] is FrameKind.RR


@pytest.mark.parametrize("answer", [FrameKind.FRMR, None])
def test_a_meter_that_does_not_know_rej_gets_none_again(answer: FrameKind | None) -> None:
    gap = from_meter(0x34, BACK + b"b")
    end = [unnumbered(answer)] if answer else [None, None, None]
    meter = Script(wide_ua(), gap, gap, *end)
    link = opened(meter, WIDE)
    with pytest.raises(LinkReset if answer else ReplyTimeout):
        run_against(link.request(b"x"), meter)
    assert [frame.kind for frame in meter.sent[2:4]] == [FrameKind.RR, FrameKind.REJ]
    meter = Script(wide_ua(), gap, gap, from_meter(0x30, BACK + b"a"))
    run_against(link.connect(), meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert [frame.kind for frame in meter.sent[1:]] == [FrameKind.I, FrameKind.RR, FrameKind.RR]


def test_damage_in_a_window_waits_for_what_follows() -> None:
    first = from_meter(0x20, BACK + b"a", segmented=True)
    bent = first[:-3] + bytes((first[-3] ^ 1,)) + first[-2:]
    link = opened(Script(wide_ua()), WIDE)
    exchange = link.request(b"x")
    next(exchange)
    assert exchange.send(bent) == b""
    seen = [link.mid_frame]
    out = exchange.send(from_meter(0x32, b"b"))
    assert unpack_frame(out).kind is FrameKind.RR
    assert exchange.send(b"~") == b""
    seen.append(link.mid_frame)
    assert exchange.send(bent) == b""
    seen.append(link.mid_frame)
    assert unpack_frame(exchange.throw(ReplyTimeout("pause"))).kind is FrameKind.I
    assert [*seen, link.mid_frame] == [True, False, True, False]
    exchange.close()


def test_one_selected_frame_is_repeated_alone() -> None:
    select = from_meter(supervisory_control(FrameKind.SREJ, 1))
    meter = Script(wide_ua(), select, from_meter(0x70, BACK + b"a"))
    link = opened(meter, WIDE)
    assert run_against(link.request(bytes(300)), meter) == b"a"
    assert (meter.sent[-1].kind, meter.sent[-1].ns, meter.sent[-1].final) == (FrameKind.I, 1, True)
    assert link._counters.resent == 1


def test_a_selection_of_what_was_never_sent_repeats_what_is_in_flight() -> None:
    meter = Script(wide_ua(), from_meter(supervisory_control(FrameKind.SREJ, 2)), from_meter(0x30, BACK + b"old"))
    link = opened(meter, WIDE)
    with pytest.raises(OutOfSequence):
        run_against(link.request(b"x"), meter)
    meter = Script(wide_ua(), from_meter(supervisory_control(FrameKind.SREJ, 1)), from_meter(0x30, BACK + b"a"))
    link = opened(meter, WIDE)
    assert run_against(link.request(b"x"), meter) == b"a"


def test_a_selection_without_the_final_bit_acknowledges_nothing() -> None:
    select = from_meter(supervisory_control(FrameKind.SREJ, 2) & ~0x10)
    meter = Script(wide_ua(), select, from_meter(supervisory_control(FrameKind.RR, 1)), from_meter(0x70, BACK + b"a"))
    link = opened(meter, WIDE)
    assert run_against(link.request(bytes(300)), meter) == b"a"
    assert link._counters.resent == 1 + 2


@pytest.mark.parametrize("window", range(1, 8))
@pytest.mark.parametrize("habit", [Habit.REJECTS, Habit.SELECTS, Habit.GOES_ON])
def test_a_lost_segment_of_a_request_is_repeated(window: int, habit: Habit) -> None:
    limits = LinkParameters(50, 50, window, window)
    payload = bytes(i % 251 for i in range(500))
    for lost in range(1, 11):
        meter = Secondary(echo, limits, [Fate.ARRIVES] * lost + [Fate.LOST], habits=frozenset({habit}))
        link = opened(meter, WIDE)
        assert run_against(link.request(payload), meter) == payload
        assert (meter.received, meter.faults) == ([OUT + payload], [])


def test_a_meter_that_was_busy_and_did_not_take_the_frame_gets_it_again() -> None:
    busy = from_meter(supervisory_control(FrameKind.RNR, 0))
    ready = from_meter(supervisory_control(FrameKind.RR, 0))
    meter = Script(UA, busy, ready, busy, ready, busy, ready, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    assert [frame.kind for frame in meter.sent[1:]] == [FrameKind.I, FrameKind.RR] * 3 + [FrameKind.I]


# What an earlier exchange left behind


def test_the_rest_of_an_older_answer_is_let_pass() -> None:
    busy = from_meter(supervisory_control(FrameKind.RNR, 1))
    start = from_meter(0x30, BACK + b"old", segmented=True)
    meter = Script(UA, start, *[busy] * (MAX_POLLS + 1))
    link = opened(meter)
    with pytest.raises(MeterBusy):
        run_against(link.request(b"x"), meter)
    middle = from_meter(0x52, BACK + b"looks like a beginning", segmented=True)
    meter = Script(middle, from_meter(0x54, BACK + b"end"), from_meter(0x56, BACK + b"new"))
    assert run_against(link.request(b"y"), meter) == b"new"
    assert link._counters.late_answers == 1


def test_a_segment_of_an_older_answer_takes_the_others_along() -> None:
    old = from_meter(0x00, BACK + b"old", segmented=True) + from_meter(0x32, BACK + b"end")
    meter = Script(UA, old, from_meter(0x34, BACK + b"new"))
    link = opened(meter)
    assert run_against(link.request(b"x"), meter) == b"new"


# Keeping a link alive


ALIVE = [
    from_meter(supervisory_control(FrameKind.RR, 0)),
    from_meter(supervisory_control(FrameKind.RNR, 0)),
    from_meter(supervisory_control(FrameKind.RR, 0) & ~0x10) + from_meter(supervisory_control(FrameKind.RR, 0)),
    from_meter(0x13, b"push") + from_meter(supervisory_control(FrameKind.RR, 0)),
]


@pytest.mark.parametrize("answer", ALIVE)
def test_a_link_that_answers_is_alive(answer: bytes) -> None:
    meter = Script(UA, None, None, answer, from_meter(0x30, BACK + b"a"))
    link = opened(meter)
    run_against(link.keep_alive(), meter)
    assert [(frame.kind, frame.final) for frame in meter.sent[1:]] == [(FrameKind.RR, True)] * 3
    assert run_against(link.request(b"x"), meter) == b"a"


def test_what_comes_instead_of_rr_is_let_pass_with_its_segments() -> None:
    late, rest = from_meter(0x10, BACK + b"old", segmented=True), from_meter(0x32, b"rest")
    meter = Script(UA, late, rest, from_meter(0x34, BACK + b"a"))
    link = opened(meter)
    run_against(link.keep_alive(), meter)
    assert run_against(link.request(b"x"), meter) == b"a"
    repeated = from_meter(0x34, BACK + b"a")
    run_against(link.keep_alive(), Script(repeated))
    assert run_against(link.request(b"x"), Script(from_meter(0x56, BACK + b"b"))) == b"b"


def test_a_link_that_is_gone_says_so() -> None:
    for answers, error in (
        ([None, None, None], ReplyTimeout),
        ([unnumbered(FrameKind.DM)], LinkReset),
        ([unnumbered(FrameKind.FRMR)], LinkReset),
        ([from_meter(0x13, b"push") * 65], OutOfSequence),
        ([from_meter(supervisory_control(FrameKind.RR, 0) & ~0x10) * 65], OutOfSequence),
    ):
        meter = Script(UA, *answers)
        link = opened(meter)
        with pytest.raises(error):
            run_against(link.keep_alive(), meter)
    for exchange in (made().keep_alive(), made().more()):
        with pytest.raises(LinkReset, match="not open"):
            next(exchange)


def test_as_many_apdus_go_out_at_once_as_the_window_takes() -> None:
    link = opened(Script(wide_ua()), WIDE)
    assert [link.at_once(octets) for octets in (1, 125, 126, 400, 5000)] == [7, 7, 3, 1, 1]


def test_a_link_rests_between_exchanges_alone() -> None:
    link = opened(Secondary(echo))
    seen = [made().at_rest, link.at_rest]
    next(link.request(b"hello"))
    assert [*seen, link.at_rest] == [False, True, False]
    assert link.addresses == (b"\x03\x21", b"\x21\x03")
