"""The worker file in the words of the protocol."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.secret import Secret
from common.worker_file import WorkerFile
from poller.dlms.errors import BadAddress, BadParameter
from poller.dlms.security import Security
from poller.errors import CounterFileHeld, CounterUnsaved
from poller.profile import credentials_of, profile_of, source_of
from tests.support.workers import worker_file

KEY = Secret("00112233445566778899aabbccddeeff")


def secured(root: Path) -> WorkerFile:
    return replace(
        worker_file(root, 1),
        authentication="hls-gmac",
        security="both",
        encryption_key=KEY,
        authentication_key=KEY,
        client_title="4d4d4d0000bc614e",
        referencing="sn",
    )


def test_a_meter_with_a_password(tmp_path: Path) -> None:
    file = replace(worker_file(tmp_path, 1), authentication="lls", client_id=1, password=Secret("22222222"))
    profile = profile_of(file)
    assert profile.secret == b"22222222"
    assert "22222222" not in repr(profile)


def test_no_authentication_sends_no_password(tmp_path: Path) -> None:
    assert profile_of(replace(worker_file(tmp_path, 1), password=Secret("22222222"))).secret == b""


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": 0}, BadAddress),
        ({"client_id": 128}, BadAddress),
        ({"server_logical": 300, "address_size": 1}, BadAddress),
        ({"authentication": "lls"}, BadParameter),
        ({"transport": "wrapper", "client_id": 0}, BadAddress),
        ({"authentication": "hls-gmac"}, BadParameter),
        ({"security": "both"}, BadParameter),
        ({"client_title": "no digits"}, BadParameter),
    ],
)
def test_what_the_protocol_cannot_carry_is_refused(
    tmp_path: Path, changes: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        profile_of(replace(worker_file(tmp_path, 1), **changes))  # type: ignore[arg-type]


def test_credentials_change_with_what_makes_another_try_worth_it(tmp_path: Path) -> None:
    file = worker_file(tmp_path, 1)
    same = replace(file, interval_s=9.0, name="another", revision=7)
    assert credentials_of(file) == credentials_of(same)
    others = [replace(file, password=Secret("x")), replace(file, client_id=1), replace(file, host="10.0.0.1")]
    others += [
        replace(file, encryption_key=Secret("x")),
        replace(file, security="auth"),
        replace(file, referencing="sn"),
    ]
    assert len({credentials_of(each) for each in (file, *others)}) == 7


def test_a_secured_meter(tmp_path: Path) -> None:
    profile = profile_of(secured(tmp_path))
    assert profile.security.level is Security.BOTH
    assert profile.security.encryption_key == bytes.fromhex(KEY.reveal())
    assert profile.referencing == "sn"
    assert KEY.reveal() not in repr(profile)


def test_counters_of_a_secured_meter_go_on_where_the_last_worker_ended(tmp_path: Path) -> None:
    file = secured(tmp_path)
    first, second = (source_of(file, profile_of(file)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert len(first.entropy(8)) == 8
    assert not list((tmp_path / "counters").iterdir())
    assert [first.take(), first.take()] == [1, 2]
    with pytest.raises(CounterFileHeld):
        second.take()
    first.close()
    second.raise_to(9)
    assert second.take() == 9
    second.close()
    second.close()
    assert first.take() == 10
    first.close()


def test_counters_that_cannot_be_kept_are_an_error_of_the_association(tmp_path: Path) -> None:
    file = replace(secured(tmp_path), counter_dir=str(tmp_path / "nothing"))
    (tmp_path / "nothing").write_text("a file")
    source = source_of(file, profile_of(file))
    assert source is not None
    with pytest.raises(CounterUnsaved):
        source.take()


def test_a_meter_without_security_needs_no_source(tmp_path: Path) -> None:
    file = worker_file(tmp_path, 1)
    assert source_of(file, profile_of(file)) is None
