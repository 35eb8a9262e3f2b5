"""The worker file in the words of the protocol."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.secret import Secret
from poller.dlms.errors import BadAddress, BadParameter
from poller.profile import credentials_of, profile_of
from tests.support.workers import worker_file


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
    assert len({credentials_of(each) for each in (file, *others)}) == 4
