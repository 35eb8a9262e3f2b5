"""Independent clients sign on to simulated meters by HLS and read them ciphered: pydlms-client and gurux-dlms."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, cast

import pytest
from gurux_dlms.enums import Authentication, Security
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSClock, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient
from pydlms import DlmsClient, DlmsData
from pydlms.client import AccessGet
from pydlms.exceptions import DlmsError
from pydlms.security.context import SecurityContext
from pydlms.security.hls import Mechanism
from pydlms.security.suites import SecurityPolicy

from poller.simulator import Fleet, MeterSpec, personality
from poller.simulator.personality import Keys
from tests.support.gurux_session import GuruxSession, address

TIMEOUT = 5.0  # gurux-dlms computes AES in pure Python
ENCRYPTION, AUTHENTICATION = bytes(range(16)), bytes(range(0xD0, 0xE0))
SECRET = "SimulatorSecret1"
SAPS = {
    Mechanism.LLS: 1,
    Mechanism.HLS_MD5: 33,
    Mechanism.HLS_SHA1: 34,
    Mechanism.HLS_GMAC: 35,
    Mechanism.HLS_SHA256: 36,
}
ENERGY = "1.0.1.8.0.255"
LONG = bytes(index & 0xFF for index in range(1536))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    secure = personality("secure")
    specs = [
        MeterSpec("hdlc", secure),
        MeterSpec("wrapper", "secure-wrapper"),
        MeterSpec("suite-1", replace(secure, keys=Keys(suite=1, policy=0x30))),
        MeterSpec("high-counter", replace(secure, keys=Keys(counter=5_000))),
        MeterSpec("blocks", replace(personality("secure-wrapper"), general_blocks=True)),
        MeterSpec("counting", "secure-wrapper"),
        MeterSpec("strict", replace(secure, strict_release=True)),
    ]
    with Fleet(specs) as running:
        yield running


titles = iter(range(1, 1000))


def pydlms(fleet: Fleet, name: str, mechanism: Mechanism, policy: int | None, **options: Any) -> DlmsClient:
    """Return a client with a title that nobody used before; ``policy`` None: unprotected."""
    kind = fleet.meters[name].device.kind
    hdlc = kind.transport.value == "hdlc"
    security = None
    title = b"PYD" + next(titles).to_bytes(5, "big")
    if policy is not None or mechanism is Mechanism.HLS_GMAC:
        security = SecurityContext(
            ENCRYPTION,
            AUTHENTICATION,
            title,
            policy=SecurityPolicy(policy or 0),
            suite=kind.keys.suite if kind.keys else 0,
        )
    secret = {Mechanism.LLS: b"22222222", Mechanism.HLS_GMAC: None}.get(mechanism, SECRET.encode())
    return DlmsClient.tcp(
        "127.0.0.1",
        fleet.meters[name].port,
        client_sap=SAPS[mechanism],
        server_logical=1,
        timeout=TIMEOUT,
        mechanism=mechanism,
        password=secret,
        security=security,
        client_system_title=title,
        ciphered_context=policy is not None,
        hdlc=hdlc,
        address_size=4 if hdlc else None,
        server_physical=17 if hdlc else None,
        **options,
    )


@pytest.mark.parametrize("name", ["hdlc", "wrapper"])
@pytest.mark.parametrize("mechanism", SAPS)
def test_pydlms_signs_on_without_protection(fleet: Fleet, name: str, mechanism: Mechanism) -> None:
    with pydlms(fleet, name, mechanism, None) as client:
        first = client.get(ENERGY, 3, 2).to_python()
        assert client.get(ENERGY, 3, 2).to_python() == first + 1


@pytest.mark.parametrize("name", ["hdlc", "wrapper"])
@pytest.mark.parametrize(("mechanism", "policy"), list(product(SAPS, [0x10, 0x20, 0x30])))
def test_pydlms_reads_ciphered_at_each_level(fleet: Fleet, name: str, mechanism: Mechanism, policy: int) -> None:
    with pydlms(fleet, name, mechanism, policy) as client:
        first = client.get(ENERGY, 3, 2).to_python()
        assert client.get(ENERGY, 3, 2).to_python() == first + 1
        assert client.get("0.0.40.0.0.255", 15, 4).to_python()[-1] == 3


@pytest.mark.parametrize("protection", ["glo", "general-glo"])
@pytest.mark.parametrize("dedicated", [False, True])
def test_pydlms_writes_and_calls_ciphered_in_blocks(fleet: Fleet, protection: str, dedicated: bool) -> None:
    with pydlms(fleet, "hdlc", Mechanism.HLS_GMAC, 0x30, protection=protection, use_dedicated_key=dedicated) as client:
        client.set("0.0.96.128.0.255", 1, 2, DlmsData.octet_string(LONG))
        assert client.get("0.0.96.128.0.255", 1, 2).to_python() == LONG
        echo = client.action("0.0.96.128.1.255", 8192, 1, DlmsData.octet_string(LONG * 2))
        assert echo is not None
        assert echo.to_python() == LONG * 2
        assert len(client.get_association_view()) > 200


def test_pydlms_reads_suite_1_under_a_policy(fleet: Fleet) -> None:
    with pydlms(fleet, "suite-1", Mechanism.HLS_GMAC, 0x30) as client:
        assert client.get(ENERGY, 3, 2).to_python() >= 56_281_000


def test_a_low_counter_is_told_what_is_expected(fleet: Fleet) -> None:
    client = pydlms(fleet, "high-counter", Mechanism.HLS_GMAC, 0x30)
    with pytest.raises(DlmsError):
        client.connect()
    client.close()
    with pydlms(fleet, "high-counter", Mechanism.HLS_GMAC, 0x30, invocation_counter_retry=True) as client:
        assert client.get(ENERGY, 3, 2)
    assert fleet.status("high-counter")["undeciphered"] == 2


def test_the_public_client_reads_the_frame_counter(fleet: Fleet) -> None:
    with pydlms(fleet, "high-counter", Mechanism.HLS_GMAC, 0x30, discover_invocation_counter=True) as client:
        assert client.get(ENERGY, 3, 2)


def test_a_wrong_secret_is_refused(fleet: Fleet) -> None:
    client = pydlms(fleet, "hdlc", Mechanism.HLS_MD5, None)
    client.association.settings.secret = b"another secret"
    with pytest.raises(DlmsError):
        client.connect()
    client.close()


def test_a_strict_meter_wants_its_release_ciphered(fleet: Fleet) -> None:
    with pydlms(fleet, "strict", Mechanism.HLS_GMAC, 0x30) as client:
        assert client.get(ENERGY, 3, 2)


@pytest.mark.parametrize("dedicated", [False, True])
def test_what_is_ciphered_is_cut_into_general_blocks(fleet: Fleet, dedicated: bool) -> None:
    with pydlms(
        fleet,
        "blocks",
        Mechanism.HLS_GMAC,
        0x30,
        propose_gbt=True,
        propose_access=True,
        gbt_window=3,
        use_dedicated_key=dedicated,
    ) as client:
        client.set("0.0.96.128.0.255", 1, 2, DlmsData.octet_string(LONG * 2))
        assert client.get("0.0.96.128.0.255", 1, 2).to_python() == LONG * 2
        (found,) = client.access([AccessGet("0.0.96.128.0.255", 1, 2)])
        assert found.data.to_python() == LONG * 2


@pytest.mark.parametrize("fault", ["wrong_tag", "replay"])
def test_damage_and_repetition_are_noticed(fleet: Fleet, fault: str) -> None:
    with pydlms(fleet, "wrapper", Mechanism.HLS_GMAC, 0x30) as client:
        assert client.get(ENERGY, 3, 2)
        fleet.do(meter="wrapper", do=fault, on="get")
        with pytest.raises(DlmsError):
            client.get(ENERGY, 3, 2)


def test_notifications_are_ciphered_too(fleet: Fleet) -> None:
    with pydlms(fleet, "wrapper", Mechanism.HLS_GMAC, 0x30) as client:
        fleet.do(meter="wrapper", do="push")
        assert client.get(ENERGY, 3, 2)


def test_a_meter_that_counts_on_refuses_what_it_accepted_before(fleet: Fleet) -> None:
    with pydlms(fleet, "counting", Mechanism.HLS_GMAC, 0x30) as client:
        assert client.get(ENERGY, 3, 2)
        fleet.do(meter="counting", do="counter", least=100_000)
        with pytest.raises(DlmsError):
            client.get(ENERGY, 3, 2)


def gurux(fleet: Fleet, name: str, authentication: Authentication, sap: int, security: Security) -> GuruxSession:
    """Return a gurux-dlms client that ciphers."""
    server, interface = address(fleet, name, GXDLMSSecureClient)
    secret = {Authentication.LOW: "22222222", Authentication.HIGH_GMAC: None}.get(authentication, SECRET)
    client = GXDLMSSecureClient(True, sap, server, authentication, secret, interface)
    client.ciphering.security = security
    client.ciphering.systemTitle = b"GRX" + next(titles).to_bytes(5, "big")
    client.ciphering.blockCipherKey = ENCRYPTION
    client.ciphering.authenticationKey = AUTHENTICATION
    return GuruxSession(client, fleet.meters[name].port)


GURUX = [
    (Authentication.HIGH_MD5, 33, Security.NONE),
    (Authentication.HIGH_SHA1, 34, Security.NONE),
    (Authentication.HIGH_SHA256, 36, Security.NONE),
    (Authentication.HIGH_GMAC, 35, Security.AUTHENTICATION),
    (Authentication.HIGH_GMAC, 35, Security.AUTHENTICATION_ENCRYPTION),
    (Authentication.HIGH_MD5, 33, Security.AUTHENTICATION_ENCRYPTION),
    (Authentication.LOW, 1, Security.ENCRYPTION),
]


@pytest.mark.parametrize("name", ["hdlc", "wrapper"])
@pytest.mark.parametrize(("authentication", "sap", "security"), GURUX)
def test_gurux_signs_on_and_reads(
    fleet: Fleet, name: str, authentication: Authentication, sap: int, security: Security
) -> None:
    with gurux(fleet, name, authentication, sap, security) as client:
        first = cast(int, client.value(GXDLMSRegister(ENERGY), 2))
        assert client.value(GXDLMSRegister(ENERGY), 2) == first + 1
        assert client.value(GXDLMSClock("0.0.1.0.0.255"), 2)
        assert client.value(GXDLMSAssociationLogicalName("0.0.40.0.0.255"), 6)
