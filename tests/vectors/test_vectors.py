"""Every published and captured vector, field by field, against what its source states.

A vector is decoded as stated, or refused with a typed error where its source says so.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms import acse, get_service
from poller.dlms.apdu import Apdu, decode_apdu
from poller.dlms.axdr import decode_data, decode_whole
from poller.dlms.block_service import GeneralBlock
from poller.dlms.cosem import ScalerUnit, scaler_unit, unit_name
from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.descriptors import AttributeRef
from poller.dlms.exchange import Counters
from poller.dlms.get_service import GetItem, GetNormal, GetRequest
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import Frame, FrameKind, unpack_frame
from poller.dlms.hdlc_parameters import LinkParameters, decode_parameters
from poller.dlms.notification import Notification
from poller.dlms.set_service import SetRequest, SetResponse
from poller.dlms.wrapper import Wpdu, WrapperDecoder
from poller.dlms.xdlms import Conformance
from tests.support.dlms_words import TYPE_NAMES, describe, initiate, moment_words, plain

Vector = Mapping[str, Any]
HERE: Final = Path(__file__).parent
PUBLIC: Final[list[Vector]] = json.loads((HERE / "dlms_public.json").read_text("utf-8"))["vectors"]
MICROSTAR: Final[list[Vector]] = json.loads((HERE / "microstar_hdlc.json").read_text("utf-8"))["vectors"]
TOTAL: Final = 168

PROTECTED: Final = {vector["id"] for vector in PUBLIC if vector["kind"] == "ciphered" or "keys" in vector}
"""In test_ciphered_vectors."""


def octets_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"] if "hex" in vector else vector["frame"])


def chosen(vectors: list[Vector], **having: str) -> list[Any]:
    """Return the vectors to decode now, as parameters with their ids."""
    wanted = [v for v in vectors if v["id"] not in PROTECTED and "expect" not in v]
    return [pytest.param(v, id=v["id"]) for v in wanted if having.items() <= v.items()]


def apdu_in(info: bytes) -> bytes:
    assert info[:2] in {b"\xe6\xe6", b"\xe6\xe7"}
    assert info[2] == 0
    return info[3:]


def obis(text: str) -> Obis:
    return Obis.parse(text)


# HDLC


def address_of(stated: int | Mapping[str, int]) -> Address:
    if isinstance(stated, int):
        return Address(stated)
    return Address(stated["logical"], stated.get("physical"), stated["size"])


FRAME_FIELDS: Final[Mapping[str, Callable[[Frame], object]]] = {
    "type": lambda frame: frame.kind.name,
    "control": lambda frame: frame.control,
    "ns": lambda frame: frame.ns,
    "nr": lambda frame: frame.nr,
    "final": lambda frame: frame.final,
    "segmented": lambda frame: frame.segmented,
    "info": lambda frame: frame.info.hex(),
}


def get_value(value: int) -> Callable[[Frame], None]:
    def check(frame: Frame) -> None:
        reply = decode_apdu(apdu_in(frame.info))
        assert isinstance(reply, GetNormal)
        assert reply.result == Data(DataType.UINT32, value)

    return check


def check_kamstrup_aarq(frame: Frame) -> None:
    aarq = decode_apdu(apdu_in(frame.info))
    assert isinstance(aarq, acse.Aarq)
    assert aarq.calling_title == bytes.fromhex("0000000000000001")
    assert frame.source == Address(16)


def check_kamstrup_aare(frame: Frame) -> None:
    aare = decode_apdu(apdu_in(frame.info))
    assert isinstance(aare, acse.Aare)
    assert aare.result is acse.Result.ACCEPTED
    assert aare.responding_title == bytes.fromhex("4b414d450235cb3a")
    assert initiate(aare.user_information)["max_pdu"] == 2027


def check_kamstrup_get(frame: Frame) -> None:
    expected = GetRequest(0xC0, (GetItem(AttributeRef(1, obis("0.2.43.1.8.255"), 2)),))
    assert decode_apdu(apdu_in(frame.info)) == expected
    assert expected.invoke & get_service.INVOKE_MASK == 0


def check_first_segment(frame: Frame) -> None:
    """The first of the object list's first block: its head is there, the rest follows after an RR."""
    assert apdu_in(frame.info).startswith(bytes.fromhex("c402c1000000000100"))
    assert frame.final


