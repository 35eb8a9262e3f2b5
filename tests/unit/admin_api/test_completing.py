"""Bodies: what is made of good ones, and a table of bad ones, each with the field that its error names."""

from dataclasses import replace

import pytest

from admin_api import completing
from admin_api.schemas.commands import CommandBody, Patience
from admin_api.schemas.meters import MeterChange, NewMeter
from admin_api.schemas.shape import Page
from common.catalogue import DEFAULT_MEASUREMENTS
from common.meter_state import DesiredState
from common.secret import Secret
from common.store.errors import BadWish
from common.store.model import MeasurementWish, MeterWish
from tests.support.installation import wish

LEAST: dict[str, object] = {"name": "m", "ip_address": "10.0.0.1"}


def new_meter(body: object) -> MeterWish:
    return completing.new_meter(NewMeter.read(body))


def replaced_meter(body: object, current: MeterWish) -> MeterWish:
    return completing.replaced_meter(NewMeter.read(body), current)


def changed_meter(body: object, current: MeterWish) -> MeterWish:
    return completing.changed_meter(MeterChange.read(body), current)


def test_name_and_address_are_enough() -> None:
    made = new_meter(LEAST)
    assert (made.port, made.transport, made.client_id, made.address_size) == (3333, "hdlc", 16, 1)
    assert (made.authentication, made.interval_s, made.desired_state) == ("none", 2.0, DesiredState.RUNNING)
    assert tuple(item.measurement_name for item in made.measurements) == DEFAULT_MEASUREMENTS
    assert made.measurements[0].obis_code == "1-1:32.7.0"


def test_the_predecessors_body_is_taken() -> None:
    body = {
        "name": "Medidor 1",
        "ip_address": "192.168.1.127",
        "port": 3333,
        "tb_token": "abc",
        "tb_device_name": "Medidor",
        "measurements": ["voltage_l1", "active_power"],
    }
    made = new_meter(body)
    assert (made.tb_enabled, made.tb_token, made.tb_device_name) == (True, Secret("abc"), "Medidor")
    assert [item.obis_code for item in made.measurements] == ["1-1:32.7.0", "1-1:1.7.0"]


@pytest.mark.parametrize(
    ("more", "port", "transport", "size"),
    [
        ({"model": "generic-wrapper"}, 4059, "wrapper", None),
        ({"transport": "wrapper"}, 4059, "wrapper", None),
        ({"model": "generic-wrapper", "transport": "hdlc"}, 3333, "hdlc", 1),
        ({"model": "generic-wrapper", "port": 9999}, 9999, "wrapper", None),
    ],
)
def test_a_transport_brings_its_port(more: dict[str, object], port: int, transport: str, size: int | None) -> None:
    made = new_meter(LEAST | more)
    assert (made.port, made.transport, made.address_size) == (port, transport, size)


def test_a_model_brings_how_its_attributes_are_named() -> None:
    body = {"name": "hall", "ip_address": "10.0.0.7", "model": "landis-gyr"}
    assert new_meter(body).referencing == "sn"
    assert new_meter(body | {"referencing": "ln"}).referencing == "ln"


def test_a_password_means_that_it_is_used_unless_said_otherwise() -> None:
    assert new_meter(LEAST | {"password": "x"}).authentication == "lls"
    assert new_meter(LEAST | {"password": "x", "authentication": "none"}).authentication == "none"
    assert not new_meter(LEAST | {"tb_token": "x", "tb_enabled": False}).tb_enabled


def test_a_measurement_may_say_all_of_itself() -> None:
    item = {
        "measurement_name": "thd",
        "obis_code": "1-0:32.7.124",
        "class": 4,
        "attribute": 3,
        "enabled": False,
        "sampling_interval": 60,
        "tb_key": "THD",
    }
    made = new_meter(LEAST | {"measurements": [item, {"name": "frequency", "sampling_interval": None}]})
    assert made.measurements == (
        MeasurementWish("thd", "1-0:32.7.124", 4, 3, False, 60.0, "THD"),
        MeasurementWish("frequency", "1-1:14.7.0"),
    )


def test_what_was_answered_may_be_sent_back() -> None:
    answered = {"id": 7, "uid": "00", "revision": 3, "password_set": True, "state": {}, "created_at": "x"}
    assert new_meter(LEAST | answered) == new_meter(LEAST)


def test_a_change_changes_what_it_names() -> None:
    old = wish()
    assert changed_meter({}, old) == old
    assert changed_meter({"interval_s": 5}, old) == replace(old, interval_s=5.0)
    assert changed_meter({"password": "x"}, old) == replace(old, password=Secret("x"), authentication="lls")
    assert changed_meter({"tb_token": None}, replace(old, tb_token=Secret("x"))) == old
    assert changed_meter({"measurements": ["frequency"]}, old).measurements == (
        MeasurementWish("frequency", "1-1:14.7.0"),
    )


def test_another_model_takes_its_own_measurements_along() -> None:
    own = MeasurementWish("mine", "1-1:99.7.0")
    changed = changed_meter({"model": "generic"}, replace(wish(), measurements=(*wish().measurements, own)))
    assert [item.obis_code for item in changed.measurements][:2] == ["1-0:32.7.0", "1-0:31.7.0"]
    assert changed.measurements[-1] == own


def test_a_replacement_keeps_only_the_secrets() -> None:
    old = replace(wish(), interval_s=9.0, password=Secret("x"), authentication="lls", tb_token=Secret("t"))
    made = replaced_meter(LEAST | {"authentication": "lls"}, old)
    assert (made.name, made.interval_s, made.password, made.tb_token) == ("m", 2.0, Secret("x"), Secret("t"))


