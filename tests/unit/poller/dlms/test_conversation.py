"""A conversation with a meter that answers from a table."""

from collections.abc import Callable, Sequence

import pytest

from common.errors import BridgeError, Skip
from poller.dlms.access_service import AccessGet
from poller.dlms.association import Association
from poller.dlms.channel import MAX_LATE
from poller.dlms.conversation import (
    AttributeRef,
    Conversation,
    Mechanism,
    Profile,
    Referencing,
    Selection,
    Transport,
)
from poller.dlms.data import Data, DataType
from poller.dlms.errors import (
    AccessDenied,
    AssociationLost,
    AuthenticationFailed,
    BadData,
    BadParameter,
    BlockUnavailable,
    ExceptionResponse,
    MeterBusy,
    ObjectUndefined,
    OtherReason,
    ReplyTimeout,
    TemporaryFailure,
    UnexpectedReply,
)
from poller.dlms.exchange import Exchange
from poller.dlms.get_service import DESCRIPTOR_OCTETS
from poller.dlms.hdlc_frame import Frame, FrameKind, supervisory_control
from poller.dlms.hdlc_parameters import LinkParameters
from poller.dlms.wrapper import Wpdu
from tests.support.dlms_drive import run_against
from tests.support.hdlc_secondary import CLIENT, METER, Fate, Secondary
from tests.support.keyring import FixedSource
from tests.support.scripted_meter import (
    ACCEPTED,
    FIVE,
    FULL,
    HDLC,
    NOTHING,
    RESET,
    SCALER,
    SIX,
    VOLTAGE,
    WITH_LIST,
    WITHOUT_LIST,
    WRAPPER,
    Answer,
    Meter,
    granting,
    normal,
    opened,
)


def read(answer: Callable[[bytes], Answer | Sequence[Answer]], terms: str = WITHOUT_LIST) -> Data:
    meter = Meter(answer, terms)
    return run_against(opened(meter).get(VOLTAGE), meter)


# Opening and closing


def test_opening_takes_over_the_terms() -> None:
    conversation = opened(Meter(normal))
    assert conversation.association == Association(0x00301D, 6400, 7)


def test_a_refused_password_is_told_and_leaves_no_association() -> None:
    refusal = "6129a109060760857405080101a203020101a305a10302010dbe10040e0800065f1f0400001e1d02000007"
    conversation = Conversation(WRAPPER)
    with pytest.raises(AuthenticationFailed, match="authentication-failure"):
        run_against(conversation.open(), lambda _: Wpdu(1, 16, bytes.fromhex(refusal)).to_bytes())
    assert conversation.association is None


def test_nothing_is_read_outside_an_association() -> None:
    conversation = Conversation(WRAPPER)
    for exchange in (conversation.get(VOLTAGE), conversation.get_many([VOLTAGE])):
        with pytest.raises(AssociationLost):
            next(exchange)


@pytest.mark.parametrize("answer", ["6303800100", "d80102", "ffff", None])
def test_closing_releases_and_forgives_any_answer(answer: Answer) -> None:
    meter = Meter(normal)
    conversation = opened(meter)
    asked: list[bytes] = []

    def leaving(octets: bytes) -> bytes | None:
        asked.append(octets[8:])
        return None if answer is None else Wpdu(1, 16, bytes.fromhex(str(answer))).to_bytes()

    run_against(conversation.close(), leaving)
    assert asked == [bytes.fromhex("6203800100")]
    assert conversation.association is None
    run_against(conversation.close(), leaving)
    assert len(asked) == 1


def test_a_conversation_can_be_opened_again() -> None:
    meter = Meter(normal)
    conversation = opened(meter)
    run_against(conversation.close(), meter)
    run_against(conversation.open(), meter)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE


def test_hdlc_closes_with_disc() -> None:
    meter = Secondary(lambda payload: b"\xe6\xe7\x00" + bytes.fromhex(ACCEPTED.format(WITHOUT_LIST)))
    conversation = opened(meter, HDLC)
    assert meter.up
    run_against(conversation.close(), meter)
    assert not meter.up


def test_only_hdlc_has_limits_of_frames() -> None:
    meter = Secondary(lambda payload: b"\xe6\xe7\x00" + bytes.fromhex(ACCEPTED.format(WITHOUT_LIST)))
    assert opened(meter, HDLC).frame_limits == LinkParameters()
    assert opened(Meter(normal)).frame_limits is None


