"""What `meterctl run` and `meterctl init` write: configuration that its readers read back."""

import configparser
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.cli import broker, embedded, init
from admin_api.cli.broker import mosquitto_conf
from admin_api.cli.programs import gunicorn_conf, programs, render
from admin_api.cli.run import check_ports, where_to_look
from admin_api.cli.watch import reading_line
from common.paths import Paths
from common.settings import EmbeddedSettings, Settings, load
from common.store.engine import Store
from common.supervisord import UnsafeText
from tests.support.installation import StillClock, opened

SETTINGS = Settings(Paths(Path("/state")))
ALL = replace(SETTINGS, embedded=EmbeddedSettings(broker=True, simulator_meters=3))
SCRIPTS = Path("/venv/bin")


def read_back(settings: Settings) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(render(settings, SCRIPTS))
    return parser


def test_production_runs_three_programs_and_whatever_wishes_add() -> None:
    names = [program.name for program in programs(SETTINGS, SCRIPTS)]
    assert names == ["publisher", "supervisor_qos", "api"]
    assert read_back(SETTINGS).get("include", "files") == "conf.d/*.conf"


def test_embedded_adds_a_broker_and_meters_that_start_first() -> None:
    names = [program.name for program in programs(ALL, SCRIPTS)]
    assert names == ["broker", "simulator", "publisher", "supervisor_qos", "api"]
    priorities = [int(read_back(ALL).get(f"program:{name}", "priority")) for name in names]
    assert priorities == sorted(priorities)


def test_commands_survive_blanks_and_percent_signs() -> None:
    settings = replace(ALL, paths=Paths(Path("/a state/50%")))
    parser = read_back(settings)
    command = shlex.split(parser.get("program:publisher", "command").replace("%%", "%"))
    assert command[-3:] == ["/venv/bin/dlms-publisher", "--state", "/a state/50%"]


def test_no_program_outlives_its_supervisord() -> None:
    parser = read_back(ALL)
    commands = {program.name: parser.get(f"program:{program.name}", "command") for program in programs(ALL, SCRIPTS)}
    assert all("pdeathsig TERM -- " in command for name, command in commands.items() if name != "api")
    assert "pdeathsig INT -- " in commands["api"]  # gunicorn's quick end


def test_a_path_that_supervisord_would_misread_is_refused() -> None:
    with pytest.raises(UnsafeText):
        render(replace(SETTINGS, paths=Paths(Path("/a ;b"))), SCRIPTS)


def test_supervisords_socket_is_closed_to_others() -> None:
    assert read_back(SETTINGS).get("unix_http_server", "chmod") == "0700"


def test_gunicorns_configuration_is_python_that_sets_what_we_mean() -> None:
    values: dict[str, object] = {}
    exec(gunicorn_conf(replace(SETTINGS, api=replace(SETTINGS.api, host="::1", port=5002))), values)
    assert values["bind"] == "[::1]:5002"
    assert values["worker_class"] == "gthread"


def test_mosquitto_listens_on_loopback_alone() -> None:
    lines = mosquitto_conf(ALL, "somebody").splitlines()
    assert [line for line in lines if line.startswith("listener")] == ["listener 1883 127.0.0.1"]
    assert "persistence_location /state/broker/" in lines


def test_without_any_broker_the_error_says_what_to_do() -> None:
    nothing = replace(ALL, embedded=replace(ALL.embedded, broker_kind="package"))
    with pytest.raises(broker.NoBroker, match="install Mosquitto"):
        broker.protocol(nothing, package="no_such_package")


# the first start


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[init.Prepared]:
    found = init.prepare(str(tmp_path_factory.mktemp("installation") / "state"))
    yield found
    found.store.close()