def check_aidon(frame: Frame) -> None:
    """An array of one structure: 1-0:1.7.0*255, 368, scaler 0 and the unit W."""
    push = decode_apdu(apdu_in(frame.info))
    assert isinstance(push, Notification)
    assert (push.invoke, push.confirmed, push.moment) == (0, True, None)
    assert plain(push.data) == [["0100010700ff", 368, [0, 27]]]


def general_block(number: int, *, last: bool, octets: int) -> Callable[[Frame], None]:
    def check(frame: Frame) -> None:
        expected = GeneralBlock(number, block_in(frame).data, last=last, streaming=True, window=0)
        assert block_in(frame) == expected
        assert len(expected.data) == octets

    return check


def block_in(frame: Frame) -> GeneralBlock:
    """Return the block of a frame; later ones of a push come without LLC header."""
    block = decode_apdu(apdu_in(frame.info) if frame.info.startswith(b"\xe6") else frame.info)
    assert isinstance(block, GeneralBlock)
    return block


MEANINGS: Final[Mapping[str, Callable[[Frame], None]]] = {
    "hdlc-push-ui-aidon": check_aidon,
    "hdlc-push-gbt-lg-e450-1": general_block(1, last=False, octets=0x70),
    "hdlc-push-gbt-lg-e450-2": general_block(2, last=False, octets=0x6C),
    "hdlc-push-gbt-lg-e450-3": general_block(3, last=True, octets=0x73),
    "hdlc-flag-inside-fcs-last-byte": get_value(123456902),
    "hdlc-kamstrup-omnia-1": check_kamstrup_aarq,
    "hdlc-kamstrup-omnia-2": check_kamstrup_aare,
    "hdlc-kamstrup-omnia-3": check_kamstrup_get,
    "hdlc-kamstrup-omnia-4": get_value(2366489303),
    "hdlc-i-segmented": check_first_segment,
}
"""Checks of what a vector states in prose."""
PARTS: Final = [f"hdlc-push-iskra-am550-segment-{part}" for part in (1, 2, 3)]


@pytest.mark.parametrize("vector", chosen(PUBLIC, kind="hdlc"))
def test_frame_decodes_as_stated(vector: Vector) -> None:
    frame = unpack_frame(octets_of(vector))
    stated = dict(vector["decoded"])
    for name in ("dest", "src"):
        if name in stated:
            field = frame.destination if name == "dest" else frame.source
            assert field == address_of(stated.pop(name))
    if "params" in stated:
        found = decode_parameters(frame.info)
        wanted = stated.pop("params")
        assert found == LinkParameters(*(wanted[n] for n in ("max_info_tx", "max_info_rx", "window_tx", "window_rx")))
    for name in [name for name in stated if name in FRAME_FIELDS]:
        assert FRAME_FIELDS[name](frame) == stated.pop(name), name
    if stated.keys() & {"meaning", "apdu"} and vector["id"] not in PARTS:
        MEANINGS[vector["id"]](frame)
    assert stated.keys() <= {"meaning", "apdu", "note", "part"}
    assert frame.to_bytes() == octets_of(vector)


def test_three_segments_are_one_notification() -> None:
    by_id = {vector["id"]: vector for vector in PUBLIC}
    frames = [unpack_frame(octets_of(by_id[name])) for name in PARTS]
    assert [frame.segmented for frame in frames] == [True, True, False]
    apdu = apdu_in(b"".join(frame.info for frame in frames))
    assert apdu[:1] == b"\x0f"
    assert apdu[5] == 12
    moment = DateTime.from_bytes(apdu[6:18]).to_datetime()
    assert moment is not None
    assert moment.isoformat() == "2021-11-02T21:51:00+01:00"
    body = decode_whole(apdu[18:])
    assert isinstance(body.value, tuple)
    assert len(body.value) == 0x10


