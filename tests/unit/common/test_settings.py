"""Settings: a table of bad files and variables, each with its error; defaults and precedence."""

from dataclasses import fields
from pathlib import Path

import pytest

from common.secret import Secret
from common.settings import BadSettings, MqttSettings, Settings, load


def _load(directory: Path, text: str = "", environment: dict[str, str] | None = None) -> Settings:
    if text:
        (directory / "bridge.toml").write_text(text, encoding="utf-8")
    return load(str(directory), environment or {})


def test_without_file_and_variables_all_is_default(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings == Settings(settings.paths, MqttSettings(client_id=settings.mqtt.client_id))
    assert (settings.api.host, settings.api.port, settings.mqtt.mode) == ("127.0.0.1", 5001, "generic")
    assert settings.store_url == f"sqlite:///{tmp_path}/store.db"


def test_each_installation_has_a_client_id_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    one, other = load(str(tmp_path / "one"), {}), load(str(tmp_path / "other"), {})
    assert one.mqtt.client_id.startswith("dlms-bridge-")
    assert one.mqtt.client_id == load(str(tmp_path / "one"), {}).mqtt.client_id != other.mqtt.client_id
    assert _load(tmp_path, '[mqtt]\nclient_id = "mine"\n').mqtt.client_id == "mine"


def test_the_file_overrides_defaults_and_variables_override_the_file(tmp_path: Path) -> None:
    text = '[mqtt]\nhost = "broker"\nport = 8883\n[outbox]\nmax_age_s = 3600\n'
    settings = _load(tmp_path, text, {"DLMS_BRIDGE_MQTT_PORT": "1884", "DLMS_BRIDGE_MQTT_TLS": "true"})
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.tls) == ("broker", 1884, True)
    assert settings.outbox.max_age_s == 3600.0


def test_the_state_directory_is_named_or_given_by_a_variable(tmp_path: Path) -> None:
    assert load(None, {"DLMS_BRIDGE_STATE": str(tmp_path)}).paths.root == tmp_path
    assert load(None, {}).paths.root == Path("state").absolute()


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[api]\nport = 6000\n", encoding="utf-8")
    assert _load(tmp_path, "", {"DLMS_BRIDGE_CONFIG": str(tmp_path / "other.toml")}).api.port == 6000


def test_a_password_is_a_secret(tmp_path: Path) -> None:
    settings = _load(tmp_path, '[mqtt]\npassword = "hush"\n')
    assert settings.mqtt.password == Secret("hush")
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[mqtt\n", "not TOML"),
        ("[mqttt]\n", r"\[mqttt\] is not a section; there are mqtt, api"),
        ("mqtt = 3\n", r"\[mqtt\] must be a table"),
        ("[api]\nprot = 1\n", r"\[api\] prot is not a setting; there are host, port"),
        ("[api]\nport = 0\n", r"\[api\] port: must be from 1 to 65535, not 0"),
        ("[api]\nport = 70000\n", r"\[api\] port: must be from 1 to 65535, not 70000"),
        ('[api]\nport = "80"\n', r"\[api\] port: int was expected, not str"),
        ("[api]\nport = true\n", r"\[api\] port: int was expected, not bool"),
        ("[api]\nport = 80.0\n", r"\[api\] port: int was expected, not float"),
        ("[api]\nopen_metrics = 1\n", r"\[api\] open_metrics: bool was expected, not int"),
        ('[mqtt]\nmode = "carrier pigeon"\n', r"\[mqtt\] mode: must be one of generic, tb_gateway, tb_device"),
        ("[mqtt]\npassword = 12345\n", r"\[mqtt\] password: str was expected, not int"),
        ("[outbox]\nmax_age_s = nan\n", r"\[outbox\] max_age_s: must be from"),
        ("[outbox]\nmax_age_s = inf\n", r"\[outbox\] max_age_s: must be from"),
    ],
)
def test_a_bad_file_is_refused_by_section_and_key(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BadSettings, match=expected):
        _load(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("DLMS_BRIDGE_API_PORT", "eighty", "DLMS_BRIDGE_API_PORT: a number was expected"),
        ("DLMS_BRIDGE_API_PORT", "99999", "DLMS_BRIDGE_API_PORT: must be from 1 to 65535"),
        ("DLMS_BRIDGE_MQTT_TLS", "maybe", "DLMS_BRIDGE_MQTT_TLS: true or false was expected"),
        ("DLMS_BRIDGE_OUTBOX_IN_FLIHGT", "9", r"DLMS_BRIDGE_OUTBOX_IN_FLIHGT: \[outbox\] has no such setting"),
        ("DLMS_BRIDGE_MQTT_ORDER", "none", "DLMS_BRIDGE_MQTT_ORDER: must be one of lanes, strict"),
    ],
)
def test_a_bad_variable_is_refused_by_name(tmp_path: Path, variable: str, text: str, expected: str) -> None:
    with pytest.raises(BadSettings, match=expected):
        _load(tmp_path, "", {variable: text})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="not TOML"):
        _load(tmp_path)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").mkdir()
    with pytest.raises(BadSettings, match="directory"):
        _load(tmp_path)


def test_every_number_has_bounds() -> None:
    settings = Settings(load("/nonexistent", {}).paths)
    for section in fields(settings)[1:]:
        for item in fields(type(getattr(settings, section.name))):
            if type(item.default) in {int, float}:
                assert {"low", "high"} <= set(item.metadata), f"[{section.name}] {item.name}"