# One value


def test_a_value() -> None:
    assert read(normal) == FIVE


def test_invoke_ids_run_from_1_to_15_with_confirmed_and_high_priority() -> None:
    meter = Meter(normal)
    conversation = opened(meter)
    for _ in range(31):
        run_against(conversation.get(VOLTAGE), meter)
    assert [apdu[2] for apdu in meter.asked[1:]] == [0xC0 | (number % 15 + 1) for number in range(31)]


@pytest.mark.parametrize(
    ("result", "error"),
    [("0104", ObjectUndefined), ("0103", AccessDenied), ("0102", TemporaryFailure), ("01fa", OtherReason)],
)
def test_an_error_in_place_of_the_value(result: str, error: type[BridgeError]) -> None:
    with pytest.raises(error):
        read(lambda apdu: normal(apdu, result))


@pytest.mark.parametrize("result", ["006400", "00060000", "00", "02", "0011050000"])
def test_a_value_that_cannot_be(result: str) -> None:
    with pytest.raises(BadData):
        read(lambda apdu: normal(apdu, result))


@pytest.mark.parametrize("answer", ["d80102", "0e010601", "d80106 00000008".replace(" ", "")])
def test_a_refused_service_asks_for_a_new_association(answer: str) -> None:
    with pytest.raises(ExceptionResponse):
        read(lambda _: answer)


@pytest.mark.parametrize("answer", ["", "c4", "c401", "6303800100", "c504c100", "01", "ff"])
def test_what_is_no_answer(answer: str) -> None:
    with pytest.raises(UnexpectedReply):
        read(lambda _: answer)


def test_a_list_is_no_answer_to_one() -> None:
    with pytest.raises(UnexpectedReply, match="GetList"):
        read(lambda apdu: f"c403{apdu[2]:02x}01001105")


def test_answers_to_something_older_are_dropped_and_counted() -> None:
    late = "c401ce001106"
    meter = Meter(lambda apdu: [late, "0f000001db000922", "c20000", late, normal(apdu)])
    conversation = opened(meter)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE
    assert (conversation.counters.late_answers, conversation.counters.notifications_dropped) == (2, 2)


def test_replies_match_on_the_identifier_not_on_the_priority() -> None:
    assert read(lambda apdu: f"c401{apdu[2] & 0x0F:02x}001105") == FIVE


def test_a_meter_that_answers_only_something_else_is_confused() -> None:
    with pytest.raises(UnexpectedReply, match="invoke id 1"):
        read(lambda _: ["c401ce001106"] * (MAX_LATE + 1))


def test_silence_is_the_callers_timeout_and_its_late_answer_is_dropped() -> None:
    answers: list[Answer | list[Answer]] = [None, ["c401c1001106", "c401c2001105"]]
    meter = Meter(lambda _: answers.pop(0))
    conversation = opened(meter)
    with pytest.raises(ReplyTimeout):
        run_against(conversation.get(VOLTAGE), meter)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE


# Blocks


def in_blocks(content: bytes, size: int, first: int = 1) -> Callable[[bytes], str]:
    def answer(apdu: bytes) -> str:
        number = first if apdu[1] != 2 else int.from_bytes(apdu[3:], "big") + 1
        start = (number - first) * size
        part = content[start : start + size]
        last = int(start + size >= len(content))
        return f"c402{apdu[2]:02x}{last:02x}{number:08x}00{len(part):02x}{part.hex()}"

    return answer


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("first", [0, 1])
def test_a_value_in_blocks(size: int, first: int) -> None:
    content = bytes.fromhex("0903aabbcc")
    assert read(in_blocks(content, size, first)) == Data(DataType.OCTET_STRING, b"\xaa\xbb\xcc")