def test_three_blocks_are_one_notification() -> None:
    """The push's list of what it brings, then the values in that order."""
    by_id = {vector["id"]: vector for vector in PUBLIC}
    frames = [unpack_frame(octets_of(by_id[f"hdlc-push-gbt-lg-e450-{part}"])) for part in (1, 2, 3)]
    push = decode_apdu(b"".join(block_in(frame).data for frame in frames))
    assert isinstance(push, Notification)
    assert push.invoke == 0x7C83D3
    assert push.moment is not None
    assert push.moment.to_bytes().hex() == "07ea071206103a00ff800000"
    captured, *values = cast("tuple[Data, ...]", push.data.value)
    assert len(cast("tuple[Data, ...]", captured.value)) == len(values) + 1 == 13
    assert plain(values[0]) == b"LGZ1020782546371".hex()


def frame_fields(kind: FrameKind, destination: Address, source: Address, control: int) -> tuple[object, ...]:
    return kind, destination, source, control


ONE, SIXTEEN, METER = Address(1), Address(16), Address(1, 17, 4)
FAR = Address(1, 3500, 4)
VOLTAGE = obis("1-1:32.7.0")
UA_128: Final = LinkParameters(128, 128, 1, 1)
MICROSTAR_FIELDS: Final = {
    "G1": frame_fields(FrameKind.SNRM, METER, SIXTEEN, 0x93),
    "G2": frame_fields(FrameKind.UA, SIXTEEN, METER, 0x73),
    "G3": frame_fields(FrameKind.I, METER, SIXTEEN, 0x10),
    "G4": frame_fields(FrameKind.I, SIXTEEN, METER, 0x30),
    "G5": frame_fields(FrameKind.I, Address(74), Address(58), 0x76),
    "G6": frame_fields(FrameKind.I, Address(58), Address(74), 0x96),
    "G7": frame_fields(FrameKind.I, Address(74), Address(58), 0x98),
    "G8": frame_fields(FrameKind.I, Address(58), Address(74), 0xB8),
    "G9": frame_fields(FrameKind.DISC, FAR, SIXTEEN, 0x53),
    "G10": frame_fields(FrameKind.UA, SIXTEEN, FAR, 0x73),
    "F1": frame_fields(FrameKind.SNRM, ONE, ONE, 0x93),
    "F8": frame_fields(FrameKind.DISC, ONE, ONE, 0x53),
    "D1": frame_fields(FrameKind.SNRM, ONE, ONE, 0x93),
    "D2": frame_fields(FrameKind.I, ONE, ONE, 0x10),
    "D3": frame_fields(FrameKind.I, ONE, ONE, 0x32),
    "D4": frame_fields(FrameKind.I, ONE, ONE, 0x52),
    "D5": frame_fields(FrameKind.I, ONE, ONE, 0x54),
    "D6": frame_fields(FrameKind.I, ONE, ONE, 0x74),
    "D7": frame_fields(FrameKind.I, ONE, ONE, 0x74),
    "D8a": frame_fields(FrameKind.RR, ONE, ONE, 0x51),
    "D8b": frame_fields(FrameKind.UA, ONE, ONE, 0x73),
    "D8c": frame_fields(FrameKind.DM, ONE, ONE, 0x1F),
}
MICROSTAR_NUMBERS: Final = {
    "G3": (0, 0),
    "G4": (0, 1),
    "G5": (3, 3),
    "G6": (3, 4),
    "G7": (4, 4),
    "D3": (1, 1),
    "D8a": (None, 2),
}
"""N(S) and N(R) where the meaning states them."""
MICROSTAR_PARAMETERS: Final = {
    "G2": UA_128,
    "G10": LinkParameters(200, 140, 1, 1),
    "D1": UA_128,
}


def get_request(invoke: int, class_id: int, name: Obis, attribute: int) -> GetRequest:
    return GetRequest(invoke, (GetItem(AttributeRef(class_id, name, attribute)),))


