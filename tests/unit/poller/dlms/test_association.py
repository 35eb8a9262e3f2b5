"""Terms of an association; how they come about is tested in ``test_proposing``."""

import pytest

from poller.dlms.association import Association, Mechanism
from poller.dlms.xdlms import Conformance

GRANTED = {
    "supports_with_list": Conformance.MULTIPLE_REFERENCES,
    "supports_block_get": Conformance.BLOCK_TRANSFER_WITH_GET,
    "supports_block_set": Conformance.BLOCK_TRANSFER_WITH_SET,
    "supports_block_action": Conformance.BLOCK_TRANSFER_WITH_ACTION,
    "supports_general_block": Conformance.GENERAL_BLOCK_TRANSFER,
    "supports_general_protection": Conformance.GENERAL_PROTECTION,
    "supports_set": Conformance.SET,
    "supports_action": Conformance.ACTION,
    "supports_access": Conformance.ACCESS,
    "supports_selective_access": Conformance.SELECTIVE_ACCESS,
}


@pytest.mark.parametrize(("name", "bit"), GRANTED.items())
def test_each_bit_grants_its_service_and_no_other(name: str, bit: Conformance) -> None:
    terms = Association(int(bit), 1024, 7)
    assert [other for other in GRANTED if getattr(terms, other)] == [name]


def test_high_level_security_is_whatever_has_a_challenge() -> None:
    assert [each.value for each in Mechanism if not each.high_level] == ["none", "lls"]
