"""meterctl against a real store: what it prints, what it writes, how it ends; in one process, without a supervisor."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from admin_api.cli.follow import Follower
from admin_api.cli.main import COMMANDS, answer
from admin_api.passwords import belongs
from common.meter_state import DesiredState, MeterState
from common.secret import Secret
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.errors import StoreDamaged
from common.store.model import LatestRow, MeterStateRow, Role, Severity

NOW = 1_795_000_000_000
SECRETS = ("s3cr3t-of-the-meter", "s3cr3t-of-the-cloud")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.out))

    @property
    def error(self) -> dict[str, str]:
        return cast("dict[str, str]", json.loads(self.err)["error"])


Meterctl = Callable[..., Ended]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("prepared") / "state"
    assert answer(["--state", str(state), "init"]) == 0
    return state


@pytest.fixture
def state(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DLMS_BRIDGE_STATE", "DLMS_BRIDGE_CONFIG", "DLMS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return Path(shutil.copytree(prepared, tmp_path / "state"))


@pytest.fixture
def store(state: Path) -> Iterator[Store]:
    opened = open_from_settings(load(str(state), {}))
    yield opened
    opened.close()


@pytest.fixture
def meterctl(state: Path, capsys: pytest.CaptureFixture[str]) -> Meterctl:
    def run(*words: str) -> Ended:
        capsys.readouterr()
        code = answer(["--state", str(state), *words])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


# wishes


def test_a_host_is_enough_for_a_meter(meterctl: Meterctl, store: Store) -> None:
    assert meterctl("add", "hall", "--host", "192.0.2.1").code == 0
    wish = store.meters.by_name("hall").wish
    assert (wish.ip_address, wish.port, wish.model, wish.transport) == ("192.0.2.1", 3333, "microstar", "hdlc")
    assert len(wish.measurements) == 5


def test_everything_of_a_wish_can_be_said(meterctl: Meterctl, store: Store, tmp_path: Path) -> None:
    for name, text in zip(("password", "token"), SECRETS, strict=True):
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    ended = meterctl(
        *("add", "hall", "--host", "meter.example", "--port", "4000", "--model", "generic", "--client-id", "32"),
        *("--server-id", "1", "--server-physical", "17", "--address-size", "4", "--interval", "5"),
        *("--password-file", str(tmp_path / "password"), "--line-mode", "shared", "--limit", "reply_timeout_s=10"),
        *("--measure", "voltage_l1", "--measure", "meter_error=1/0-0:97.97.0", "--measure", "demand=4/1-0:1.6.0/5"),
        *("--tb-host", "tb.example", "--tb-token-file", str(tmp_path / "token"), "--tb-device", "Hall", "--paused"),
    )
    assert ended.code == 0, ended.err
    wish = store.meters.by_name("hall").wish
    assert (wish.ip_address, wish.port, wish.client_id, wish.server_physical) == ("meter.example", 4000, 32, 17)
    assert (wish.address_size, wish.authentication, wish.password.reveal()) == (4, "lls", SECRETS[0])
    assert (wish.tb_enabled, wish.tb_token.reveal(), wish.tb_device_name) == (True, SECRETS[1], "Hall")
    assert (wish.desired_state, wish.interval_s, wish.line_mode) == (DesiredState.PAUSED, 5.0, "shared")
    assert wish.limits == {"reply_timeout_s": 10.0}
    assert [(m.measurement_name, m.obis_code, m.class_id, m.attribute) for m in wish.measurements] == [
        ("voltage_l1", "1-0:32.7.0", 3, 2),
        ("meter_error", "0-0:97.97.0", 1, 2),
        ("demand", "1-0:1.6.0", 4, 5),
    ]


def test_a_secured_meter_takes_its_keys_from_a_file(meterctl: Meterctl, store: Store, tmp_path: Path) -> None:
    keys = tmp_path / "vault.keys"
    keys.write_text("encryption_key = hex:" + "0a" * 16 + "\nauthentication_key = " + "0b" * 16 + '\npassword = "pw"\n')
    keys.chmod(0o600)
    ended = meterctl(
        *("add", "vault", "--host", "192.0.2.9", "--auth", "hls-gmac", "--security", "both", "--suite", "1"),
        *("--system-title", "CLIENT01", "--server-title", "4d4d4d0000bc614e", "--keys-file", str(keys)),
        *("--dedicated", "--general", "--referencing", "sn"),
    )
    assert ended.code == 0, ended.err
    wish = store.meters.by_name("vault").wish
    assert (wish.encryption_key.reveal(), wish.authentication_key.reveal()) == ("0a" * 16, "0b" * 16)
    assert (wish.client_title, wish.server_title) == (b"CLIENT01".hex(), "4d4d4d0000bc614e")
    assert (wish.security, wish.security_suite, wish.referencing) == ("both", 1, "sn")
    assert wish.dedicated_key
    assert wish.general_ciphering
    keys.write_text("password = hex:ff00")
    refused = meterctl("edit", "vault", "--keys-file", str(keys))
    assert (refused.code, "not text" in refused.err) == (2, True)


def test_a_password_may_come_from_the_environment(
    meterctl: Meterctl, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMS_PASSWORD", SECRETS[0])
    assert meterctl("add", "hall", "--host", "192.0.2.1", "--auth", "lls").code == 0
    assert meterctl("add", "open", "--host", "192.0.2.2").code == 0
    assert store.meters.by_name("hall").wish.password.reveal() == SECRETS[0]
    assert not store.meters.by_name("open").wish.password


def test_an_edit_changes_what_it_names_and_nothing_else(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1", "--interval", "5", "--measure", "frequency")
    before = store.meters.by_name("hall")
    assert meterctl("edit", "hall", "--host", "192.0.2.9", "--name", "attic").code == 0
    after = store.meters.by_name("attic")
    assert (after.id, after.uid, after.revision) == (before.id, before.uid, before.revision + 1)
    assert (after.wish.ip_address, after.wish.interval_s) == ("192.0.2.9", 5.0)
    assert after.wish.measurements == before.wish.measurements


def test_an_edit_of_an_old_revision_is_refused(meterctl: Meterctl) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    assert meterctl("edit", "hall", "--interval", "3").code == 0
    ended = meterctl("edit", "hall", "--interval", "4", "--revision", "1", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "revision_conflict")


@pytest.mark.parametrize(
    ("verb", "wished"),
    [
        ("pause", DesiredState.PAUSED),
        ("resume", DesiredState.RUNNING),
        ("stop", DesiredState.STOPPED),
        ("start", DesiredState.RUNNING),
    ],
)
def test_a_wish_is_written_for_each_meter_named(
    verb: str, wished: DesiredState, meterctl: Meterctl, store: Store
) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    uid = str(meterctl("add", "attic", "--host", "192.0.2.2", "--json").document["uid"])
    assert meterctl(verb, "1", uid).code == 0
    assert [meter.wish.desired_state for meter in store.meters.list()] == [wished, wished]


def test_one_unknown_meter_does_not_keep_the_others_waiting(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    ended = meterctl("pause", "cellar", "hall")
    assert ended.code == 1
    assert "no_such_meter: no meter is named 'cellar'" in ended.err
    assert store.meters.by_name("hall").wish.desired_state is DesiredState.PAUSED


def test_nothing_but_unknown_meters_is_refused(meterctl: Meterctl) -> None:
    assert meterctl("pause", "cellar").code == 2


def test_a_meter_removed_is_gone_from_the_list(meterctl: Meterctl) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    assert meterctl("remove", "hall").code == 0
    assert meterctl("list", "--json").out.strip() == "[]"


BAD: dict[str, tuple[tuple[str, ...], str, str]] = {
    "port": (("add", "a", "--host", "192.0.2.1", "--port", "70000"), "bad_payload", "port"),
    "host": (("add", "a", "--host", "10.0.0.256"), "bad_wish", "ip_address"),
    "name": (("add", "a/b", "--host", "192.0.2.1"), "bad_wish", "name"),
    "obis": (("add", "a", "--host", "192.0.2.1", "--measure", "x=1-1:300.7.0"), "bad_obis", "value group C"),
    "key": (("add", "a", "--host", "192.0.2.1", "--measure", "volts"), "bad_payload", "volts"),
    "measure": (("add", "a", "--host", "192.0.2.1", "--measure", "=1"), "bad_wish", "measure"),
    "limit": (("add", "a", "--host", "192.0.2.1", "--limit", "reply_timeout_s=soon"), "bad_wish", "limits"),
    "limit name": (("add", "a", "--host", "192.0.2.1", "--limit", "patience=1"), "bad_wish", "patience"),
    "no password": (("add", "a", "--host", "192.0.2.1", "--auth", "lls"), "bad_wish", "password"),
    "no file": (("add", "a", "--host", "192.0.2.1", "--password-file", "/nowhere"), "unreadable_secret", "/nowhere"),
    "taken name": (("add", "hall", "--host", "192.0.2.7"), "name_taken", "hall"),
    "taken line": (("add", "b", "--host", "192.0.2.1"), "line_taken", "192.0.2.1:3333"),
    "no change": (("edit", "hall"), "nothing_to_change", "--help"),
    "unknown": (("status", "cellar"), "no_such_meter", "cellar"),
    "alarm": (("alarms", "ack", "99"), "no_such_alarm", "99"),
    "token": (("token", "revoke", "99"), "no_such_token", "99"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_that_names_it(case: str, meterctl: Meterctl) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    words, kind, named = BAD[case]
    ended = meterctl(*words)
    assert ended.code == 2
    first, *hints = ended.err.splitlines()
    assert first.startswith(f"meterctl: {kind}: ")
    assert named in first
    assert len(hints) <= 1, "at most a hint below"
    assert all(line.startswith("  ") for line in hints)
    as_json = meterctl(*words, "--json")
    assert (as_json.code, as_json.error["kind"]) == (2, kind)
    assert as_json.out == ""


@pytest.mark.parametrize(
    "words", [("add",), ("add", "hall"), ("frobnicate",), ("list", "--frob"), ("test",), ("add", "a", "--port", "x")]
)
def test_wrong_usage_is_told_as_such(words: tuple[str, ...], meterctl: Meterctl) -> None:
    ended = meterctl(*words)
    assert ended.code == 2
    assert "Error:" in ended.err


def test_nothing_installed_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--state", str(tmp_path / "none"), "list"]) == 2
    assert "nothing_installed" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


# what is known


def _active(uid: bytes, **changes: object) -> MeterStateRow:
    values: dict[str, object] = {
        "status": MeterState.ACTIVE,
        "process_id": 4711,
        "last_read_ms": NOW,
        "last_taken_ms": NOW,
        "last_acknowledged_ms": NOW,
        "updated_ms": NOW,
        "revision": 1,
        "metrics": {"reads_ok": 7.0},
    }
    return MeterStateRow(uid, **{**values, **changes})  # type: ignore[arg-type]


def _reading(uid: bytes, seq: int) -> LatestRow:
    values = {"voltage_l1": 131.25, "relay": True}
    return LatestRow(uid, NOW + seq, bytes(8), seq, values, {"voltage_l1": "V"}, ("partial",), {"frequency": "timeout"})


def test_the_list_shows_state_and_age(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    store.states.write([_active(store.meters.get(1).uid)])
    lines = meterctl("list").out.splitlines()
    assert lines[0].split()[:5] == ["id", "name", "address", "model", "state"]
    assert lines[1].split()[:5] == ["1", "hall", "192.0.2.1:3333", "microstar", "active"]


def test_a_wish_that_lacks_something_names_the_option_that_gives_it(meterctl: Meterctl) -> None:
    ended = meterctl("add", "hall", "--host", "192.0.2.1", "--security", "both")
    assert ended.code == 2
    assert ended.err.endswith("(given by --system-title)\n")


def test_the_status_shows_values_counters_and_alarms(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    uid = store.meters.get(1).uid
    store.states.write([_active(uid)])
    store.states.write_latest([_reading(uid, 7)])
    store.alarms.raise_("clock:x", Severity.WARNING, "clock", "not synchronised", meter_uid=uid)
    ended = meterctl("status", "hall")
    assert ended.code == 0
    for text in ("131.25 V", "relay", "failed: timeout", "reads_ok", "process 4711", "not synchronised"):
        assert text in ended.out
    assert "protection" in ended.out
    document = meterctl("status", "hall", "--json").document
    assert cast("dict[str, object]", document["state"])["status"] == "active"
    assert cast("dict[str, object]", document["latest"])["seq"] == 7


def test_a_meter_that_is_not_as_wished_ends_with_one(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    store.states.write([_active(store.meters.get(1).uid, status=MeterState.UNREACHABLE, detail="refused")])
    assert meterctl("status", "hall").code == 1
    meterctl("pause", "hall")
    store.states.write([_active(store.meters.get(1).uid, status=MeterState.PAUSED)])
    assert meterctl("status", "hall").code == 0


def test_what_a_silent_supervisor_last_wrote_is_told_as_old(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    store.states.write([_active(store.meters.get(1).uid)])
    store.states.write_component("supervisor", {}, 1_000)
    for words, code in ((("status", "hall"), 1), (("list",), 0)):
        ended = meterctl(*words)
        assert (ended.code, "the supervisor last spoke" in ended.err) == (code, True)


def test_follow_shows_each_reading_once(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    uid = store.meters.get(1).uid
    store.states.write([_active(uid)])
    store.states.write_latest([_reading(uid, 7)])
    ended = meterctl("follow", "--count", "1")
    assert ended.code == 0
    (line,) = ended.out.splitlines()
    assert "hall  #7  voltage_l1=131.25 V  relay=yes  [partial]  frequency: timeout" in line
    assert json.loads(meterctl("follow", "hall", "--count", "1", "--json").out)["values"] == {
        "voltage_l1": 131.25,
        "relay": True,
    }


def test_follow_outlives_a_store_that_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(store, (), as_json=False)

    def away() -> None:
        raise StoreDamaged("no schema yet")

    with monkeypatch.context() as patched:
        patched.setattr(store.states, "list", away)
        assert follower.turn(1) == 0
        with pytest.raises(StoreDamaged):
            follower.turn(0)
    assert follower.turn(2) == 0


def test_follow_says_what_keeps_a_meter_from_being_read(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    uid = store.meters.get(1).uid
    store.states.write([_active(uid, status=MeterState.AUTH_FAILED, cause="auth", detail="wrong password")])
    store.states.write_latest([_reading(uid, 7)])
    assert "hall  is auth_failed: wrong password" in meterctl("follow", "--count", "1").out


def test_health_names_what_is_silent_and_what_is_troubled(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    ended = meterctl("health")
    assert ended.code == 1
    assert "supervisor: never spoke (silent)" in ended.out
    assert "hall: inactive" in ended.out
    document = meterctl("health", "--json").document
    assert document["healthy"] is False
    assert document["silent"] == ["supervisor", "publisher"]


def test_alarms_are_listed_and_acknowledged(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "hall", "--host", "192.0.2.1")
    uid = store.meters.get(1).uid
    store.alarms.raise_("auth:1", Severity.ERROR, "auth", "wrong password", meter_uid=uid)
    store.alarms.raise_("disk:1", Severity.CRITICAL, "disk", "full")
    assert "hall" in meterctl("alarms").out
    assert meterctl("alarms", "--json").out == meterctl("alarms", "list", "--json").out
    assert meterctl("alarms", "--json", "list").code == 2
    assert len(json.loads(meterctl("alarms", "list", "--severity", "error", "--json").out)) == 1
    assert meterctl("alarms", "ack", "1").code == 0
    assert "wrong password" not in meterctl("alarms", "list", "--unseen").out
    assert "seen by" in meterctl("alarms", "list", "--meter", "hall").out
    store.alarms.clear("disk:1")
    assert "full" not in meterctl("alarms").out
    assert "over" in meterctl("alarms", "list", "--all").out


def test_a_token_is_shown_once(meterctl: Meterctl, store: Store) -> None:
    text = meterctl("token", "create", "--role", "operator", "--label", "panel").out.strip()
    row = store.tokens.verify(text)
    assert row is not None
    assert (row.role, row.label) == ("operator", "panel")
    assert text not in meterctl("token", "list").out
    assert meterctl("token", "revoke", str(row.id)).code == 0
    assert store.tokens.verify(text) is None


def test_no_secret_is_ever_printed(meterctl: Meterctl, tmp_path: Path) -> None:
    for name, text in zip(("password", "token"), SECRETS, strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    secrets = ("--password-file", str(tmp_path / "password"), "--tb-token-file", str(tmp_path / "token"))
    shown = [meterctl("add", "hall", "--host", "192.0.2.1", *secrets, "--json")]
    shown += [meterctl(*words) for words in (("list", "--json"), ("status", "hall"), ("status", "hall", "--json"))]
    assert not any(secret in ended.out + ended.err for ended in shown for secret in SECRETS)
    assert shown[0].document["password_set"] is True


# settings


def test_config_check_shows_settings_and_hides_secrets(
    meterctl: Meterctl, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMS_BRIDGE_MQTT_PASSWORD", SECRETS[0])
    (state / "bridge.toml").write_text('[mqtt]\nhost = "broker.example"\n', encoding="utf-8")
    ended = meterctl("config", "check")
    assert ended.code == 0
    assert '= "broker.example"' in ended.out
    assert SECRETS[0] not in ended.out
    document = meterctl("config", "check", "--json").document
    assert cast("dict[str, object]", document["mqtt"])["password"] == "********"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[mqtt\n", "not TOML"),
        ("[broker]\n", "[broker] is not a section"),
        ("[mqtt]\nhots = 1\n", "hots is not a setting"),
        ("[mqtt]\nport = 70000\n", "port: must be from 1 to 65535"),
        ('[mqtt]\nport = "1883"\n', "port: int was expected"),
        ('[mqtt]\nmode = "fast"\n', "must be one of generic"),
        ("mqtt = 1\n", "must be a table"),
    ],
)
def test_config_check_names_what_is_wrong(text: str, named: str, meterctl: Meterctl, state: Path) -> None:
    (state / "bridge.toml").write_text(text, encoding="utf-8")
    ended = meterctl("config", "check")
    assert ended.code == 2
    assert ended.err.startswith("meterctl: bad_settings: ")
    assert named in ended.err


# the dispatcher


def test_help_lists_every_command(meterctl: Meterctl) -> None:
    text = meterctl("--help").out
    assert all(f"\n  {name} " in text for name in COMMANDS)


def test_the_state_directory_may_be_named_after_the_command(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer(["list", "--state", str(state)]) == 0
    monkeypatch.setenv("DLMS_BRIDGE_STATE", str(state))
    assert answer(["list"]) == 0
    monkeypatch.delenv("DLMS_BRIDGE_STATE")
    assert answer(["list"]) == 0, "state in this directory"
    assert answer(["--state", str(tmp_path / "other"), "list", "--state", str(state)]) == 0, "the nearest wins"
    assert capsys.readouterr().err == ""


# ranges of load profiles


def test_a_range_by_hand_is_a_command_with_moments_in_utc(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "house 7", "--host", "10.0.0.1")
    span = ("--from", "2026-01-02T03:00", "--to", "2026-01-02T05:00+01:00", "--no-wait")
    ended = meterctl("backfill", "house 7", *span, "--json")
    assert (ended.code, ended.document["state"]) == (0, "pending")
    row = store.commands.get(str(ended.document["id"]))
    assert (row.verb, row.arguments) == ("backfill", {"from_ms": 1_767_322_800_000, "to_ms": 1_767_326_400_000})
    assert meterctl("backfill", "house 7", *span).out.startswith("house 7: under way, job ")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("house 7", "--from", "yesterday"), "bad_moment"),
        (("house 7", "--from", "1950-01-01"), "bad_moment"),
        (("house 7", "--from", "2026-01-02", "--to", "2026-01-01"), "bad_moment"),
        (("house 8", "--from", "2026-01-02"), "no_such_meter"),
    ],
)
def test_a_range_that_is_none_is_refused(words: tuple[str, ...], kind: str, meterctl: Meterctl) -> None:
    meterctl("add", "house 7", "--host", "10.0.0.1")
    ended = meterctl("backfill", *words, "--json")
    assert (ended.code, ended.error["kind"]) == (2, kind)


def test_a_meter_may_be_wished_without_what_it_missed(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "house 7", "--host", "10.0.0.1", "--no-backfill", "--load-profile", "1-0:99.2.0")
    wish = store.meters.by_name("house 7").wish
    assert (wish.backfill, wish.load_profile) == (False, "1-0:99.2.0")


def test_a_change_to_nothing_is_a_change(meterctl: Meterctl, store: Store) -> None:
    meterctl("add", "house 7", "--host", "10.0.0.1", "--load-profile", "1-0:99.2.0")
    assert meterctl("edit", "house 7", "--no-backfill").code == 0
    assert meterctl("edit", "house 7", "--load-profile", "").code == 0
    wish = store.meters.by_name("house 7").wish
    assert (wish.backfill, wish.load_profile) == (False, "")
    ended = meterctl("edit", "house 7", "--interval", "0", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "bad_payload")


def test_a_token_ends_when_it_was_said(meterctl: Meterctl, store: Store) -> None:
    lives = {}
    for words in ((), ("--expires", "12h"), ("--expires", "never")):
        row = store.tokens.verify(meterctl("token", "create", *words).out.strip())
        assert row is not None
        lives[words] = None if row.expires_at is None else (row.expires_at - row.created_at) // 3_600_000
    assert list(lives.values()) == [365 * 24, 12, None]
    assert [row["state"] for row in json.loads(meterctl("token", "list", "--json").out)] == ["active"] * 4
    assert meterctl("token", "create", "--expires", "soon").code == 2


def test_people_come_and_go_by_prompt_or_file_and_no_password_is_an_argument(
    meterctl: Meterctl, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "words"
    file.write_text("a sentence of words\nmore\n", encoding="utf-8")
    assert "bad_password_file" in meterctl("user", "add", "ann", "--password-file", str(file)).err
    file.chmod(0o600)
    assert meterctl("user", "add", "Ann", "--role", "admin", "--password-file", str(file)).out == "ann  admin\n"
    found = store.users.hash_of("ann")
    assert found is not None
    assert belongs(Secret("a sentence of words"), found[1])
    assert not belongs(Secret("a sentence of word"), found[1])
    store.tokens.revoke(1)
    assert "last_admin" in meterctl("user", "disable", "ann").err
    store.tokens.create(Role.ADMIN, "x")
    assert json.loads(meterctl("user", "disable", "ann", "--json").out)["disabled"] is True
    assert "disabled" in meterctl("user", "list").out
    assert meterctl("user", "enable", "ann").code == meterctl("user", "role", "ann", "viewer").code == 0
    file.write_text("too short\n", encoding="utf-8")
    assert "12 to 256 characters" in meterctl("user", "password", "ann", "--password-file", str(file)).err
    assert meterctl("user", "remove", "ann").code == 0
    assert meterctl("user", "list", "--json").out == "[]\n"
    assert "$argon2" not in json.dumps([row.details for row in store.audit.list()])