BAD: list[tuple[object, str]] = [
    (None, "body"),
    ([], "body"),
    ("x", "body"),
    ({}, "name"),
    ({"name": "m"}, "ip_address"),
    (LEAST | {"name": 7}, "name"),
    (LEAST | {"name": None}, "name"),
    (LEAST | {"name": ""}, "name"),
    (LEAST | {"name": "a/b"}, "name"),
    (LEAST | {"name": "x" * 5000}, "name"),
    (LEAST | {"ip_address": "10.0.0.256"}, "ip_address"),
    (LEAST | {"ip_address": 10}, "ip_address"),
    (LEAST | {"port": "3333"}, "port"),
    (LEAST | {"port": 3333.0}, "port"),
    (LEAST | {"port": True}, "port"),
    (LEAST | {"port": 0}, "port"),
    (LEAST | {"port": 2**60}, "port"),
    (LEAST | {"port": None}, "port"),
    (LEAST | {"transport": "carrier pigeon"}, "transport"),
    (LEAST | {"transport": ["hdlc"]}, "transport"),
    (LEAST | {"client_id": 0}, "client_id"),
    (LEAST | {"server_logical": -1}, "server_logical"),
    (LEAST | {"server_physical": "x"}, "server_physical"),
    (LEAST | {"address_size": 3}, "address_size"),
    (LEAST | {"authentication": "hls"}, "authentication"),
    (LEAST | {"authentication": "lls"}, "password"),
    (LEAST | {"password": 12345678}, "password"),
    (LEAST | {"password": "x" * 200}, "password"),
    (LEAST | {"model": "nope"}, "model"),
    (LEAST | {"model": 7}, "model"),
    (LEAST | {"interval_s": 0}, "interval_s"),
    (LEAST | {"interval_s": float("nan")}, "interval_s"),
    (LEAST | {"interval_s": float("inf")}, "interval_s"),
    (LEAST | {"interval_s": "2"}, "interval_s"),
    (LEAST | {"desired_state": "happy"}, "desired_state"),
    (LEAST | {"desired_state": {}}, "desired_state"),
    (LEAST | {"line_mode": "mine"}, "line_mode"),
    (LEAST | {"tb_enabled": 1}, "tb_enabled"),
    (LEAST | {"tb_host": "http://x"}, "tb_host"),
    (LEAST | {"tb_port": 99999}, "tb_port"),
    (LEAST | {"tb_token": ["x"]}, "tb_token"),
    (LEAST | {"tb_device_name": "a\nb"}, "tb_device_name"),
    (LEAST | {"limits": []}, "limits"),
    (LEAST | {"limits": {"nope": 1}}, "limits.nope"),
    (LEAST | {"limits": {"reply_timeout_s": "1"}}, "limits.reply_timeout_s"),
    (LEAST | {"limits": {"reply_timeout_s": 99}}, "limits.reply_timeout_s"),
    (LEAST | {"measurements": "voltage_l1"}, "measurements"),
    (LEAST | {"measurements": {}}, "measurements"),
    (LEAST | {"measurements": []}, "measurements"),
    (LEAST | {"measurements": ["x"] * 2000}, "measurements"),
    (LEAST | {"measurements": ["nope"]}, "measurements[0].measurement_name"),
    (LEAST | {"measurements": [7]}, "measurements[0]"),
    (LEAST | {"measurements": [{}]}, "measurements[0].measurement_name"),
    (LEAST | {"measurements": ["frequency", {"name": "x", "obis_code": "1-1:1"}]}, "measurements[1].obis_code"),
    (LEAST | {"measurements": [{"name": "x", "obis_code": "1-1:300.7.0"}]}, "measurements[0].obis_code"),
    (LEAST | {"measurements": [{"name": "frequency", "class": "3"}]}, "measurements[0].class"),
    (LEAST | {"measurements": [{"name": "frequency", "enabled": "yes"}]}, "measurements[0].enabled"),
    (LEAST | {"measurements": [{"name": "frequency", "colour": "red"}]}, "measurements[0].colour"),
    (LEAST | {"measurements": ["frequency", "frequency"]}, "measurements[1].measurement_name"),
    (LEAST | {"colour": "red"}, "colour"),
    (LEAST | {"x" * 500: 1}, "x" * 64),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=range(len(BAD)))
def test_a_bad_body_is_refused_by_its_field(body: object, field: str) -> None:
    with pytest.raises(BadWish) as caught:
        new_meter(body)
    assert caught.value.field == field
    assert len(caught.value.detail) < 1000


@pytest.mark.parametrize(
    ("body", "field"), [(body, field) for body, field in BAD if isinstance(body, dict) and len(body) > 2]
)
def test_a_bad_change_is_refused_by_its_field(body: dict[str, object], field: str) -> None:
    with pytest.raises(BadWish) as caught:
        changed_meter(
            {name: value for name, value in body.items() if name not in LEAST or value != LEAST[name]}, wish()
        )
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ({"wait": "x"}, None, "wait"),
        ({"wait": "31"}, None, "wait"),
        ({"wait": "-1"}, None, "wait"),
        ({"wait": "nan"}, None, "wait"),
        ({}, [], "body"),
        ({}, {"timeout_s": 0}, "timeout_s"),
        ({}, {"timeout_s": 301}, "timeout_s"),
        ({}, {"timeout_s": "1"}, "timeout_s"),
        ({}, {"colour": 1}, "colour"),
    ],
)
def test_bad_options_of_a_command_are_refused(query: dict[str, str], body: object, field: str) -> None:
    with pytest.raises(BadWish) as caught:
        _ = Patience.read(query), CommandBody.read(body)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"offset": "-1"}, "offset"),
    ],
)
def test_a_bad_page_is_refused(query: dict[str, str], field: str) -> None:
    with pytest.raises(BadWish) as caught:
        Page.read(query)
    assert caught.value.field == field
