"""GET and its relatives (IEC 62056-5-3, xDLMS in A-XDR) on the meter's side.

Request octets in, frozen requests out; results in, response octets out. What cannot be read raises BadRequest. No
objects, no state of a block transfer, no association.
"""

from dataclasses import dataclass
from typing import Final

from poller.simulator import axdr
from poller.simulator.acse import BadRequest
from poller.simulator.objects import DataAccess, Reading

GET: Final = 0xC0
SET: Final = 0xC1
ACTION: Final = 0xC3
_NORMAL, _NEXT, _LIST = 1, 2, 3
_KEY: Final = 9
BLOCK_OVERHEAD: Final = 12
"""Octets of a get-response-with-datablock around its raw data, with a three-octet length."""


@dataclass(frozen=True, slots=True)
class GetNormal:
    """One attribute; ``key`` is class, logical name and attribute as on the line."""

    invoke: int
    key: bytes
    selective: bool


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


def parse_get(apdu: bytes) -> GetNormal | GetNext | GetList:
    """Return what a GET asks for; raise BadRequest when it cannot be read."""
    if len(apdu) < 4:
        raise BadRequest("GET request is cut")
    choice, invoke = apdu[1], apdu[2]
    if choice == _NORMAL:
        return _item(invoke, apdu[3:])[0]
    if choice == _NEXT and len(apdu) == 7:
        return GetNext(invoke, int.from_bytes(apdu[3:7], "big"))
    if choice == _LIST:
        return _list(invoke, apdu)
    raise BadRequest(f"GET request choice {choice}")


def _item(invoke: int, octets: bytes) -> tuple[GetNormal, bytes]:
    """Return one attribute descriptor and what follows it; a selector takes the rest."""
    if len(octets) <= _KEY:
        raise BadRequest("attribute descriptor is cut")
    selective = octets[_KEY] != 0
    return GetNormal(invoke, octets[:_KEY], selective), b"" if selective else octets[_KEY + 1 :]


def _list(invoke: int, apdu: bytes) -> GetList:
    count = apdu[3]
    rest = apdu[4:]
    if count > 0x7F:
        raise BadRequest(f"list of {count} attributes is longer than this meter takes")
    items = []
    for _ in range(count):
        item, rest = _item(invoke, rest)
        items.append(item)
    return GetList(invoke, tuple(items))


def result(outcome: Reading | DataAccess) -> bytes:
    """Return a Get-Data-Result: 00 and data, or 01 and the reason."""
    if isinstance(outcome, DataAccess):
        return bytes((1, outcome))
    return b"\x00" + outcome.data


def normal(invoke: int, outcome: Reading | DataAccess) -> bytes:
    """Return a get-response-normal."""
    return b"\xc4\x01%c" % invoke + result(outcome)


def listed(outcomes: list[Reading | DataAccess]) -> bytes:
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


def exception(state: int, service: int) -> bytes:
    """Return an exception-response: state error (1 not allowed, 2 unknown), service error (1 to 3)."""
    return bytes((0xD8, state, service))
