"""GET, SET and ACTION field by field, each kind of each, and their blocks joined."""

import pytest

from poller.dlms.explain.stream import Explainer, Kind
from tests.support.explaining import faults, lines, told

CLOCK = "00080000010000ff02"
METHOD = "0046000060030aff01"
VALUE = "1105"


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("c001c1" + CLOCK + "00", "get-request: normal", "attribute-id: 2"),
        ("c001c1" + CLOCK + "0102" + VALUE, "get-request: normal", "entries: unsigned: 5"),
        ("c001c1" + CLOCK + "0109" + VALUE, "get-request: normal", "parameters: unsigned: 5"),
        ("c002c100000005", "get-request: next", "block-number: 5"),
        ("c003c101" + CLOCK + "00", "get-request: with-list", "attributes: 1"),
        ("c101c1" + CLOCK + "00" + VALUE, "set-request: normal", "value: unsigned: 5"),
        ("c104c101" + CLOCK + "0001" + VALUE, "set-request: with-list", "values: 1"),
        ("c301c1" + METHOD + "01" + VALUE, "action-request: normal", "parameters: unsigned: 5"),
        ("c301c1" + METHOD + "00", "action-request: normal", "method-invocation-parameters: absent"),
        ("c302c100000001", "action-request: next-pblock", "block-number: 1"),
        ("c303c101" + METHOD + "01" + VALUE, "action-request: with-list", "methods: 1"),
        ("c401c100" + VALUE, "get-response: normal", "unsigned: 5"),
        ("c403c1010103", "get-response: with-list", "data-access-result: read-write-denied (3)"),
        ("c501c111", "set-response: normal", "result: long-set-aborted (17)"),
        ("c502c100000002", "set-response: datablock", "block-number: 2"),
        ("c503c10000000002", "set-response: last-datablock", "result: success (0)"),
        ("c504c1010000000002", "set-response: last-datablock-with-list", "results: 1"),
        ("c505c1020003", "set-response: with-list", "results: 2"),
        ("c701c10000", "action-response: normal", "action-result: success (0)"),
        ("c701c10f00", "action-response: normal", "action-result: long-action-aborted (15)"),
        ("c703c101000100" + VALUE, "action-response: with-list", "unsigned: 5"),
        ("c704c100000001", "action-response: next-pblock", "block-number: 1"),
    ],
)
def test_each_kind_is_told(text: str, name: str, line: str) -> None:
    found = lines(text)
    assert found[0] == name
    assert line in found
    assert not [each for each in found if each.startswith("!")]


ONE, LAST = "00000000010111", "010000000201" + "05"
"""Datablocks of octets 11 and 05: together unsigned 5."""


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("c102c1" + CLOCK + "00" + ONE, "c103c1" + LAST),
        ("c304c1" + METHOD + ONE, "c306c1" + LAST),
        ("c402c100000000010001" + "11", "c402c101000000020001" + "05"),
    ],
)
def test_blocks_are_joined_to_their_value(first: str, last: str) -> None:
    explainer = Explainer(Kind.APDU)
    assert not [line for line in told(explainer.feed(bytes.fromhex(first))) if "joined" in line]
    found = told(explainer.feed(bytes.fromhex(last)))
    assert "joined blocks: 2 octets" in found
    assert found[-1] == "unsigned: 5"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("c105c101" + CLOCK + "00" + "0100000001" + "03" + "011105", "values: 1"),
        ("c305c101" + METHOD + "0100000001" + "03" + "011105", "parameters: 1"),
        ("c702c1" + "0100000001" + "05" + "0001001105", "return-parameters: present"),
    ],
)
def test_a_single_block_is_read_as_what_it_holds(text: str, line: str) -> None:
    found = lines(text)
    assert any(each.startswith("content of the block: ") for each in found)
    assert line in found
    assert not [each for each in found if each.startswith("!")]


def test_blocks_of_a_list_are_read_as_results() -> None:
    explainer = Explainer(Kind.APDU)
    explainer.feed(bytes.fromhex("c003c101" + CLOCK + "00"))
    found = told(explainer.feed(bytes.fromhex("c402c101000000010004" + "01001105")))
    assert "results: 1" in found
    assert "unsigned: 5" in found


def test_a_refusal_in_place_of_a_block_is_told() -> None:
    assert "data-access-result: data-block-unavailable (14)" in lines("c402c10100000001010e")


def test_a_block_whose_beginning_was_missed_is_only_shown() -> None:
    found = lines("c402c101000000050001" + "11")
    assert "raw-data: block 5, the last" in found
    assert not [line for line in found if "joined" in line]


def test_an_invoke_id_says_priority_and_whether_it_is_confirmed() -> None:
    assert "invoke-id-and-priority: invoke-id 3, unconfirmed, normal priority (3)" in lines("c00203" + "00000001")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("c009c1", "get-request has no type 9"),
        ("c403c10200", "the value ends at octet 5, where more was expected"),
        ("c403c10102", "a result is data (0) or an error (1), not 2"),
        ("c505c10200", "results ends after 1 of 2"),
        ("c001", "1 octets expected for invoke-id-and-priority, but only 0 are left"),
    ],
)
def test_what_is_wrong_is_told(text: str, reason: str) -> None:
    assert reason in faults(text)[0]
