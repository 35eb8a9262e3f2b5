"""Independent clients read simulated meters over real sockets: gurux-dlms and pydlms-client, HDLC and WRAPPER."""

from collections.abc import Iterator
from typing import cast

import pytest
from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import Authentication
from gurux_dlms.objects import GXDLMSRegister
from pydlms import AssociationError, DlmsClient, DlmsData, ServiceError
from pydlms.cosem.enums import DataAccessResult
from pydlms.security.hls import Mechanism

from poller.simulator import Fleet, MeterSpec, Personality, personality
from tests.support.gurux_session import GuruxSession, address

TIMEOUT = 5.0
BLOCKS = Personality("blocks", sizes=(4,), preferred_size=4, conformance=0x00321D, channel=0, block_octets=300)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    specs = [
        MeterSpec("hdlc"),
        MeterSpec("list", "generic-list"),
        MeterSpec("wrapper", "wrapper"),
        MeterSpec("blocks", BLOCKS),
        MeterSpec("poison", poison=True),
    ]
    with Fleet(specs) as running:
        yield running


def pydlms(fleet: Fleet, name: str, sap: int, password: str | None) -> DlmsClient:
    kind = fleet.meters[name].device.kind
    hdlc = kind.transport.value == "hdlc"
    return DlmsClient.tcp(
        "127.0.0.1",
        fleet.meters[name].port,
        client_sap=sap,
        server_logical=1,
        timeout=TIMEOUT,
        mechanism=Mechanism.NONE if password is None else Mechanism.LLS,
        password=password,
        hdlc=hdlc,
        address_size=kind.preferred_size if hdlc else None,
        server_physical=kind.physical if hdlc and kind.preferred_size > 1 else None,
    )


def gurux(fleet: Fleet, name: str, sap: int, password: str | None) -> GuruxSession:
    level = Authentication.NONE if password is None else Authentication.LOW
    server, interface = address(fleet, name)
    client = GXDLMSClient(True, sap, server, level, password, interface)
    return GuruxSession(client, fleet.meters[name].port)


def register(client: GuruxSession, obis: str, attribute: int) -> object:
    return client.value(GXDLMSRegister(obis), attribute)


HDLC_WAYS = [(16, None), (1, "22222222"), (17, "00000000"), (32, "11111111")]


@pytest.mark.parametrize(("sap", "password"), HDLC_WAYS)
def test_pydlms_reads_the_microstar_meter(fleet: Fleet, sap: int, password: str | None) -> None:
    with pydlms(fleet, "hdlc", sap, password) as client:
        voltage = client.get_register("1.1.32.7.0.255")
        energies = [client.get("1.1.1.8.0.255", 3, 2).to_python() for _ in range(20)]
        assert 124 < voltage.value < 138
        assert energies == list(range(energies[0], energies[0] + 20))
        assert client.get_clock().to_datetime() is not None
        assert client.conformance == 0x00301D


@pytest.mark.parametrize(("sap", "password"), HDLC_WAYS)
def test_gurux_reads_the_microstar_meter(fleet: Fleet, sap: int, password: str | None) -> None:
    with gurux(fleet, "hdlc", sap, password) as client:
        assert 12_480 <= cast(int, register(client, "1.1.32.7.0.255", 2)) <= 13_780
        assert register(client, "1.1.32.7.0.255", 3) == [0.01, 35]
        assert len(client.objects()) > 150


@pytest.mark.parametrize("name", ["list", "wrapper", "blocks"])
def test_pydlms_reads_lists(fleet: Fleet, name: str) -> None:
    with pydlms(fleet, name, 1, "22222222") as client:
        before = fleet.status(name)["lists"]
        voltage, unknown, scaling = client.get_many([
            ("1.0.32.7.0.255", 3, 2),
            ("1.0.99.99.0.255", 3, 2),
            ("1.0.32.7.0.255", 3, 3),
        ])
        assert 12_480 <= cast(DlmsData, voltage).to_python() <= 13_780
        assert unknown == DataAccessResult.OBJECT_UNDEFINED
        assert cast(DlmsData, scaling).to_python() == [-2, 35]
        assert fleet.status(name)["lists"] == cast(int, before) + 2


@pytest.mark.parametrize("name", ["list", "wrapper", "blocks"])
def test_gurux_reads_lists(fleet: Fleet, name: str) -> None:
    with gurux(fleet, name, 1, "22222222") as client:
        voltage, current = client.values("1.0.32.7.0.255", "1.0.31.7.0.255")
        assert 12_480 <= cast(int, voltage) <= 13_780
        assert 1_230 <= cast(int, current) <= 1_350


@pytest.mark.parametrize("name", ["hdlc", "list", "wrapper", "blocks"])
def test_pydlms_reads_the_object_list_in_blocks_and_segments(fleet: Fleet, name: str) -> None:
    with pydlms(fleet, name, 1, "22222222") as client:
        view = client.get_association_view()
        assert len(view) == len({(entry.class_id, entry.logical_name) for entry in view}) > 150


@pytest.mark.parametrize("name", ["list", "wrapper", "blocks"])
def test_gurux_reads_the_object_list_in_blocks_and_segments(fleet: Fleet, name: str) -> None:
    with gurux(fleet, name, 1, "22222222") as client:
        assert len(client.objects()) > 150


@pytest.mark.parametrize("name", ["wrapper"])
@pytest.mark.parametrize(("sap", "password"), [(16, None), (1, "22222222")])
def test_both_read_over_wrapper(fleet: Fleet, name: str, sap: int, password: str | None) -> None:
    with pydlms(fleet, name, sap, password) as client:
        first = cast(int, client.get("1.0.1.8.0.255", 3, 2).to_python())
    with gurux(fleet, name, sap, password) as client2:
        assert register(client2, "1.0.1.8.0.255", 2) == first + 1


def test_pydlms_survives_poison(fleet: Fleet) -> None:
    with pydlms(fleet, "poison", 1, "22222222") as client:
        values = [cast(int, client.get("1.1.32.7.0.255", 3, 2).to_python()) for _ in range(500)]
    assert len(set(values)) > 200
    assert fleet.status("poison")["wrong_numbers"] == 0


@pytest.mark.parametrize(("sap", "password", "diagnostic"), [(1, "wrong000", 13), (1, None, 14), (16, "22222222", 11)])
@pytest.mark.parametrize("name", ["hdlc", "wrapper"])
def test_a_refused_association_says_why(
    fleet: Fleet, name: str, sap: int, password: str | None, diagnostic: int
) -> None:
    client = pydlms(fleet, name, sap, password)
    with pytest.raises(AssociationError) as refusal:
        client.connect()
    client.close()
    assert int(cast(int, refusal.value.diagnostic)) == diagnostic


def test_errors_of_access_reach_the_client(fleet: Fleet) -> None:
    with pydlms(fleet, "hdlc", 16, None) as client:
        for obis, class_id, result in [
            ("1.1.99.99.0.255", 3, 4),
            ("1.1.32.7.0.255", 1, 9),
            ("0.0.240.26.0.255", 1, 3),
        ]:
            with pytest.raises(ServiceError) as error:
                client.get(obis, class_id, 2)
            assert int(cast(int, error.value.result)) == result


def test_no_list_is_negotiated_with_the_microstar_meter(fleet: Fleet) -> None:
    assert personality("microstar").conformance & 1 << (23 - 14) == 0
    with pydlms(fleet, "hdlc", 1, "22222222") as client:
        assert len(client.get_many([("1.1.32.7.0.255", 3, 2), ("1.1.31.7.0.255", 3, 2)])) == 2
    assert fleet.status("hdlc")["lists"] == 0
