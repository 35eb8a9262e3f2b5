"""Other implementations write, call methods, use ACCESS, general block transfer, short names and windows."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import Authentication, DataType
from gurux_dlms.objects import GXDLMSData, GXDLMSDisconnectControl, GXDLMSProfileGeneric
from pydlms import DlmsClient, DlmsData, ObisCode, ServiceError
from pydlms.client import AccessAction, AccessGet, AccessSet
from pydlms.hdlc.connection import HdlcParameters
from pydlms.security.hls import Mechanism

from poller.simulator import Fleet, MeterSpec, personality
from poller.simulator.personality import SHORT_NAMES
from poller.simulator.values import whole_value
from tests.support.gurux_session import GuruxSession, address

ENERGY = "1.0.1.8.0.255"
LONG_DATA, ECHO = "0.0.96.128.0.255", "0.0.96.128.1.255"
LONG = bytes(index & 0xFF for index in range(1536))
RELAY = "0.0.96.3.10.255"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    secure, wrapped = personality("secure"), personality("secure-wrapper")
    specs = [
        MeterSpec("hdlc", secure),
        MeterSpec("wrapper", wrapped),
        MeterSpec("blocks-hdlc", replace(secure, general_blocks=True, block_window=1, max_info=2030)),
        MeterSpec("blocks-wrapper", replace(wrapped, general_blocks=True)),
        MeterSpec("short", "short-names"),
        MeterSpec("short-wrapper", replace(wrapped, short_names=True, conformance=SHORT_NAMES)),
        MeterSpec("wide", replace(secure, max_info=2030, window=7, max_pdu=6400)),
    ]
    with Fleet(specs) as running:
        yield running


def client(fleet: Fleet, name: str, **options: Any) -> DlmsClient:
    kind = fleet.meters[name].device.kind
    hdlc = kind.transport.value == "hdlc"
    return DlmsClient.tcp(
        "127.0.0.1",
        fleet.meters[name].port,
        client_sap=options.pop("client_sap", 1),
        server_logical=1,
        timeout=5.0,
        mechanism=Mechanism.NONE if options.pop("public", False) else Mechanism.LLS,
        password="22222222",
        hdlc=hdlc,
        address_size=4 if hdlc else None,
        server_physical=17 if hdlc else None,
        **options,
    )


def result_of(error: ServiceError) -> int:
    return int(cast(int, error.result))


BOTH = pytest.mark.parametrize("name", ["hdlc", "wrapper"])


@BOTH
@pytest.mark.parametrize("size", [0, 1, 127, 128, 1000, 1536, 8192])
def test_data_of_any_length_is_written_and_read_back(fleet: Fleet, name: str, size: int) -> None:
    with client(fleet, name) as meter:
        content = (LONG * 6)[:size]
        meter.set(LONG_DATA, 1, 2, DlmsData.octet_string(content))
        assert meter.get(LONG_DATA, 1, 2).to_python() == content


@BOTH
def test_what_cannot_be_written_says_why(fleet: Fleet, name: str) -> None:
    with client(fleet, name) as meter:
        for obis, class_id, attribute, value, reason in [
            (ENERGY, 3, 2, DlmsData.uint32(1), 3),
            ("1.0.99.99.0.255", 3, 2, DlmsData.uint32(1), 4),
            (ENERGY, 1, 2, DlmsData.uint32(1), 9),
            (ENERGY, 3, 9, DlmsData.uint32(1), 11),
            ("1.0.12.31.0.255", 3, 2, DlmsData.uint16(1), 12),
            ("1.0.12.31.0.255", 3, 2, DlmsData.uint32(60_000), 250),
        ]:
            with pytest.raises(ServiceError) as error:
                meter.set(obis, class_id, attribute, value)
            assert result_of(error.value) == reason


@BOTH
def test_lists_are_written_in_blocks_too(fleet: Fleet, name: str) -> None:
    with client(fleet, name) as meter:
        entries: list[tuple[ObisCode | str, int, int, DlmsData]] = [
            ("1.0.12.31.0.255", 3, 2, DlmsData.uint32(11_000)),
            (LONG_DATA, 1, 2, DlmsData.octet_string(LONG)),
            (ENERGY, 3, 2, DlmsData.uint32(1)),
        ]
        assert [int(result) for result in meter.set_many(entries)] == [0, 0, 3]
        assert meter.get("1.0.12.31.0.255", 3, 2).to_python() == 11_000
        assert meter.get(LONG_DATA, 1, 2).to_python() == LONG


@BOTH
@pytest.mark.parametrize("size", [1, 1000, 3000])
def test_parameters_and_answers_of_methods_come_in_blocks(fleet: Fleet, name: str, size: int) -> None:
    with client(fleet, name) as meter:
        echo = meter.action(ECHO, 8192, 1, DlmsData.octet_string((LONG * 2)[:size]))
        assert echo is not None
        assert echo.to_python() == (LONG * 2)[:size]


@BOTH
def test_the_relay_opens_and_closes(fleet: Fleet, name: str) -> None:
    with client(fleet, name) as meter:
        states = []
        for method in (1, 2):
            meter.action(RELAY, 70, method, DlmsData.int8(0))
            states.append([meter.get(RELAY, 70, attribute).to_python() for attribute in (2, 3)])
        meter.set(RELAY, 70, 4, DlmsData.enum(1))
        for method in (1, 2):
            meter.action(RELAY, 70, method, DlmsData.int8(0))
            states.append([meter.get(RELAY, 70, attribute).to_python() for attribute in (2, 3)])
        meter.set(RELAY, 70, 4, DlmsData.enum(4))
        assert states == [[False, 0], [True, 1], [False, 0], [False, 2]]


@BOTH
def test_the_clock_is_set_and_shifted(fleet: Fleet, name: str) -> None:
    with client(fleet, name) as meter:
        meter.set_clock(datetime(2030, 1, 1, 12, 0, 29, tzinfo=UTC))
        meter.action("0.0.1.0.0.255", 8, 3, DlmsData.int8(0))
        meter.action("0.0.1.0.0.255", 8, 6, DlmsData.int16(-600))
        assert str(meter.get_clock().to_datetime())[:18] == "2030-01-01 11:50:0"


def test_the_public_client_writes_nothing(fleet: Fleet) -> None:
    with client(fleet, "hdlc", public=True, client_sap=16) as meter:
        with pytest.raises(ServiceError) as error:
            meter.set("1.0.12.31.0.255", 3, 2, DlmsData.uint32(1))
        assert result_of(error.value) == 3
        with pytest.raises(ServiceError) as error:
            meter.action(RELAY, 70, 1, DlmsData.int8(0))
        assert result_of(error.value) == 3


@BOTH
def test_access_does_all_at_once(fleet: Fleet, name: str) -> None:
    with client(fleet, name, propose_access=True) as meter:
        results = meter.access([
            AccessGet("1.0.12.35.0.255", 3, 2),
            AccessSet("1.0.12.35.0.255", 3, 2, DlmsData.uint32(14_000)),
            AccessAction(ECHO, 8192, 1, DlmsData.uint16(7)),
            AccessGet("1.0.99.99.0.255", 3, 2),
        ])
    assert [int(result.result) for result in results] == [0, 0, 0, 4]
    assert results[2].data is not None
    assert results[2].data.to_python() == 7


def in_one_turn(name: str) -> dict[str, HdlcParameters]:
    """Let the meter send all blocks of a stream before it is polled: this client does not poll between them."""
    if name.endswith("wrapper"):
        return {}
    return {"hdlc_parameters": HdlcParameters(max_info_tx=2030, max_info_rx=2030, window_tx=7, window_rx=7)}


@pytest.mark.parametrize("name", ["blocks-hdlc", "blocks-wrapper"])
@pytest.mark.parametrize("window", [1, 3, 7])
def test_general_blocks_both_ways(fleet: Fleet, name: str, window: int) -> None:
    with client(fleet, name, propose_gbt=True, gbt_window=window, **in_one_turn(name)) as meter:
        meter.set(LONG_DATA, 1, 2, DlmsData.octet_string(LONG * 4))
        assert meter.get(LONG_DATA, 1, 2).to_python() == LONG * 4
        assert len(meter.get_association_view()) > 200
        assert meter.get(ENERGY, 3, 2).to_python() >= 56_281_000


@pytest.mark.parametrize("name", ["blocks-hdlc", "blocks-wrapper"])
def test_a_lost_block_is_asked_for_again(fleet: Fleet, name: str) -> None:
    with client(fleet, name, propose_gbt=True, gbt_window=5, **in_one_turn(name)) as meter:
        meter.set(LONG_DATA, 1, 2, DlmsData.octet_string(LONG * 4))
        fleet.do(meter=name, do="lost_block", skip=1)
        assert meter.get(LONG_DATA, 1, 2).to_python() == LONG * 4
        assert cast(dict[str, int], fleet.status(name)["struck"])["lost_block"] >= 1


@pytest.mark.parametrize("name", ["short", "short-wrapper"])
def test_short_names(fleet: Fleet, name: str) -> None:
    with client(fleet, name, logical_names=False) as meter:
        first = cast(int, meter.get(ENERGY, 3, 2).to_python())
        assert meter.get(ENERGY, 3, 2).to_python() == first + 1
        meter.set("1.0.12.31.0.255", 3, 2, DlmsData.uint32(11_000))
        assert meter.get("1.0.12.31.0.255", 3, 2).to_python() == 11_000
        meter.action(RELAY, 70, 1, DlmsData.int8(0))
        assert meter.get(RELAY, 70, 3).to_python() == 0
        assert len(meter.get_association_view()) > 200


@pytest.mark.parametrize("window", [1, 2, 7])
@pytest.mark.parametrize("info", [64, 512, 2030])
def test_windows_and_long_frames(fleet: Fleet, window: int, info: int) -> None:
    parameters = HdlcParameters(max_info_tx=info, max_info_rx=info, window_tx=window, window_rx=window)
    with client(fleet, "wide", hdlc_parameters=parameters) as meter:
        for _ in range(3):
            meter.set(LONG_DATA, 1, 2, DlmsData.octet_string(LONG * 4))
            assert meter.get(LONG_DATA, 1, 2).to_python() == LONG * 4
    status = fleet.status("wide")
    assert (status["wrong_numbers"], status["frmr"], status["repeated"]) == (0, 0, 0)


@BOTH
def test_a_notification_comes_before_an_answer(fleet: Fleet, name: str) -> None:
    with client(fleet, name) as meter:
        fleet.do(meter=name, do="push", count=2)
        first = cast(int, meter.get(ENERGY, 3, 2).to_python())
        assert meter.get(ENERGY, 3, 2).to_python() == first + 1


def test_a_notification_is_sent_to_a_listener(fleet: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fleet.do(meter="wrapper", do="push_to", to=f"127.0.0.1:{port}")
        peer, _address = listener.accept()
        with peer:
            octets = peer.recv(4096)
    assert octets[:6].hex() == "000100010010"
    assert octets[8] == 0x0F
    body = whole_value(octets[26:])
    assert body.parts[0].octets == b"SIM0000000000002"


@BOTH
def test_an_image_comes_in_blocks_of_any_order(fleet: Fleet, name: str) -> None:
    image = "0.0.44.0.0.255"
    content = LONG[:1000]
    with client(fleet, name) as meter:
        meter.action(image, 18, 1, DlmsData.structure([DlmsData.octet_string(b"FW2"), DlmsData.uint32(len(content))]))
        for number in (7, 0, 1, 2, 3, 5, 6):
            part = content[number * 128 : number * 128 + 128]
            meter.action(image, 18, 2, DlmsData.structure([DlmsData.uint32(number), DlmsData.octet_string(part)]))
        assert meter.get(image, 18, 3).to_python() == [True, True, True, True, False, True, True, True]
        assert meter.get(image, 18, 4).to_python() == 4
        with pytest.raises(ServiceError) as error:
            meter.action(image, 18, 3, DlmsData.int8(0))
        assert result_of(error.value) == 250
        part = content[512:640]
        meter.action(image, 18, 2, DlmsData.structure([DlmsData.uint32(4), DlmsData.octet_string(part)]))
        meter.action(image, 18, 3, DlmsData.int8(0))
        assert meter.get(image, 18, 7).to_python() == [[1000, b"FW2", b""]]
        meter.action(image, 18, 4, DlmsData.int8(0))
        assert meter.get(image, 18, 6).to_python() == 6


def gurux(fleet: Fleet, name: str, *, logical: bool) -> GuruxSession:
    """Return a gurux-dlms client that signs on with the low-level password."""
    server, interface = address(fleet, name)
    client = GXDLMSClient(logical, 1, server, Authentication.LOW, "22222222", interface)
    return GuruxSession(client, fleet.meters[name].port, releases=False)


@BOTH
def test_gurux_writes_in_blocks_and_switches(fleet: Fleet, name: str) -> None:
    with gurux(fleet, name, logical=True) as meter:
        data = GXDLMSData(LONG_DATA)
        data.value = LONG
        data.setDataType(2, DataType.OCTET_STRING)
        meter.ask(meter.client.write(data, 2))
        assert bytes(cast(bytes, meter.value(data, 2))) == LONG
        relay = GXDLMSDisconnectControl(RELAY)
        meter.ask(relay.remoteDisconnect(meter.client))
        assert meter.value(relay, 3) == 0
        meter.ask(relay.remoteReconnect(meter.client))
        assert meter.value(relay, 3) == 1


@pytest.mark.parametrize("name", ["wide", "blocks-wrapper"])
def test_gurux_reads_the_profile_by_entry_and_by_range(fleet: Fleet, name: str) -> None:
    with gurux(fleet, name, logical=True) as meter:
        profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
        assert len(cast(list[object], meter.value(profile, 3))) == 6
        entries = meter.ask(meter.client.readRowsByEntry(profile, 3350, 5)).value
        assert len(meter.client.updateValue(profile, 2, entries)) == 5
        now = datetime.now(UTC)
        rows = meter.ask(meter.client.readRowsByRange(profile, now - timedelta(hours=2), now)).value
        assert len(meter.client.updateValue(profile, 2, rows)) in {8, 9}


@pytest.mark.filterwarnings("ignore")
def test_gurux_reads_short_names(fleet: Fleet) -> None:
    with gurux(fleet, "short", logical=False) as meter:
        objects = meter.client.parseObjects(meter.ask([meter.client.getObjectsRequest()]).data, True)
        (energy,) = [thing for thing in objects if thing.logicalName == ENERGY]
        first = cast(int, meter.value(energy, 2))
        assert meter.value(energy, 2) == first + 1