def test_blocks_keep_the_invoke_id_and_acknowledge_the_last_number() -> None:
    meter = Meter(in_blocks(bytes.fromhex("0903aabbcc"), 2))
    run_against(opened(meter).get(VOLTAGE), meter)
    assert [apdu.hex() for apdu in meter.asked[2:]] == ["c002c100000001", "c002c100000002"]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c402c1000000000100 0111", "c402c1010000000300 0105"], UnexpectedReply),
        (["c402c1000000000100 0111", "c402c1010000000100 0105"], UnexpectedReply),
        (["c402c1000000000100 0111", "c401c1001105"], UnexpectedReply),
        (["c402c1000000000100 0111", "c401c1010f"], BlockUnavailable),
        (["c402c1000000000100 0111", "c402c101000000020113"], BlockUnavailable),
        (["c402c100000000010 103"], AccessDenied),
        (["c402c1000000000100 00", "c402c1010000000200 00"], UnexpectedReply),
        (["c402c1000000000100 0111", "c402c1010000000200 00"], BadData),
        (["c402c1000000000100 0111", "c402c1010000000200 020505"], BadData),
    ],
)
def test_blocks_that_do_not_add_up(answers: list[str], error: type[BridgeError]) -> None:
    left = [answer.replace(" ", "") for answer in answers]
    with pytest.raises(error):
        read(lambda _: left.pop(0))


def test_a_value_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.getting.MAX_VALUE", 300)
    with pytest.raises(BadData, match="300"):
        read(in_blocks(bytes(1000), 100))


# Many values


def listed(apdu: bytes, *results: str) -> str:
    return f"c403{apdu[2]:02x}{len(results):02x}{''.join(results)}"


def many(meter: Meter, refs: Sequence[AttributeRef], profile: Profile = WRAPPER) -> list[Data | BridgeError]:
    return run_against(opened(meter, profile).get_many(refs), meter)


def one_by_one(apdu: bytes) -> str:
    return normal(apdu, "0104" if apdu[5:11] == NOTHING.obis.to_bytes() else "001105")


def test_without_lists_each_is_asked_and_an_error_stays_in_its_place() -> None:
    meter = Meter(one_by_one)
    first, second, third = many(meter, [VOLTAGE, NOTHING, SCALER])
    assert (first, third) == (FIVE, FIVE)
    assert isinstance(second, ObjectUndefined)
    assert [apdu[1] for apdu in meter.asked[1:]] == [1, 1, 1]


def test_with_lists_one_round_trip_does() -> None:
    meter = Meter(lambda apdu: listed(apdu, "001105", "0104", "001106"), WITH_LIST)
    first, second, third = many(meter, [VOLTAGE, NOTHING, SCALER])
    assert (first, third) == (FIVE, SIX)
    assert isinstance(second, ObjectUndefined)
    assert [apdu[:2].hex() for apdu in meter.asked[1:]] == ["c003"]


def test_one_value_needs_no_list_and_none_nothing() -> None:
    meter = Meter(one_by_one, WITH_LIST)
    assert many(meter, [VOLTAGE]) == [FIVE]
    assert [apdu[1] for apdu in meter.asked[1:]] == [1]
    assert many(meter, []) == []


def test_lists_can_be_switched_off() -> None:
    meter = Meter(one_by_one, WITH_LIST)
    profile = Profile(Transport.WRAPPER, 16, 1, use_with_list=False)
    assert many(meter, [VOLTAGE, SCALER], profile) == [FIVE, FIVE]


def test_a_list_in_blocks() -> None:
    meter = Meter(in_blocks(bytes.fromhex("02001105001106"), 3), WITH_LIST)
    assert many(meter, [VOLTAGE, SCALER]) == [FIVE, SIX]


def test_lists_are_split_to_what_the_server_takes() -> None:
    def answer(apdu: bytes) -> str:
        return listed(apdu, *["001105"] * apdu[3]) if apdu[1] == 3 else normal(apdu)

    meter = Meter(answer, "00321d0040")
    assert many(meter, [VOLTAGE] * 13) == [FIVE] * 13
    lists = [apdu for apdu in meter.asked[1:] if apdu[1] == 3]
    assert [apdu[3] for apdu in lists] == [5, 5, 3]
    assert max(map(len, lists)) <= 0x40
    tiny = Meter(answer, "00321d0010")
    assert many(tiny, [VOLTAGE] * 3) == [FIVE] * 3
    assert len(lists[0][4:]) // 5 == DESCRIPTOR_OCTETS


