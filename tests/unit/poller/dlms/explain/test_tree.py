"""Nodes and scans: every octet leaves a node, a fault stays where it is."""

import pytest

from poller.dlms.errors import BadData
from poller.dlms.explain.tree import Budget, Scan, derived, guarded, within


def scan(octets: bytes) -> Scan:
    return Scan(octets, 100, Budget())


def test_offsets_are_those_of_the_input() -> None:
    part = scan(b"abc")
    part.leaf(1, "a")
    with part.branch("rest") as rest:
        part.leaf(2, "bc")
    assert [(node.offset, node.octets) for node in part.nodes] == [(100, b"a"), (101, b"bc")]
    assert rest.children[0].offset == 101


def test_a_branch_that_fails_keeps_what_was_read() -> None:
    part = scan(b"ab")

    def read(inner: Scan) -> None:
        with inner.branch("branch"):
            inner.leaf(1, "a")
            inner.leaf(5, "more")

    guarded(part, read)
    branch, rest = part.nodes
    assert (branch.octets, branch.faulty) == (b"a", False)
    assert (rest.octets, rest.fault, rest.offset) == (b"b", True, 101)


def test_octets_that_are_left_are_a_fault() -> None:
    part = scan(b"ab")
    guarded(part, lambda inner: inner.leaf(1, "a"))
    assert part.nodes[1].meaning == "1 octets follow that belong to nothing"


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadData, match="3 octets announced, but only 2 are left"):
        within(scan(b"ab"), 3, lambda inner: inner.leaf(1, "a"))


def test_what_is_derived_counts_from_its_own_beginning() -> None:
    node = derived(b"ab", "joined", "2 octets", Budget(), lambda inner: inner.leaf(2, "ab"))
    assert node.derived
    assert node.children[0].offset == 0


def test_numbers_have_names_where_there_are_any() -> None:
    part = scan(b"\xff\x01\x02")
    assert part.number(1, "signed", signed=True) == -1
    part.number(1, "known", {1: "one"})
    part.number(1, "strange", {1: "one"})
    assert [node.meaning for node in part.nodes] == ["-1", "one (1)", "unknown (2)"]


def test_the_number_of_nodes_is_bounded() -> None:
    part = Scan(b"ab", 0, Budget(1))
    part.leaf(1, "a")
    with pytest.raises(BadData, match="more fields than are shown at once"):
        part.leaf(1, "b")
