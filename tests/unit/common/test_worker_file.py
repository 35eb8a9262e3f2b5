"""The worker file: written, read back, and a table of what it may not hold."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from common.errors import BridgeError
from common.json_record import BadFile
from common.meter_state import DesiredState
from common.secret import Secret
from common.worker_file import MAX_MEASUREMENTS, Limits, Measurement, WorkerFile
from tests.support.workers import worker_file

Change = Callable[[dict[str, object]], object]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = replace(
        worker_file(tmp_path, 3333),
        desired_state=DesiredState.PAUSED,
        server_physical=17,
        address_size=4,
        authentication="lls",
        password=Secret("22222222"),
        security="both",
        security_suite=1,
        encryption_key=Secret("00" * 16),
        authentication_key=Secret("11" * 16),
        client_title="4d4d4d0000bc614e",
        server_title="4d4d4d0000bc614f",
        dedicated_key=True,
        general_ciphering=True,
        referencing="sn",
        measurements=(Measurement("t", "0-0:1.0.0", 8, 2, 60.0), Measurement("e", "1-1:1.8.0")),
        limits=Limits(reply_timeout_s=30.0, breaker_failures=7),
    )
    path = tmp_path / "worker.json"
    assert file.dump(path)
    assert WorkerFile.load(path) == file
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    file, path = worker_file(tmp_path, 3333), tmp_path / "worker.json"
    assert file.dump(path)
    before = path.stat().st_mtime_ns
    assert not file.dump(path)
    assert path.stat().st_mtime_ns == before
    assert replace(file, revision=2).dump(path)


def test_the_secrets_do_not_print(tmp_path: Path) -> None:
    secret = Secret("22222222")
    file = replace(worker_file(tmp_path, 3333), password=secret, encryption_key=secret, authentication_key=secret)
    assert "22222222" not in repr(file)
    assert "22222222" not in str(file.password)


def test_limits_that_are_absent_have_their_defaults(tmp_path: Path) -> None:
    document = written(tmp_path)
    document["limits"] = {"reply_timeout_s": 9}
    assert loaded(tmp_path, document).limits == Limits(reply_timeout_s=9.0)


def written(root: Path) -> dict[str, object]:
    """Return the content of a good file."""
    path = root / "worker.json"
    worker_file(root, 3333).dump(path)
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def loaded(root: Path, document: object) -> WorkerFile:
    path = root / "worker.json"
    path.write_text(json.dumps(document))
    return WorkerFile.load(path)


@pytest.mark.parametrize("name", [item.name for item in fields(WorkerFile)])
def test_every_field_is_needed_and_named(tmp_path: Path, name: str) -> None:
    document = written(tmp_path)
    del document[name]
    if name in {"server_physical", "address_size"}:
        assert getattr(loaded(tmp_path, document), name) is None
        return
    with pytest.raises(BadFile, match=name):
        loaded(tmp_path, document)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("uid", "00", "uid must be 16 octets in hexadecimal"),
        ("uid", "zz", "uid"),
        ("name", 5, "name must be a text"),
        ("name", "x" * 2000, "at most"),
        ("revision", -1, "revision must be a whole number"),
        ("revision", True, "revision"),
        ("desired_state", "asleep", "desired_state must be one of running, paused, stopped"),
        ("port", 0, "port must be a whole number from 1 to 65535"),
        ("port", 65536, "port"),
        ("port", "3333", "port"),
        ("transport", "serial", "transport must be one of hdlc, wrapper"),
        ("client_id", -1, "client_id"),
        ("server_logical", 70000, "server_logical"),
        ("server_physical", -1, "server_physical"),
        ("address_size", 9, "address_size"),
        ("authentication", "hls", "authentication must be one of none, lls"),
        ("interval_s", 0, "interval_s must be a number from"),
        ("interval_s", 1e9, "interval_s"),
        ("interval_s", "2", "interval_s"),
        ("line_mode", "private", "line_mode must be one of"),
        ("clock_synchronised", 1, "clock_synchronised must be true or false"),
        ("measurements", {}, "measurements must be a list"),
        ("measurements", [5], r"measurements\[0\]: an object was expected"),
        ("measurements", [{"key": "a", "obis": "1-1:1.8", "class_id": 3, "attribute": 2}], "not an OBIS code"),
        ("measurements", [{"key": "a", "obis": "1-1:1.8.0", "class_id": -3, "attribute": 2}], "class_id"),
        ("measurements", [{}] * (MAX_MEASUREMENTS + 1), "at most"),
        ("limits", [], "limits: an object was expected"),
        ("limits", {"patience": 1}, "patience is not a limit"),
        ("limits", {"reply_timeout_s": -1}, "reply_timeout_s"),
        ("limits", {"reply_timeout_s": "5"}, "reply_timeout_s"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, name: str, value: object, says: str) -> None:
    with pytest.raises(BridgeError, match=says):
        loaded(tmp_path, written(tmp_path) | {name: value})


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not JSON"), (b"{", "not JSON"), (b"[]", "an object was expected"), (b"\xff\xfe", "not JSON")],
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "worker.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=says):
        WorkerFile.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"nowhere\.json: No such file"):
        WorkerFile.load(tmp_path / "nowhere.json")