SCALER_UNIT = Data(DataType.STRUCTURE, (Data(DataType.INT8, -2), Data(DataType.ENUM, 35)))
MICROSTAR_APDUS: Final[Mapping[str, Apdu]] = {
    "G3": acse.Aarq(acse.Context.LN, acse.MechanismName.LOWEST, bytes.fromhex("01000000065f1f040000301dffff")),
    "G4": acse.Aare(
        acse.Context.LN,
        acse.Result.ACCEPTED,
        acse.Source.USER,
        0,
        bytes.fromhex("0800065f1f040000301d19000007"),
    ),
    "G5": get_request(0x81, 8, obis("0-0:1.0.0"), 2),
    "G6": GetNormal(0x81, Data(DataType.OCTET_STRING, bytes.fromhex("07d20c04030a060bff007800"))),
    "G7": SetRequest(
        0x81,
        (GetItem(AttributeRef(8, obis("0-0:1.0.0"), 2)),),
        (Data(DataType.OCTET_STRING, bytes.fromhex("07d20c04030a060bff007800")),),
    ),
    "G8": SetResponse(0x81, (None,)),
    "D2": acse.Aarq(
        acse.Context.LN,
        acse.MechanismName.LLS,
        bytes.fromhex("01000000065f1f0400007e1f04b0"),
        b"22222222",
    ),
    "D3": get_request(0xC1, 3, VOLTAGE, 3),
    "D4": GetNormal(0xC1, SCALER_UNIT),
    "D5": get_request(0xC1, 3, VOLTAGE, 2),
    "D6": GetNormal(0xC1, Data(DataType.UINT32, 13438)),
    "D7": GetNormal(0xC1, Data(DataType.UINT32, 13321)),
}


@pytest.mark.parametrize("vector", chosen(MICROSTAR))
def test_microstar_frame_decodes_as_stated(vector: Vector) -> None:
    name, octets = vector["id"], octets_of(vector)
    frame = unpack_frame(octets)
    assert frame_fields(frame.kind, frame.destination, frame.source, frame.control) == MICROSTAR_FIELDS[name]
    assert frame.final
    assert not frame.segmented
    if name in MICROSTAR_NUMBERS:
        ns, nr = MICROSTAR_NUMBERS[name]
        assert frame.nr == nr
        assert ns is None or frame.ns == ns
    if name in MICROSTAR_PARAMETERS:
        assert decode_parameters(frame.info) == MICROSTAR_PARAMETERS[name]
    if name in MICROSTAR_APDUS:
        assert decode_apdu(apdu_in(frame.info)) == MICROSTAR_APDUS[name]
    assert (name in MICROSTAR_PARAMETERS or name in MICROSTAR_APDUS) == bool(frame.info)
    assert frame.to_bytes() == octets


def test_microstar_terms_are_those_of_the_guide() -> None:
    answer = MICROSTAR_APDUS["G4"]
    assert isinstance(answer, acse.Aare)
    assert initiate(answer.user_information) == {
        "apdu": "InitiateResponse",
        "conformance": "00301d",
        "max_pdu": 0x1900,
        "vaa": "0007",
        "version": 6,
        "qos": None,
    }
    granted = (
        Conformance.ATTRIBUTE_0_WITH_GET
        | Conformance.BLOCK_TRANSFER_WITH_GET
        | Conformance.GET
        | Conformance.SET
        | Conformance.SELECTIVE_ACCESS
        | Conformance.ACTION
    )
    assert granted == 0x00301D


def test_microstar_clock_is_that_of_the_guide() -> None:
    reply = MICROSTAR_APDUS["G6"]
    assert isinstance(reply, GetNormal)
    assert isinstance(reply.result, Data)
    clock = DateTime.from_bytes(cast("bytes", reply.result.value))
    assert (clock.date, clock.time) == (Date(2002, 12, 4, 3), Time(10, 6, 11, None))
    assert (clock.deviation, clock.status) == (120, 0)


