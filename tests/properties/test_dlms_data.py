"""Values and APDUs: what is encoded comes back; whatever is received raises nothing but our errors."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.apdu import decode_apdu
from poller.dlms.axdr import decode_data, decode_whole, encode_data
from poller.dlms.conversation import AttributeRef, Conversation, Profile, Transport
from poller.dlms.cosem import scaler_unit
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time
from poller.dlms.errors import BadData, BadParameter
from poller.dlms.hdlc_parameters import decode_parameters
from poller.dlms.wrapper import Wpdu
from tests.support.dlms_drive import run_against
from tests.support.hdlc_secondary import Secondary


def number(data_type: DataType, bits: int, *, signed: bool) -> st.SearchStrategy[Data]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return st.builds(Data, st.just(data_type), st.integers(low, high))


def typed(data_type: DataType, values: st.SearchStrategy[object]) -> st.SearchStrategy[Data]:
    return st.builds(Data, st.just(data_type), values)


FIELD = st.one_of(st.none(), st.integers(0, 254))
DATES = st.builds(Date, st.one_of(st.none(), st.integers(0, 65534)), FIELD, FIELD, FIELD)
TIMES = st.builds(Time, FIELD, FIELD, FIELD, FIELD)
DATE_TIMES = st.builds(DateTime, DATES, TIMES, st.one_of(st.none(), st.integers(-32767, 32767)), FIELD)
SIMPLE = st.one_of(
    typed(DataType.NULL, st.none()),
    typed(DataType.DONT_CARE, st.none()),
    typed(DataType.BOOLEAN, st.booleans()),
    number(DataType.INT8, 8, signed=True),
    number(DataType.INT16, 16, signed=True),
    number(DataType.INT32, 32, signed=True),
    number(DataType.INT64, 64, signed=True),
    number(DataType.UINT8, 8, signed=False),
    number(DataType.UINT16, 16, signed=False),
    number(DataType.UINT32, 32, signed=False),
    number(DataType.UINT64, 64, signed=False),
    number(DataType.ENUM, 8, signed=False),
    number(DataType.BCD, 8, signed=False),
    typed(DataType.FLOAT32, st.floats(width=32, allow_nan=False)),
    typed(DataType.FLOAT64, st.floats(allow_nan=False)),
    typed(DataType.OCTET_STRING, st.binary(max_size=140)),
    typed(DataType.VISIBLE_STRING, st.text(st.characters(max_codepoint=255), max_size=40)),
    typed(DataType.UTF8_STRING, st.text(max_size=20)),
    typed(DataType.BIT_STRING, st.binary(max_size=40).map(lambda octets: BitString(octets, 8 * len(octets)))),
    typed(DataType.DATE, DATES),
    typed(DataType.TIME, TIMES),
    typed(DataType.DATE_TIME, DATE_TIMES),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(
        Data, st.sampled_from([DataType.ARRAY, DataType.STRUCTURE]), st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=8,
)
TAGGED = st.lists(st.sampled_from([*map(int, DataType), 0, 1, 2, 0x7F, 0x80, 0x81, 0x82, 0x84]), max_size=60).map(bytes)
OCTETS = st.one_of(st.binary(max_size=120), TAGGED)


@given(VALUES)
def test_a_value_survives(data: Data) -> None:
    assert decode_whole(encode_data(data)) == data


@given(VALUES, st.integers(0, 4))
def test_a_compact_array_survives(element: Data, count: int) -> None:
    compact = Data(DataType.COMPACT_ARRAY, (element,) * count)
    try:
        octets = encode_data(compact)
    except BadParameter:
        return
    assert decode_whole(octets) == compact


@given(VALUES, st.data())
def test_a_cut_value_is_bad_data(data: Data, draw: st.DataObject) -> None:
    octets = encode_data(data)
    length = draw.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(BadData):
        decode_data(octets[:length])


@given(OCTETS)
def test_any_octets_are_a_value_or_bad_data(octets: bytes) -> None:
    try:
        data, end = decode_data(octets)
    except BadData:
        return
    assert 0 < end <= len(octets)
    with suppress(BadData):
        scaler_unit(data)


TAGS = st.sampled_from([0x01, 0x08, 0x0E, 0x60, 0x61, 0x62, 0x63, 0xC0, 0xC4, 0xD8, 0xC1, 0xC5, 0xC3, 0xC7])
APDUS = st.one_of(
    OCTETS,
    st.builds(lambda tag, octets: bytes((tag,)) + octets, TAGS, OCTETS),
    st.builds(
        lambda tag, kind, octets: bytes((tag, kind, 0xC1)) + octets,
        st.sampled_from([0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7]),
        st.integers(1, 7),
        OCTETS,
    ),
)


@given(APDUS)
def test_any_octets_are_an_apdu_or_a_typed_error(octets: bytes) -> None:
    with suppress(BridgeError):
        decode_apdu(octets)


@given(st.binary(max_size=40))
def test_any_parameters_are_limits_or_a_typed_error(octets: bytes) -> None:
    try:
        limits = decode_parameters(octets)
    except BridgeError:
        return
    assert min(limits.info_tx, limits.info_rx, limits.window_tx, limits.window_rx) >= 1


ACCEPTED = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000321d19000007")
REFS = [AttributeRef(3, Obis(1, 1, 32, 7, 0), attribute) for attribute in (2, 3)]


@pytest.mark.parametrize("transport", Transport)
@given(st.lists(st.one_of(APDUS, st.just(ACCEPTED)), max_size=12))
def test_a_meter_that_answers_anything_raises_nothing_but_our_errors(transport: Transport, apdus: list[bytes]) -> None:
    conversation = Conversation(Profile(transport, 16, 1))
    meter = answering(transport, [ACCEPTED, *apdus])
    with suppress(BridgeError):
        run_against(conversation.open(), meter)
        run_against(conversation.get_many(REFS), meter)
        run_against(conversation.get(REFS[0]), meter)
    run_against(conversation.close(), meter)


def answering(transport: Transport, apdus: list[bytes]) -> Callable[[bytes], bytes | None]:
    """Return a peer that answers with the APDUs in turn, and is silent when none is left."""
    answers = iter(apdus)
    if transport is Transport.HDLC:
        return Secondary(lambda _: b"\xe6\xe7\x00" + next(answers, b""))

    def peer(out: bytes) -> bytes | None:
        apdu = next(answers, None)
        return None if apdu is None else Wpdu(1, 16, apdu).to_bytes()

    return peer


@pytest.mark.parametrize("transport", Transport)
@given(st.lists(st.binary(max_size=80), max_size=10))
def test_a_stream_of_anything_raises_nothing_but_our_errors(transport: Transport, chunks: list[bytes]) -> None:
    left = iter(chunks)
    with suppress(BridgeError):
        run_against(Conversation(Profile(transport, 16, 1)).open(), lambda _: next(left, None))