@pytest.mark.parametrize(
    "wrong",
    [
        lambda apdu: "d80102",
        lambda apdu: listed(apdu, "001105"),
        lambda apdu: listed(apdu, "001105", "001105", "001105"),
        lambda apdu: normal(apdu),
        lambda apdu: normal(apdu, "01fa"),
        lambda apdu: listed(apdu, "001105", "1105"),
        lambda apdu: f"c402{apdu[2]:02x}01000000010003010011",
        lambda apdu: f"c402{apdu[2]:02x}0100000001010e",
        lambda apdu: "6303800100",
    ],
)
def test_a_list_answered_wrongly_falls_back_for_good(wrong: Callable[[bytes], str]) -> None:
    meter = Meter(lambda apdu: wrong(apdu) if apdu[1] == 3 else one_by_one(apdu), WITH_LIST)
    conversation = opened(meter)
    for _ in range(2):
        assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, FIVE]
    assert [apdu[1] for apdu in meter.asked[1:]] == [3, 1, 1, 1, 1]
    assert conversation.counters.with_list_fallbacks == 1


def test_a_temporary_failure_of_a_list_is_no_reason_to_give_lists_up() -> None:
    def answer(apdu: bytes) -> str:
        return f"c402{apdu[2]:02x}01000000010102" if apdu[1] == 3 else one_by_one(apdu)

    meter = Meter(answer, WITH_LIST)
    conversation = opened(meter)
    assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, FIVE]
    assert conversation.counters.with_list_fallbacks == 0


def test_a_first_list_that_is_never_answered_falls_back_at_the_next_cycle() -> None:
    meter = Meter(lambda apdu: None if apdu[1] == 3 else one_by_one(apdu), WITH_LIST)
    conversation = opened(meter)
    with pytest.raises(ReplyTimeout):
        run_against(conversation.get_many([VOLTAGE, SCALER]), meter)
    run_against(conversation.open(), meter)
    assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, FIVE]


def test_a_lost_answer_to_a_later_list_is_no_reason_to_give_lists_up() -> None:
    silent = False

    def answer(apdu: bytes) -> Answer:
        return None if silent else listed(apdu, "001105", "001106")

    meter = Meter(answer, WITH_LIST)
    conversation = opened(meter)
    assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, SIX]
    silent = True
    with pytest.raises(ReplyTimeout):
        run_against(conversation.get_many([VOLTAGE, SCALER]), meter)
    silent = False
    assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, SIX]
    assert conversation.counters.with_list_fallbacks == 0


def test_other_families_are_raised_out_of_many() -> None:
    with pytest.raises(ExceptionResponse):
        many(Meter(lambda _: "d80102"), [VOLTAGE, SCALER])


def test_a_busy_meter_is_not_asked_for_the_rest() -> None:
    octets = bytes.fromhex(ACCEPTED.format(WITHOUT_LIST))
    meter = Secondary(lambda payload: b"\xe6\xe7\x00" + octets)
    conversation = opened(meter, HDLC)
    busy = Frame(CLIENT, METER, supervisory_control(FrameKind.RNR, 2)).to_bytes()
    results = run_against(conversation.get_many([VOLTAGE, SCALER, NOTHING]), lambda _: busy)
    assert [type(result) for result in results] == [MeterBusy] * 3
    assert conversation.counters.polls == 30


def test_temporary_failures_are_items_too() -> None:
    results = many(Meter(lambda apdu: normal(apdu, "0102")), [VOLTAGE])
    assert isinstance(results[0], TemporaryFailure)
    assert not isinstance(results[0], Skip)


# Over HDLC, through a bad line


def test_values_come_right_through_a_line_that_loses_every_seventh_frame() -> None:
    def answer(payload: bytes) -> bytes:
        apdu = payload[3:]
        if apdu[0] == 0x60:
            return b"\xe6\xe7\x00" + bytes.fromhex(ACCEPTED.format(WITHOUT_LIST))
        return b"\xe6\xe7\x00" + bytes.fromhex(normal(apdu, "00090203" + f"{apdu[11]:02x}"))

    seventh, eleventh = [Fate.ARRIVES] * 6 + [Fate.LOST], [Fate.ARRIVES] * 10 + [Fate.DAMAGED]
    meter = Secondary(answer, to_meter=seventh * 100, from_meter=eleventh * 100)
    conversation = opened(meter, HDLC)
    for attribute in range(100):
        ref = AttributeRef(3, VOLTAGE.obis, attribute)
        assert run_against(conversation.get(ref), meter) == Data(DataType.OCTET_STRING, bytes((3, attribute)))
    assert meter.faults == []
    assert conversation.counters.resent > 5


