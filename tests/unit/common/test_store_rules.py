"""What a wish may hold: a table of bad wishes, each with the field that is named."""

from dataclasses import replace

import pytest

from common.secret import Secret
from common.store.errors import BadWish
from common.store.model import MeasurementWish, MeterWish
from common.store.rules import check, measurements_of
from tests.support.installation import wish

GOOD = wish()
KEY, TITLE = "0123456789abcdefABCDEF9876543210", "4D4D4D0000BC614E"
SECURE = replace(
    GOOD,
    authentication="hls-gmac",
    security="both",
    encryption_key=Secret(KEY),
    authentication_key=Secret(KEY),
    client_title=TITLE,
)
ONE = MeasurementWish("voltage_l1", "1-1:32.7.0")


@pytest.mark.parametrize(
    "changed",
    [
        GOOD,
        replace(GOOD, name="Edificio Ñ 2 (planta baja)"),
        replace(GOOD, name="20231234"),
        replace(GOOD, ip_address="meter-7.plant_2.example"),
        replace(GOOD, ip_address="fe80::1"),
        replace(GOOD, authentication="lls", password=Secret("22222222")),
        replace(GOOD, authentication="hls-sha256", password=Secret("pw"), client_title=TITLE, referencing="sn"),
        SECURE,
        replace(SECURE, security="none"),
        replace(SECURE, security_suite=1, dedicated_key=True, general_ciphering=True, server_title=TITLE),
        replace(SECURE, authentication="none", security="encrypt", authentication_key=Secret("")),
        replace(GOOD, server_logical=0, server_physical=1),
        replace(GOOD, address_size=4, server_logical=1, server_physical=9876),
        replace(GOOD, transport="wrapper", client_id=200, address_size=None),
        replace(GOOD, limits={"reply_timeout_s": 12.5, "breaker_failures": 3}),
        replace(GOOD, measurements=(ONE, replace(ONE, measurement_name="again", tb_key="v", sampling_interval=60.0))),
        replace(GOOD, measurements=(ONE, replace(ONE, measurement_name="off", tb_key="voltage_l1", enabled=False))),
        replace(GOOD, backfill=False, load_profile="1-0:99.1.0"),
    ],
    ids=range(18),
)
def test_a_good_wish_passes(changed: MeterWish) -> None:
    check(changed)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        *(
            (replace(GOOD, name=name), "name")
            for name in ("", "x" * 65, "a/b", "a+b", "a#", "$SYS", " a", "a\n", "a\x00")
        ),
        *((replace(GOOD, name=name), "name") for name in ("1234567", "0" * 32, "\ud800")),
        *(
            (replace(GOOD, ip_address=host), "ip_address")
            for host in ("", "10.0.0.256", "a b", "-x", "x" * 254, "a..b")
        ),
        (replace(GOOD, tb_host="http://tb"), "tb_host"),
        *((replace(GOOD, port=port), "port") for port in (0, 65536, -1)),
        (replace(GOOD, tb_port=0), "tb_port"),
        *((replace(GOOD, load_profile=text), "load_profile") for text in ("99.1.0", "1-0:99.1.300", "load")),
        (replace(GOOD, client_id=0), "client_id"),
        (replace(GOOD, client_id=128), "client_id"),
        (replace(GOOD, server_logical=-1), "server_logical"),
        (replace(GOOD, server_logical=128), "server_logical"),
        (replace(GOOD, server_physical=16384), "server_physical"),
        (replace(GOOD, address_size=2, server_physical=128), "server_physical"),
        (replace(GOOD, address_size=3), "address_size"),
        (replace(GOOD, transport="serial"), "transport"),
        (replace(GOOD, authentication="hls"), "authentication"),
        (replace(GOOD, line_mode="mine"), "line_mode"),
        (replace(GOOD, model="nope"), "model"),
        (replace(GOOD, interval_s=0.05), "interval_s"),
        (replace(GOOD, interval_s=float("nan")), "interval_s"),
        (replace(GOOD, interval_s=86_401.0), "interval_s"),
        (replace(GOOD, authentication="lls"), "password"),
        (replace(GOOD, authentication="hls-md5"), "password"),
        (replace(GOOD, authentication="hls-sha256", password=Secret("pw")), "client_title"),
        (replace(GOOD, security="some"), "security"),
        (replace(GOOD, referencing="xn"), "referencing"),
        (replace(SECURE, security_suite=2), "security_suite"),
        (replace(SECURE, client_title=""), "client_title"),
        (replace(SECURE, client_title=TITLE[1:]), "client_title"),
        (replace(SECURE, server_title="no hexadecimal!!"), "server_title"),
        (replace(SECURE, encryption_key=Secret("")), "encryption_key"),
        (replace(SECURE, encryption_key=Secret(KEY + "\n")), "encryption_key"),
        (replace(SECURE, authentication_key=Secret(KEY[1:])), "authentication_key"),
        (replace(SECURE, authentication_key=Secret("")), "authentication_key"),
        (replace(SECURE, security="auth", authentication="none", authentication_key=Secret("")), "authentication_key"),
        (replace(SECURE, security="none", dedicated_key=True), "dedicated_key"),
        (replace(SECURE, security="none", general_ciphering=True), "general_ciphering"),
        (replace(GOOD, password=Secret("x" * 129)), "password"),
        (replace(GOOD, password=Secret("a\nb")), "password"),
        (replace(GOOD, tb_token=Secret("x" * 513)), "tb_token"),
        (replace(GOOD, tb_device_name="x" * 256), "tb_device_name"),
        (replace(GOOD, tb_device_name="a\tb"), "tb_device_name"),
        (replace(GOOD, measurements=()), "measurements"),
        (replace(GOOD, measurements=(ONE,) * 257), "measurements"),
        (replace(GOOD, measurements=(ONE, ONE)), "measurements[1].measurement_name"),
        (
            replace(GOOD, measurements=(ONE, replace(ONE, measurement_name="x", tb_key="voltage_l1"))),
            "measurements[1].tb_key",
        ),
        (replace(GOOD, measurements=(replace(ONE, measurement_name="a b"),)), "measurements[0].measurement_name"),
        (replace(GOOD, measurements=(replace(ONE, tb_key="a/b"),)), "measurements[0].tb_key"),
        (replace(GOOD, measurements=(replace(ONE, obis_code="1.2.3"),)), "measurements[0].obis_code"),
        (replace(GOOD, measurements=(replace(ONE, obis_code="1-1:32.7.256"),)), "measurements[0].obis_code"),
        (replace(GOOD, measurements=(replace(ONE, class_id=0),)), "measurements[0].class"),
        (replace(GOOD, measurements=(replace(ONE, attribute=0),)), "measurements[0].attribute"),
        (replace(GOOD, measurements=(replace(ONE, class_id=15, attribute=7),)), "measurements[0].attribute"),
        (replace(GOOD, measurements=(replace(ONE, sampling_interval=0.0),)), "measurements[0].sampling_interval"),
        (replace(GOOD, limits={"nope": 1.0}), "limits.nope"),
        (replace(GOOD, limits={"reply_timeout_s": 31.0}), "limits.reply_timeout_s"),
        (replace(GOOD, limits={"reply_timeout_s": float("inf")}), "limits.reply_timeout_s"),
        (replace(GOOD, limits={"breaker_failures": 1.5}), "limits.breaker_failures"),
        (replace(GOOD, limits={"auth_retry_s": 1.0}), "limits.auth_retry_s"),
    ],
)
def test_a_bad_wish_is_refused_by_its_field(changed: MeterWish, field: str) -> None:
    with pytest.raises(BadWish) as caught:
        check(changed)
    assert caught.value.field == field
    assert caught.value.detail.startswith(f"{field}: ")


def test_no_refusal_repeats_a_secret() -> None:
    with pytest.raises(BadWish) as caught:
        check(replace(GOOD, password=Secret("hush\n")))
    assert "hush" not in caught.value.detail
    with pytest.raises(BadWish) as caught:
        check(replace(SECURE, encryption_key=Secret("hush")))
    assert "hush" not in caught.value.detail


def test_a_model_gives_its_default_measurements() -> None:
    assert [item.measurement_name for item in measurements_of("generic")] == [
        "voltage_l1",
        "current_l1",
        "frequency",
        "active_power",
        "active_energy",
    ]
    assert measurements_of("generic", ["active_power"]) == (MeasurementWish("active_power", "1-0:1.7.0"),)
