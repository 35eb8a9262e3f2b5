"""Wishes to run files: what each process is told, and what may not reach supervisord."""

import configparser
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from common.meter_state import DesiredState
from common.paths import Paths
from common.routes import Mode, Routes
from common.secret import Secret
from common.settings import MqttSettings, Settings
from common.store.model import MeasurementWish, Meter, MeterWish
from common.supervisord import UnsafeText
from common.worker_file import WorkerFile
from supervisor_qos import wishes

UID = bytes(range(16))
SETTINGS = Settings(Paths(Path("/state")))
WISH = MeterWish(
    "house 7",
    "10.0.0.1",
    password=Secret("22222222"),
    limits={"reply_timeout_s": 7, "breaker_failures": 3.0},
    measurements=(
        MeasurementWish("voltage_l1", "1-1:32.7.0", tb_key="u1", sampling_interval=10.0),
        MeasurementWish("frequency", "1-1:14.7.0*255", enabled=False),
    ),
)


def meter(wish: MeterWish = WISH, *, deleted: bool = False) -> Meter:
    return Meter(1, UID, 3, 0, 0, 1 if deleted else None, False, wish)


def test_a_worker_file_says_all_that_is_wished_and_reads_back(tmp_path: Path) -> None:
    file = wishes.worker_file(meter(), SETTINGS.paths, clock_synchronised=True)
    file.dump(tmp_path / "worker.json")
    assert WorkerFile.load(tmp_path / "worker.json") == file
    assert (file.name, file.revision, file.password.reveal()) == ("house 7", 3, "22222222")
    assert file.journal_dir == f"/state/journal/{UID.hex()}"


def test_only_enabled_measurements_are_read() -> None:
    (only,) = wishes.worker_file(meter(), SETTINGS.paths, clock_synchronised=False).measurements
    assert (only.key, only.interval_s) == ("voltage_l1", 10.0)


@pytest.mark.parametrize(("wished", "told"), [("", "1-0:99.1.0"), ("1-1:99.1.0", "1-1:99.1.0")])
def test_a_load_profile_is_where_it_is_wished_else_where_the_standard_puts_it(wished: str, told: str) -> None:
    file = wishes.worker_file(meter(replace(WISH, load_profile=wished)), SETTINGS.paths, clock_synchronised=False)
    assert (file.backfill, file.load_profile) == (True, told)


def test_a_model_that_only_another_version_knows_ends_nobody() -> None:
    file = wishes.worker_file(meter(replace(WISH, model="of-tomorrow")), SETTINGS.paths, clock_synchronised=False)
    assert (file.model, file.load_profile) == ("of-tomorrow", "1-0:99.1.0")
    assert [item.key for item in file.row_names] == ["frequency"], "what its wish names itself"


def test_rows_have_the_names_of_what_is_not_read_live() -> None:
    file = wishes.worker_file(meter(), SETTINGS.paths, clock_synchronised=False)
    names = {item.key: item.obis for item in file.row_names}
    assert names["frequency"] == "1-1:14.7.0"
    assert names["active_energy_export"] == "1-1:2.8.0"
    assert "voltage_l1" not in names


def test_limits_of_a_wish_replace_defaults_and_keep_their_type() -> None:
    limits = wishes.worker_file(meter(), SETTINGS.paths, clock_synchronised=False).limits
    assert (limits.reply_timeout_s, limits.breaker_failures, limits.connect_timeout_s) == (7.0, 3, 5.0)
    assert isinstance(limits.breaker_failures, int)


@pytest.mark.parametrize(
    ("wish", "deleted", "has"),
    [
        (WISH, False, True),
        (replace(WISH, desired_state=DesiredState.PAUSED), False, True),
        (replace(WISH, desired_state=DesiredState.STOPPED), False, False),
        (WISH, True, False),
    ],
)
def test_a_paused_meter_keeps_its_process_a_stopped_or_deleted_one_does_not(
    wish: MeterWish, deleted: bool, has: bool
) -> None:
    assert wishes.has_process(meter(wish, deleted=deleted)) is has