def test_init_makes_everything_once(prepared: init.Prepared) -> None:
    root = prepared.settings.paths.root
    assert (root / "master.key").stat().st_mode & 0o777 == 0o400
    assert prepared.token is not None
    before = (root / "bridge.toml").read_bytes(), (root / "master.key").read_bytes()
    again = init.prepare(str(root))
    assert again.token is None
    assert ((root / "bridge.toml").read_bytes(), (root / "master.key").read_bytes()) == before
    again.store.close()


def test_the_token_is_an_admins_and_is_not_kept_in_clear(prepared: init.Prepared) -> None:
    assert prepared.token is not None
    row = prepared.store.tokens.verify(prepared.token.reveal())
    assert row is not None
    assert row.role == "admin"
    assert prepared.token.reveal().encode() not in prepared.settings.paths.store_file.read_bytes()


def test_the_settings_file_names_every_default_and_changes_none(tmp_path: Path) -> None:
    without = load(str(tmp_path), {})
    (tmp_path / "bridge.toml").write_text(init.template(), encoding="utf-8")
    assert load(str(tmp_path), {}) == without
    uncommented = "\n".join(line.removeprefix("# ") for line in init.template().splitlines()[2:])
    (tmp_path / "bridge.toml").write_text(uncommented, encoding="utf-8")
    assert load(str(tmp_path), {}) == without


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path, StillClock()) as found:
        yield found


def settle(directory: Path, store: Store, toml: str = "") -> dict[str, dict[str, object]]:
    config = directory / "bridge.toml"
    config.write_text(toml, encoding="utf-8")
    settings = replace(SETTINGS, paths=Paths(directory))
    assert embedded.settle(settings, store, lambda _: "5")
    assert not embedded.settle(settings, store, lambda _: "5")
    return tomllib.loads(config.read_text(encoding="utf-8"))


def test_the_first_embedded_run_settles_broker_ports_and_meters(tmp_path: Path, store: Store) -> None:
    document = settle(tmp_path, store)
    assert document["embedded"]["broker"] is True
    assert document["mqtt"]["port"] == document["embedded"]["broker_port"]
    assert [meter.wish.name for meter in store.meters.list()] == ["sim-1", "sim-2", "sim-3"]
    first = document["embedded"]["simulator_port"]
    assert isinstance(first, int)
    assert [meter.wish.port for meter in store.meters.list()] == [first, first + 1, first + 2]
    assert load(str(tmp_path), {}).embedded.simulator_meters == 3


def test_a_broker_that_a_person_named_is_kept(tmp_path: Path, store: Store) -> None:
    document = settle(tmp_path, store, '[mqtt]\nhost = "mqtt.example"\n')
    assert document["mqtt"] == {"host": "mqtt.example"}
    assert "broker" not in document["embedded"]


def test_ports_that_are_taken_are_passed_over(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = int(other.getsockname()[1])
        assert not embedded.is_free("127.0.0.1", taken)
        assert embedded.free_port(taken) == taken + embedded.STEP


def test_free_ports_are_no_obstacle() -> None:
    check_ports(replace(SETTINGS, api=replace(SETTINGS.api, port=embedded.free_port(42_000))))


# what a person sees


def test_where_to_look_names_the_topic_with_wildcards_and_the_token_once(prepared: init.Prepared) -> None:
    text = "\n".join(where_to_look(prepared.settings, prepared))
    assert "-t 'meters/+/telemetry'" in text
    assert prepared.token is not None
    assert text.count(prepared.token.reveal()) == 1
    again = "\n".join(where_to_look(prepared.settings, replace(prepared, token=None)))
    assert "token create" in again


def test_a_reading_is_one_line_for_people() -> None:
    line = reading_line(b'{"ts": 0, "meter": "sim-1", "values": {"u": 230.1, "n": 3.0}, "units": {"u": "V"}}')
    assert line.endswith("sim-1    u 230.1 V  n 3.0")


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b'{"ts": "now"}', b'{"ts": -1, "meter": "a", "values": {}}'])
def test_what_is_no_reading_is_passed_over(payload: bytes) -> None:
    assert reading_line(payload) == ""