# Further services


def test_every_service_has_its_method() -> None:
    answers = {0xC0: "001105", 0xC1: "00", 0xC3: "0000"}
    meter = Meter(lambda apdu: f"{apdu[0] + 4:02x}01{apdu[2]:02x}{answers[apdu[0]]}", granting(0x1900))
    conversation = opened(meter, FULL)
    assert run_against(conversation.get(VOLTAGE, Selection(2, FIVE)), meter) == FIVE
    run_against(conversation.set(VOLTAGE, FIVE), meter)
    assert run_against(conversation.set_many([(VOLTAGE, FIVE)]), meter) == [None]
    assert run_against(conversation.action(RESET), meter) is None
    assert run_against(conversation.action_many([(RESET, FIVE)]), meter) == [None]
    assert run_against(conversation.access([]), meter) == []
    assert conversation.take_notifications() == []
    assert [apdu[0] for apdu in meter.asked[1:]] == [0xC0, 0xC1, 0xC1, 0xC3, 0xC3]


def test_short_names_have_the_same_methods() -> None:
    profile = Profile(Transport.WRAPPER, 16, 1, referencing=Referencing.SN)
    conversation = Conversation(profile)
    exchanges: list[Exchange[object]] = [
        conversation.get(VOLTAGE),
        conversation.get_many([VOLTAGE]),
        conversation.set(VOLTAGE, FIVE),
        conversation.set_many([(VOLTAGE, FIVE)]),
        conversation.action(RESET),
        conversation.action_many([(RESET, None)]),
        conversation.access([AccessGet(VOLTAGE)]),
    ]
    for exchange in exchanges:
        with pytest.raises(AssociationLost):
            next(exchange)


@pytest.mark.parametrize("result", ["0009060000280000ff", "0104"])
def test_wrapper_is_kept_alive_by_the_associations_name(result: str) -> None:
    meter = Meter(lambda apdu: normal(apdu, result))
    conversation = opened(meter)
    run_against(conversation.keep_alive(), meter)
    assert meter.asked[1].hex() == "c001c1000f0000280000ff0100"


def test_hdlc_is_kept_alive_by_rr() -> None:
    meter = Secondary(lambda payload: b"\xe6\xe7\x00" + bytes.fromhex(ACCEPTED.format(WITHOUT_LIST)))
    conversation = opened(meter, HDLC)
    run_against(conversation.keep_alive(), meter)
    assert conversation.counters.polls == 1


def test_what_is_closed_is_not_kept_alive() -> None:
    with pytest.raises(AssociationLost):
        next(Conversation(WRAPPER).keep_alive())


def test_security_needs_a_source() -> None:
    profile = Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_SHA256, secret=b"1")
    with pytest.raises(BadParameter, match="source"):
        Conversation(profile)
    assert Conversation(profile, FixedSource()).association is None


def test_an_association_can_be_forgotten() -> None:
    conversation = opened(Meter(normal))
    conversation.association = None
    with pytest.raises(AssociationLost):
        next(conversation.get(VOLTAGE))


def test_an_incomplete_answer_shows() -> None:
    meter = Meter(normal)
    conversation = opened(meter)
    exchange = conversation.get(VOLTAGE)
    next(exchange)
    seen = [conversation.mid_frame]
    exchange.send(b"\x00\x01")
    seen.append(conversation.mid_frame)
    assert seen == [False, True]


def test_a_predecessors_address_pair_means_logical_one() -> None:
    sent = next(Conversation(Profile(Transport.HDLC, 1, 0, 1)).open())
    assert sent == bytes.fromhex("7ea0070303938c117e")


def drain(exchange: Exchange[object]) -> bytes:
    return next(exchange)


def test_the_first_octets_of_a_session_are_those_of_the_field() -> None:
    assert drain(Conversation(HDLC).open()) == Frame(METER, CLIENT, 0x93).to_bytes()
    assert drain(Conversation(Profile(Transport.HDLC, 1, 1)).open()) == bytes.fromhex("7ea0070303938c117e")