def test_a_program_is_named_by_the_uid_and_found_by_its_name() -> None:
    assert wishes.uid_of(wishes.program_name(UID)) == UID
    for foreign in ("publisher", "meter-", "meter-house7", f"meter-{UID.hex()}0", f"meter-{UID.hex().upper()}"):
        assert wishes.uid_of(foreign) is None


def test_a_program_is_one_section_that_supervisord_reads_back() -> None:
    paths = Paths(Path("/a state/50%"))
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(wishes.program(UID, paths, Path("/venv/bin")))
    (section,) = parser.sections()
    assert section == f"program:meter-{UID.hex()}"
    command = parser.get(section, "command").replace("%%", "%")
    worker = f"/a state/50%/run/workers/{UID.hex()}.json"
    assert shlex.split(command)[-3:] == ["/venv/bin/dlms-poller", "--config", worker]
    assert "pdeathsig TERM -- " in command, "it must not outlive its supervisord"
    assert parser.get(section, "exitcodes") == "0,75,78"


@pytest.mark.parametrize("root", ["/a ;b", "/a #b", "/a\nb", '/a"b', "/a[b]", "/a*"])
def test_a_path_that_supervisord_would_misread_is_refused(root: str) -> None:
    with pytest.raises(UnsafeText):
        wishes.program(UID, Paths(Path(root)), Path("/venv/bin"))


def test_the_name_of_a_meter_does_not_reach_supervisord() -> None:
    assert WISH.name not in wishes.program(UID, SETTINGS.paths, Path("/venv/bin"))


def routes(wish: MeterWish = WISH, **mqtt: object) -> Routes:
    settings = replace(SETTINGS, mqtt=replace(MqttSettings(), **mqtt))  # type: ignore[arg-type]
    return wishes.routes([meter(wish)], settings, {UID: {"serial_number": "42", "breaker": "closed"}})


def test_without_thingsboard_a_meter_goes_to_its_topic_at_the_default_target() -> None:
    found = routes(topic="a/{meter}/{uid}")
    route = found.routes[UID]
    assert (route.mode, route.target, route.topic) == (Mode.GENERIC, "default", f"a/house 7/{UID.hex()}")
    assert route.keys == {"voltage_l1": "u1"}
    assert route.attributes["serial_number"] == "42"
    assert "breaker" not in route.attributes
    assert found.targets["default"].protocol == 5


def test_a_gateway_carries_a_meter_as_its_device() -> None:
    route = routes(replace(WISH, tb_device_name="House"), mode="tb_gateway").routes[UID]
    assert (route.mode, route.device, route.topic) == (Mode.TB_GATEWAY, "House", "")


def test_a_meter_with_a_token_has_a_connection_of_its_own() -> None:
    found = routes(replace(WISH, tb_enabled=True, tb_host="tb.example", tb_port=8883, tb_token=Secret("t0k3n")))
    target = found.targets[found.routes[UID].target]
    assert (target.host, target.port, target.username, target.tls) == ("tb.example", 8883, "t0k3n", True)
    assert found.routes[UID].mode is Mode.TB_DEVICE
    assert "t0k3n" not in target.name + target.client_id


def test_one_credential_is_one_connection() -> None:
    wish = replace(WISH, tb_enabled=True, tb_host="tb.example", tb_token=Secret("t0k3n"))
    other = replace(meter(wish), uid=bytes(16))
    found = wishes.routes([meter(wish), other], SETTINGS, {})
    assert len(found.targets) == 2
    assert found.routes[UID].target == found.routes[bytes(16)].target


def test_a_token_that_is_not_enabled_is_not_used() -> None:
    assert routes(replace(WISH, tb_token=Secret("t0k3n"))).routes[UID].target == "default"


def test_the_protocol_is_what_the_settings_say() -> None:
    assert routes(protocol="3.1.1").targets["default"].protocol == 4


def test_the_routes_file_reads_back(tmp_path: Path) -> None:
    found = routes()
    found.dump(tmp_path / "routes.json")
    assert Routes.load(tmp_path / "routes.json") == found
