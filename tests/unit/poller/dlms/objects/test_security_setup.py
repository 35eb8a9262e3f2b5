"""Security setup: policy in both versions' words, certificates by name, keys only wrapped."""

import pytest

from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import BadParameter
from poller.dlms.objects import security_setup
from poller.dlms.objects.security_setup import (
    SETUP_NAME,
    Certificate,
    CertificateUse,
    Entity,
    KeyKind,
    Policy,
    activate_policy,
    read_security_setup,
    transfer_keys,
)
from tests.support.cosem_objects import Objects, array, octets, run, structure

CERTIFICATE = structure(
    Data(DataType.ENUM, 1), Data(DataType.ENUM, 0), octets(b"1"), octets(b"i"), octets(b"s"), octets(b"")
)


def setup(policy: int, *certificates: Data) -> Objects:
    objects = Objects(methods={MethodRef(64, SETUP_NAME, number): lambda _: None for number in (1, 2)})
    objects.give(
        64,
        SETUP_NAME,
        {2: Data(DataType.ENUM, policy), 3: Data(DataType.ENUM, 1), 4: octets(b"CLIENT01"), 5: octets(b"SERVER01")}
        | {6: array(*certificates)},
    )
    return objects


BOTH = Policy.AUTHENTICATED_REQUEST | Policy.AUTHENTICATED_RESPONSE


@pytest.mark.parametrize(
    ("number", "policy"),
    [
        (0, Policy.NONE),
        (1, BOTH),
        (2, Policy.ENCRYPTED_REQUEST | Policy.ENCRYPTED_RESPONSE),
        (3, BOTH | Policy.ENCRYPTED_REQUEST | Policy.ENCRYPTED_RESPONSE),
        (0x04, Policy.AUTHENTICATED_REQUEST),
        (0x48, Policy.ENCRYPTED_REQUEST | Policy.ENCRYPTED_RESPONSE),
    ],
)
def test_a_policy_is_the_same_in_both_versions(number: int, policy: Policy) -> None:
    found = run(read_security_setup(setup(number, CERTIFICATE)))
    assert (found.policy, found.suite) == (policy, 1)
    assert (found.client_title, found.server_title) == (b"CLIENT01", b"SERVER01")
    assert found.certificates == (Certificate(Entity.CLIENT, CertificateUse.DIGITAL_SIGNATURE, b"1", b"i", b"s", b""),)


def test_policies_that_nobody_knows_leave_nothing_behind() -> None:
    before = len(Policy._value2member_map_)
    for number in range(0x100, 0x200):
        assert run(read_security_setup(setup(number << 8))).policy == Policy.NONE
    assert len(Policy._value2member_map_) == before


def test_certificates_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_setup, "MAX_CERTIFICATES", 1)
    found = run(read_security_setup(setup(0, CERTIFICATE, CERTIFICATE)))
    assert found.certificates is None
    assert found.refused[0].attribute == 6


def test_a_policy_is_activated_and_wrapped_keys_are_transferred() -> None:
    objects = setup(0)
    run(activate_policy(objects, 3))
    run(transfer_keys(objects, [(KeyKind.AUTHENTICATION, bytes(24))]))
    assert objects.invoked == [
        (MethodRef(64, SETUP_NAME, 1), Data(DataType.ENUM, 3)),
        (MethodRef(64, SETUP_NAME, 2), array(structure(Data(DataType.ENUM, 2), octets(bytes(24))))),
    ]


def test_a_bare_key_never_leaves() -> None:
    objects = setup(0)
    with pytest.raises(BadParameter):
        run(transfer_keys(objects, [(KeyKind.AUTHENTICATION, bytes(24)), (KeyKind.MASTER, bytes(16))]))
    assert objects.invoked == []
