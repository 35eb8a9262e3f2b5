"""Settings of secured associations: what they need, and what they never show."""

from typing import Any

import pytest

from poller.dlms.errors import BadParameter
from poller.dlms.security import Security, SecuritySettings
from tests.support.keyring import AUTHENTICATION_KEY, BROADCAST_KEY, CLIENT, ENCRYPTION_KEY, METER, settings


def test_without_protection_nothing_is_needed() -> None:
    assert not SecuritySettings().protects


@pytest.mark.parametrize("level", [level for level in Security if level is not Security.NONE])
def test_every_level_protects(level: Security) -> None:
    assert settings(level).protects


def test_keys_may_be_there_for_the_proof_alone() -> None:
    assert not settings(Security.NONE).protects


@pytest.mark.parametrize(
    ("level", "missing", "named"),
    [
        (Security.AUTHENTICATED, "client_title", "client system title"),
        (Security.ENCRYPTED, "client_title", "client system title"),
        (Security.BOTH, "client_title", "client system title"),
        (Security.AUTHENTICATED, "encryption_key", "encryption key"),
        (Security.ENCRYPTED, "encryption_key", "encryption key"),
        (Security.AUTHENTICATED, "authentication_key", "authentication key"),
        (Security.BOTH, "authentication_key", "authentication key"),
    ],
)
def test_what_a_level_needs(level: Security, missing: str, named: str) -> None:
    with pytest.raises(BadParameter, match=f"security {level} needs .*{named}"):
        settings(level, **{missing: b""})


def test_encryption_alone_needs_no_authentication_key() -> None:
    assert settings(Security.ENCRYPTED, authentication_key=b"").protects


@pytest.mark.parametrize(
    "wrong",
    [
        *({"client_title": bytes(size)} for size in (1, 7, 9)),
        *({"server_title": bytes(size)} for size in (1, 7, 9)),
        *({name: bytes(size)} for name in ("encryption_key", "authentication_key") for size in (1, 15, 17, 32)),
        {"broadcast_key": bytes(15)},
    ],
)
def test_a_wrong_length_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match="octets, not"):
        settings(Security.BOTH, **wrong)


@pytest.mark.parametrize("suite", [-1, 2, 15])
def test_there_are_two_suites(suite: int) -> None:
    with pytest.raises(BadParameter, match=f"suite {suite}"):
        settings(Security.BOTH, suite)


@pytest.mark.parametrize("wish", ["dedicated", "general"])
def test_a_wish_about_protection_needs_protection(wish: str) -> None:
    with pytest.raises(BadParameter, match="need protected APDUs"):
        settings(Security.NONE, **{wish: True})


def test_no_key_prints_and_titles_do() -> None:
    text = repr(settings())
    assert repr(CLIENT) in text
    assert repr(METER) in text
    for key in (ENCRYPTION_KEY, AUTHENTICATION_KEY, BROADCAST_KEY):
        assert repr(key) not in text
