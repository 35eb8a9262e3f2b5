"""GET, SET and ACTION (IEC 62056-5-3, xDLMS in A-XDR) on the meter's side: requests read, responses written.

Request octets in, frozen requests out; results in, response octets out. What cannot be read raises BadRequest. No
objects, no state of a block transfer, no association.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from poller.simulator import axdr
from poller.simulator.acse import BadRequest
from poller.simulator.objects import DataAccess, Done, Reading, Selection
from poller.simulator.values import read_length, read_octets, read_value

GET: Final = 0xC0
SET: Final = 0xC1
ACTION: Final = 0xC3
ACCESS: Final = 0xD9
BLOCKS: Final = 0xE0
READ: Final = 0x05
WRITE: Final = 0x06
_NORMAL, _NEXT, _LIST = 1, 2, 3
KEY: Final = 9
BLOCK_OVERHEAD: Final = 12
"""Octets of a get-response-with-datablock around its raw data, with a three-octet length."""
_MOST_ITEMS: Final = 0x7F


@dataclass(frozen=True, slots=True)
class GetNormal:
    """One attribute; ``key`` is class, logical name and attribute as on the line."""

    invoke: int
    key: bytes
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class GetNext:
    """The block after this one."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class GetList:
    """Several attributes."""

    invoke: int
    items: tuple[GetNormal, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a long request."""

    last: bool
    number: int
    raw: bytes


def parse_get(apdu: bytes) -> GetNormal | GetNext | GetList:
    """Return what a GET asks for; raise BadRequest when it cannot be read."""
    if len(apdu) < 4:
        raise BadRequest("GET request is cut")
    choice, invoke = apdu[1], apdu[2]
    if choice == _NORMAL:
        return descriptor(invoke, apdu, 3)[0]
    if choice == _NEXT and len(apdu) == 7:
        return GetNext(invoke, int.from_bytes(apdu[3:7], "big"))
    if choice == _LIST:
        return GetList(invoke, tuple(descriptors(invoke, apdu, 3)[0]))
    raise BadRequest(f"GET request choice {choice}")


def descriptor(invoke: int, octets: bytes, at: int) -> tuple[GetNormal, int]:
    """Return one attribute descriptor with its selection, and where it ends."""
    end = at + KEY
    if len(octets) <= end:
        raise BadRequest("attribute descriptor is cut")
    if not octets[end]:
        return GetNormal(invoke, octets[at:end]), end + 1
    value, after = read_value(octets, end + 2)
    return GetNormal(invoke, octets[at:end], Selection(octets[end + 1], value)), after


def descriptors(invoke: int, octets: bytes, at: int) -> tuple[list[GetNormal], int]:
    """Return a list of attribute descriptors and where it ends."""
    count, at = read_length(octets, at)
    if count > _MOST_ITEMS:
        raise BadRequest(f"list of {count} attributes is longer than this meter takes")
    items = []
    for _ in range(count):
        item, at = descriptor(invoke, octets, at)
        items.append(item)
    return items, at


def method_key(octets: bytes, at: int) -> bytes:
    """Return the nine octets that name a method."""
    if len(octets) < at + KEY:
        raise BadRequest("method descriptor is cut")
    return octets[at : at + KEY]


def parse_block(octets: bytes, at: int) -> Block:
    """Return the block that is the rest of a request."""
    if len(octets) < at + 6:
        raise BadRequest("block is cut")
    raw, end = read_octets(octets, at + 5)
    if end != len(octets):
        raise BadRequest("octets after the block")
    return Block(octets[at] != 0, int.from_bytes(octets[at + 1 : at + 5], "big"), raw)


def result(outcome: Reading | DataAccess) -> bytes:
    """Return a Get-Data-Result: 00 and data, or 01 and the reason."""
    if isinstance(outcome, DataAccess):
        return bytes((1, outcome))
    return b"\x00" + outcome.data


def normal(invoke: int, outcome: Reading | DataAccess) -> bytes:
    """Return a get-response-normal."""
    return b"\xc4\x01%c" % invoke + result(outcome)


def listed(outcomes: Sequence[Reading | DataAccess]) -> bytes:
    """Return what follows the invoke id in a get-response-with-list."""
    return axdr.length(len(outcomes)) + b"".join(map(result, outcomes))


def with_list(invoke: int, body: bytes) -> bytes:
    """Return a get-response-with-list."""
    return b"\xc4\x03%c" % invoke + body


def block(invoke: int, number: int, raw: bytes, *, last: bool) -> bytes:
    """Return a get-response-with-datablock."""
    return b"\xc4\x02%c%c%b\x00" % (invoke, last, number.to_bytes(4, "big")) + axdr.length(len(raw)) + raw


def block_refused(invoke: int, number: int, reason: DataAccess) -> bytes:
    """Return a get-response-with-datablock that ends the transfer with a reason."""
    return b"\xc4\x02%c\x01%b\x01%c" % (invoke, number.to_bytes(4, "big"), reason)


def done(outcome: Done) -> bytes:
    """Return an action-response-with-optional-data."""
    if outcome.data is None:
        return bytes((outcome.result, 0))
    return bytes((outcome.result, 1, 0)) + outcome.data


def action_block(invoke: int, number: int, raw: bytes, *, last: bool) -> bytes:
    """Return an action-response-with-pblock."""
    return b"\xc7\x02%c%c%b" % (invoke, last, number.to_bytes(4, "big")) + axdr.length(len(raw)) + raw


def exception(state: int, service: int) -> bytes:
    """Return an exception-response: state error (1 not allowed, 2 unknown), service error (1 to 3)."""
    return bytes((0xD8, state, service))
