"""``meterctl read --host`` against simulated meters: output, exit codes, errors."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poller.cli.read import main
from poller.simulator import Fleet, MeterSpec
from tests.support.mosquitto import free_port

Captured = pytest.CaptureFixture[str]
VOLTAGE, ENERGY = "1-1:32.7.0", "1-1:1.8.0"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet([MeterSpec("hdlc"), MeterSpec("wrapper", "wrapper"), MeterSpec("list", "generic-list")]) as fleet:
        yield fleet


def where(fleet: Fleet, name: str = "hdlc") -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(fleet.meters[name].port)]


def rows(captured: Captured) -> list[dict[str, object]]:
    found = json.loads(captured.readouterr().out)
    assert isinstance(found, list)
    return found


def test_a_register_is_read_with_scaler_and_unit(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--json", VOLTAGE, ENERGY]) == 0
    voltage, energy = rows(capsys)
    assert list(voltage) == ["obis", "class", "value", "raw", "scaler", "unit"]
    assert (voltage["obis"], voltage["class"], voltage["scaler"], voltage["unit"]) == (VOLTAGE, 3, -2, "V")
    assert isinstance(voltage["raw"], int)
    assert voltage["value"] == f"{voltage['raw'] // 100}.{voltage['raw'] % 100:02d}"
    assert (energy["scaler"], energy["unit"], energy["value"]) == (0, "Wh", str(energy["raw"]))


def test_classes_without_scaler_have_null_there(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--json", "1/1-0:0.0.0", "8/0-0:1.0.0", "3/1-1:32.7.0/1", "1/0-0:96.14.0"]) == 0
    serial, clock, name, tariff = rows(capsys)
    assert all((row["scaler"], row["unit"]) == (None, None) for row in (serial, clock, name, tariff))
    assert bytes.fromhex(str(serial["raw"])).decode() == serial["value"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d)?", str(clock["value"]))
    assert name["raw"] == "0101200700ff"
    assert (tariff["raw"], tariff["value"]) == (1, "1")


def test_arrays_are_raw_lists(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--json", "15/0-0:40.0.0/2"]) == 0
    (row,) = rows(capsys)
    assert row["value"] is None
    assert isinstance(row["raw"], list)
    assert len(row["raw"]) > 50


def test_a_failed_item_stays_in_the_array_and_the_exit_code_is_1(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--json", VOLTAGE, "1-1:99.99.9", "1/1-1:1.8.0"]) == 1
    captured = capsys.readouterr()
    good, missing, wrong = json.loads(captured.out)
    assert good["unit"] == "V"
    assert list(missing) == ["obis", "class", "error"]
    assert missing["error"]["kind"] == "object_undefined"
    assert wrong == {"obis": ENERGY, "class": 1, "error": wrong["error"]}
    errors = [json.loads(line)["error"] for line in captured.err.splitlines()]
    assert {"1-1:99.99.9": "object_undefined"}.items() <= {error["at"]: error["kind"] for error in errors}.items()


def test_nothing_read_is_2(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--json", "1-1:99.99.9"]) == 2
    assert [set(row) for row in rows(capsys)] == [{"obis", "class", "error"}]


def test_no_link_is_2_with_the_typed_error(capsys: Captured) -> None:
    assert main(["--host", "127.0.0.1", "--port", str(free_port()), "--json", VOLTAGE]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.err)["error"]["kind"] == "connect_refused"
    assert json.loads(captured.out)[0]["error"]["kind"] == "connect_refused"


def test_a_password_comes_from_a_file_or_the_environment(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    lls = [*where(fleet), "--client-id", "1", "--auth", "lls", "--json"]
    file = tmp_path / "password"
    file.write_text("22222222\n")
    monkeypatch.delenv("DLMS_PASSWORD", raising=False)
    assert main([*lls, "--password-file", str(file), ENERGY]) == 0
    monkeypatch.setenv("DLMS_PASSWORD", "22222222")
    assert main([*lls, ENERGY]) == 0
    monkeypatch.setenv("DLMS_PASSWORD", "33333333")
    capsys.readouterr()
    assert main([*lls, ENERGY]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.err)["error"]["kind"] == "authentication_failed"
    assert "33333333" not in captured.err + captured.out


@pytest.mark.parametrize(
    ("extra", "kind"),
    [
        (["--auth", "lls", "1-1:1.8.0"], "bad_parameter: "),
        (["--auth", "lls", "--password-file", "/nonexistent", "1-1:1.8.0"], "bad_password: "),
        (["1-1:1.8"], "bad_obis: "),
        (["1-1:1.8.0/x"], "bad_item: "),
        (["x/1-1:1.8.0"], "bad_item: "),
        (["3/1-1:1.8.0/2/9"], "bad_item: "),
        (["70000/1-1:1.8.0"], "bad_item: "),
        (["3/"], "bad_item: "),
        (["1-1:1.8.300"], "bad_obis: "),
        (["1.8.0"], "bad_obis: "),
        (["--client-id", "200", "1-1:1.8.0"], "bad_address: "),
        (["--port", "70000", "1-1:1.8.0"], "bad_argument: "),
        (["--timeout", "0", "1-1:1.8.0"], "bad_argument: "),
        (["--password", "secret", "1-1:1.8.0"], "usage: "),
        ([], "usage: "),
    ],
)
def test_bad_arguments_are_2_and_say_what_is_wrong(
    extra: list[str], kind: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.delenv("DLMS_PASSWORD", raising=False)
    assert main(["--host", "127.0.0.1", *extra]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(kind)
    assert captured.out == ""


@pytest.mark.parametrize(
    "address",
    [
        ["--server-id", "1"],
        ["--server-id", "0", "--server-physical", "1"],
        ["--server-id", "1", "--address-size", "1"],
        ["--server-id", "1", "--server-physical", "17", "--address-size", "4"],
        ["--server-id", "1", "--server-physical", "17", "--address-size", "2"],
    ],
)
def test_every_form_of_address_reaches_the_meter(fleet: Fleet, address: list[str], capsys: Captured) -> None:
    assert main([*where(fleet), *address, "--json", ENERGY]) == 0
    assert len(rows(capsys)) == 1


def test_wrapper_meters_are_read(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet, "wrapper"), "--transport", "wrapper", "--json", "1-0:32.7.0", "1.0.1.8.0.255"]) == 0
    assert [row["obis"] for row in rows(capsys)] == ["1-0:32.7.0", "1-0:1.8.0"]


def test_a_model_completes_short_codes(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), "--model", "microstar", "--json", "32.7.0"]) == 0
    assert rows(capsys)[0]["obis"] == VOLTAGE


def test_without_json_there_is_a_table(fleet: Fleet, capsys: Captured) -> None:
    assert main([*where(fleet), VOLTAGE, "1-1:99.99.9"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{VOLTAGE}\s+\d+\.\d\d  V", first)
    assert second.startswith("1-1:99.99.9  (object_undefined)")


def test_a_link_that_breaks_is_the_error_of_the_rest(fleet: Fleet, capsys: Captured) -> None:
    fleet.do(meter="hdlc", do="rst", count=1, on="get")
    assert main([*where(fleet), "--json", VOLTAGE, ENERGY]) == 2
    assert [row["error"]["kind"] for row in rows(capsys)] == ["peer_reset", "peer_reset"]  # type: ignore[index]


def test_an_exception_response_costs_one_item(fleet: Fleet, capsys: Captured) -> None:
    fleet.do(meter="hdlc", do="exception", count=1, on="get")
    assert main([*where(fleet), "--json", VOLTAGE, ENERGY]) == 1
    first, second = rows(capsys)
    assert "error" in first
    assert second["unit"] == "Wh"


def test_the_link_is_left_in_order(fleet: Fleet) -> None:
    main([*where(fleet), ENERGY])
    status = fleet.status("hdlc")
    assert (status["discs"], status["unclean"]) == (1, 0)


def test_help_is_0(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    assert "--password-file" in capsys.readouterr().out
