"""AARQ, AARE and releases in words: fields that every association has, and those that few have."""

import pytest

from poller.dlms.explain.stream import Kind, explain
from tests.support.explaining import faults, lines


def test_rare_fields_have_their_names() -> None:
    found = lines("6012a70404020102a9030201058203010203aa00")
    assert "calling-AE-qualifier: 0102" in found
    assert "calling-AE-invocation-id: 05" in found
    assert "field 82" in found
    assert "octets" in found


def test_a_protocol_version_is_octets() -> None:
    assert lines("600480020784")[1:] == [
        "tag and length: 4 octets",
        "protocol-version",
        "tag and length: 2 octets",
        "octets",
    ]


def test_requirements_other_than_authentication_are_shown_as_they_are() -> None:
    assert "bits: 0740" in lines("60048a020740")


def test_a_diagnostic_of_the_provider_is_named() -> None:
    found = lines("6107a305a203020102")
    assert "acse-service-provider: 3 octets" in found
    assert "content: no-common-acse-version (2)" in found


def test_names_and_reasons_nobody_knows_are_unknown() -> None:
    assert "object identifier: unknown (2.16.756.5.8.2.99)" in lines("60098b0760857405080263")
    assert "reason: unknown (99)" in lines("6203800163")
    assert "content: unknown ()" in lines("6004a1020600")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("60", "a field without length"),
        ("6085ff", "a length of 5 octets"),
        ("6080", "a length of 0 octets"),
        ("6005a1", "5 octets announced, but only 1 are left"),
        ("6002be05", "5 octets announced, but only 0 are left"),
        ("6001a1", "a field without length"),
    ],
)
def test_what_is_cut_is_told(text: str, reason: str) -> None:
    assert faults(text) == [reason]


def test_names_titles_and_secrets_are_told() -> None:
    found = lines("602ca109060760857405080101a60a0408434c49454e5430318b0760857405080201ac0a80083232323232323232")
    assert "application-context-name: LN (2.16.756.5.8.1.1)" in found
    assert "calling-AP-title: 434c49454e543031 'CLIENT01'" in found
    assert "mechanism-name: LLS (2.16.756.5.8.2.1)" in found
    assert "calling-authentication-value: 3232323232323232 '22222222'" in found


def test_lengths_in_their_long_form_are_read() -> None:
    assert "content: accepted (0)" in lines("618103a203020100"[:4] + "05a203020100")


def test_one_bad_field_does_not_hide_the_next() -> None:
    (root,) = explain(bytes.fromhex("6206be0204058001"), Kind.APDU)
    assert root.faulty
    assert any(node.name == "reason" for _, node in root.walk())
