"""What a model says of a meter where the arguments say nothing."""

from collections.abc import Sequence

import pytest

from poller.cli.connection import Connection, connection, parser
from poller.dlms.conversation import Referencing


def made(*words: str) -> Connection:
    return connection(parser("read", "test").parse_args(["--host", "127.0.0.1", *words]))


@pytest.mark.parametrize(
    ("words", "referencing"),
    [
        ((), Referencing.LN),
        (("--model", "microstar"), Referencing.LN),
        (("--model", "landis-gyr"), Referencing.SN),
        (("--model", "landis-gyr", "--referencing", "ln"), Referencing.LN),
        (("--referencing", "sn"), Referencing.SN),
    ],
)
def test_a_model_knows_how_attributes_are_named(words: Sequence[str], referencing: Referencing) -> None:
    assert made(*words).profile.referencing is referencing


def test_a_model_knows_where_its_meters_are() -> None:
    profile = made("--model", "iskraemeco").profile
    assert (profile.client_id, profile.server_logical, profile.server_physical, profile.address_size) == (16, 1, 17, 4)
    assert made("--model", "generic-wrapper").port == 4059