def test_the_whole_stream_of_vectors_comes_out_of_the_decoder() -> None:
    vectors = [vector for vector in (*PUBLIC, *MICROSTAR) if vector.get("kind") == "hdlc" or "frame" in vector]
    stream = b"".join(octets_of(vector) for vector in vectors)
    counters = Counters()
    frames = HdlcDecoder(counters).feed(stream)
    assert [frame.to_bytes() for frame in frames] == [octets_of(vector) for vector in vectors]
    assert (counters.bad_frames, counters.octets_dropped) == (0, 0)


# WRAPPER


@pytest.mark.parametrize("vector", chosen(PUBLIC, kind="wrapper"))
def test_wrapper_message_decodes_as_stated(vector: Vector) -> None:
    octets, stated = octets_of(vector), dict(vector["decoded"])
    assert WrapperDecoder().feed(octets) == [
        Wpdu(stated.pop("source"), stated.pop("destination"), octets[8:]),
    ]
    assert int.from_bytes(octets[:2], "big") == stated.pop("version")
    assert len(octets[8:]) == stated.pop("length")
    assert octets[8:].hex() == stated.pop("apdu", octets[8:].hex())
    assert not stated
    if vector["id"] != "wrapper-push-general-glo":
        decode_apdu(octets[8:])


# APDUs


@pytest.mark.parametrize("vector", chosen(PUBLIC, kind="apdu"))
def test_apdu_decodes_as_stated(vector: Vector) -> None:
    found = describe(decode_apdu(octets_of(vector)))
    for name, stated in vector["decoded"].items():
        if name != "note":
            assert found[name] == stated, name


# Data

DATA_MEANINGS: Final = {
    "structure (scaler_unit: 10^-2 V)": (ScalerUnit(-2, 35), "V"),
    "structure (scaler_unit: Wh)": (ScalerUnit(0, 30), "Wh"),
}
CAPTURE_OBJECT: Final = "structure (capture object clock attr 2)"


@pytest.mark.parametrize("vector", chosen(PUBLIC, kind="data"))
def test_value_decodes_as_stated(vector: Vector) -> None:
    octets, stated = octets_of(vector), vector["decoded"]
    data, end = decode_data(octets)
    assert end == len(octets)
    name = TYPE_NAMES.get(data.type, data.type.name.lower().replace("_", "-"))
    assert stated["type"].split(" (")[0] == name
    if stated["type"] in DATA_MEANINGS:
        expected, symbol = DATA_MEANINGS[stated["type"]]
        assert scaler_unit(data) == expected
        assert unit_name(expected.unit) == symbol
    else:
        assert " (" not in stated["type"] or stated["type"] == CAPTURE_OBJECT
    if str(stated["value"]).startswith("octets holding "):
        assert isinstance(data.value, bytes)
        assert f"octets holding {moment_words(DateTime.from_bytes(data.value))}" == stated["value"]
    else:
        assert plain(data) == stated["value"]
        assert type(plain(data)) is type(stated["value"])


# Refusals

REFUSED: Final = [vector for vector in PUBLIC if "expect" in vector]


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in REFUSED])
def test_a_bad_vector_is_refused_with_a_typed_error(vector: Vector) -> None:
    assert vector["expect"] == "error"
    decode: Callable[[bytes], object] = decode_whole if vector["kind"] == "data" else decode_apdu
    with pytest.raises(BridgeError) as refusal:
        decode(octets_of(vector))
    assert type(refusal.value).kind == "bad_data"


def test_every_vector_is_handled() -> None:
    vectors = [*PUBLIC, *MICROSTAR]
    assert len({vector["id"] for vector in vectors}) == len(vectors) == TOTAL
    kinds = ("hdlc", "wrapper", "apdu", "data")
    now = sum(len(chosen(PUBLIC, kind=kind)) for kind in kinds) + len(chosen(MICROSTAR))
    assert now + len(REFUSED) + len(PROTECTED) == TOTAL
    assert MICROSTAR_FIELDS.keys() == {vector["id"] for vector in MICROSTAR}
