"""Services beyond reading, on any octets: what was encoded comes back, what was not raises typed errors alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.access_service import (
    LONG_CONFIRMED_HIGH,
    AccessAction,
    AccessGet,
    AccessItem,
    AccessRequest,
    AccessSet,
    decode_access_request,
    decode_access_response,
    encode_access,
)
from poller.dlms.block_service import GeneralBlock, decode_general_block, encode_general_block
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.listening import PushListener
from poller.dlms.notification import decode_notification
from poller.dlms.push_streams import MAX_PAYLOAD, Framing
from poller.dlms.short_names import short_names
from poller.dlms.short_service import (
    BlockNumber,
    DataBlock,
    Parameterized,
    ReadRequest,
    Specification,
    Variable,
    WriteBlock,
    WriteRequest,
    decode_information_report,
    decode_read_request,
    decode_read_response,
    decode_write_request,
    decode_write_response,
    encode_read,
    encode_write,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "dlms_public.json").read_text("utf-8"))["vectors"]
PUSHES = [bytes.fromhex(vector["hex"]) for vector in VECTORS if "push" in vector["id"] or "notif" in vector["id"]]
DECODERS: dict[int, Callable[[bytes], object]] = {
    0x05: decode_read_request,
    0x06: decode_write_request,
    0x0C: decode_read_response,
    0x0D: decode_write_response,
    0x0F: decode_notification,
    0x16: decode_write_request,
    0x18: decode_information_report,
    0xC2: decode_notification,
    0xD9: decode_access_request,
    0xDA: decode_access_response,
    0xE0: decode_general_block,
}
NUMBERS = st.integers(0, 0xFFFF)
VALUES = st.one_of(
    st.just(Data(DataType.NULL, None)),
    st.builds(Data, st.just(DataType.UINT16), NUMBERS),
    st.builds(Data, st.just(DataType.OCTET_STRING), st.binary(max_size=200)),
)
GIVEN = st.builds(Data, st.just(DataType.UINT16), NUMBERS)
NAMES = st.builds(Obis.from_bytes, st.binary(min_size=6, max_size=6))
REFS = st.builds(AttributeRef, NUMBERS, NAMES, st.integers(-128, 127))
SELECTIONS = st.none() | st.builds(Selection, st.integers(0, 255), VALUES)
ITEMS: st.SearchStrategy[AccessItem] = st.one_of(
    st.builds(AccessGet, REFS, SELECTIONS),
    st.builds(AccessSet, REFS, VALUES, SELECTIONS),
    st.builds(AccessAction, st.builds(MethodRef, NUMBERS, NAMES, st.integers(1, 127)), st.none() | GIVEN),
)
VARIABLES: st.SearchStrategy[Specification] = st.one_of(
    st.builds(Variable, NUMBERS),
    st.builds(Parameterized, NUMBERS, st.integers(0, 255), VALUES),
    st.builds(BlockNumber, NUMBERS),
    st.builds(DataBlock, st.booleans(), NUMBERS, st.binary(max_size=200)),
    st.builds(WriteBlock, st.booleans(), NUMBERS),
)
BLOCKS = st.builds(
    GeneralBlock, NUMBERS, st.binary(max_size=300), st.booleans(), st.booleans(), st.integers(0, 63), NUMBERS
)


@given(st.integers(0, 0xFFFFFF), st.lists(ITEMS, max_size=5))
def test_access_requests_come_back(invoke: int, items: list[AccessItem]) -> None:
    request = decode_access_request(encode_access(invoke, items))
    assert request == AccessRequest(LONG_CONFIRMED_HIGH | invoke, tuple(items))


@given(st.lists(st.tuples(VARIABLES, VALUES), max_size=5), st.booleans())
def test_reads_and_writes_come_back(items: list[tuple[Specification, Data]], confirmed: bool) -> None:
    variables, values = tuple(variable for variable, _ in items), tuple(value for _, value in items)
    assert decode_read_request(encode_read(variables)) == ReadRequest(variables)
    written = decode_write_request(encode_write(variables, values, confirmed=confirmed))
    assert written == WriteRequest(variables, values, confirmed)


@given(BLOCKS)
def test_general_blocks_come_back(block: GeneralBlock) -> None:
    assert decode_general_block(encode_general_block(block)) == block


@pytest.mark.parametrize("tag", DECODERS, ids=lambda tag: f"{tag:02x}")
@given(octets=st.binary(max_size=60))
def test_any_octets_are_decoded_or_refused_with_a_typed_error(tag: int, octets: bytes) -> None:
    try:
        DECODERS[tag](bytes((tag,)) + octets)
    except BridgeError:
        return


@given(VALUES | st.builds(Data, st.just(DataType.ARRAY), st.lists(VALUES, max_size=4).map(tuple)))
def test_any_value_is_an_object_list_or_refused(value: Data) -> None:
    try:
        short_names(value)
    except BridgeError:
        return


@given(
    st.sampled_from(Framing),
    st.lists(st.sampled_from(PUSHES) | st.binary(max_size=40), max_size=8),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    st.integers(1, 300),
)
def test_a_listener_raises_nothing_whatever_comes(
    framing: Framing, pieces: list[bytes], damage: list[tuple[int, int]], step: int
) -> None:
    stream = bytearray(b"".join(pieces))
    for place, octet in damage:
        if place < len(stream):
            stream[place] = octet
    listener = PushListener(framing)
    heard = [push for at in range(0, len(stream), step) for push in listener.feed(bytes(stream[at : at + step]))]
    heard += listener.expire()
    assert len(heard) == listener.counters.notifications + sum(listener.refused.values())
    assert len(stream) <= MAX_PAYLOAD
