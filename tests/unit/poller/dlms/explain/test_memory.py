"""What is remembered is joined by who speaks, and bounded."""

import pytest

from poller.dlms.errors import BadData
from poller.dlms.explain.memory import MAX_JOINED, MAX_RUNS, Memory
from poller.dlms.security import SecuritySettings


def test_parts_are_joined_by_who_speaks() -> None:
    memory = Memory()
    memory.way = "1>2"
    assert memory.join("get", b"a", first=True, last=False) is None
    memory.way = "2>1"
    assert not memory.is_joining("get")
    assert memory.join("get", b"x", first=False, last=True) is None
    memory.way = "1>2"
    assert memory.is_joining("get")
    assert memory.join("get", b"b", first=False, last=True) == b"ab"
    assert not memory.is_joining("get")


def test_a_new_beginning_forgets_the_old_one() -> None:
    memory = Memory()
    memory.join("get", b"old", first=True, last=False)
    assert memory.join("get", b"new", first=True, last=True) == b"new"


def test_a_value_beyond_the_limit_is_given_up() -> None:
    memory = Memory()
    memory.join("get", bytes(MAX_JOINED), first=True, last=False)
    with pytest.raises(BadData, match="more than"):
        memory.join("get", b"1", first=False, last=False)
    assert not memory.is_joining("get")


def test_runs_are_bounded_and_the_oldest_goes() -> None:
    memory = Memory()
    for number in range(MAX_RUNS + 1):
        memory.way = str(number)
        memory.join("get", b"a", first=True, last=False)
    assert memory.is_joining("get")
    memory.way = "0"
    assert not memory.is_joining("get")


def test_titles_come_from_the_keys_and_the_last_seen_is_first() -> None:
    memory = Memory(SecuritySettings(client_title=b"CLIENT01", server_title=b"SERVER01"))
    memory.learn_title(b"CLIENT01")
    memory.learn_title(b"")
    assert memory.titles == [b"CLIENT01", b"SERVER01"]
