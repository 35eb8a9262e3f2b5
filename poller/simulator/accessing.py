"""ACCESS on the meter's side: GETs, SETs and ACTIONs in one request (IEC 62056-5-3, access).

A request and the association it comes in; the answer and notes for the log out. Long ones travel by general block
transfer, which is not known here.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from poller.simulator import axdr, services
from poller.simulator.acse import BadRequest
from poller.simulator.association import Granted
from poller.simulator.faults import FaultKind
from poller.simulator.notes import Mood, Noting, noted
from poller.simulator.objects import DataAccess, ObjectBook, Selection
from poller.simulator.personality import CONFORMANCE_ACCESS
from poller.simulator.services import KEY
from poller.simulator.values import Value, read_length, read_octets, read_value, value_list

_GET, _SET, _ACTION, _GET_SELECTED, _SET_SELECTED = 1, 2, 3, 4, 5
_SERVICE: Final = {_GET: 1, _SET: 2, _ACTION: 3, _GET_SELECTED: 1, _SET_SELECTED: 2}
_SELF_DESCRIPTIVE: Final = 0x10000000
_BREAK_ON_ERROR: Final = 0x20000000
_MOST: Final = 128


class _Item(NamedTuple):
    choice: int
    key: bytes
    selection: Selection | None


@dataclass(slots=True)
class Accessing:
    """ACCESS of one connection."""

    objects: ObjectBook
    note: Noting

    def answer(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the answer to an ACCESS; raise BadRequest when it cannot be read."""
        if not granted.conformance & CONFORMANCE_ACCESS:
            return services.exception(1, 2)
        if len(apdu) < 6:
            raise BadRequest("ACCESS request is cut")
        invoke = int.from_bytes(apdu[1:5], "big")
        moment, at = read_octets(apdu, 5)
        items, specified = _items(apdu, at)
        values, end = value_list(apdu, specified)
        if end != len(apdu) or len(values) != len(items):
            raise BadRequest(f"{len(values)} data for {len(items)} accesses")
        data, results = self._all(items, values, invoke, granted, mood)
        head = b"\xda" + self._invoke(invoke, mood) + axdr.length(len(moment)) + moment
        told = b"\x01" + apdu[at:specified] if invoke & _SELF_DESCRIPTIVE else b"\x00"
        count = axdr.length(len(items))
        return head + told + count + b"".join(data) + count + b"".join(results)

    def _invoke(self, invoke: int, mood: Mood) -> bytes:
        wrong = FaultKind.WRONG_INVOKE in mood
        return (invoke ^ 0x07 if wrong else invoke).to_bytes(4, "big")

    def _all(
        self, items: list[_Item], values: list[Value], invoke: int, granted: Granted, mood: Mood
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the data and the result of each; after an error the rest is left out where the client says so."""
        data, results, broken = [], [], False
        for item, value in zip(items, values, strict=True):
            if broken:
                result, found = DataAccess.OTHER_REASON, axdr.NULL
            else:
                result, found = self._one(item, value, invoke, granted, mood)
            broken = broken or (result is not DataAccess.SUCCESS and bool(invoke & _BREAK_ON_ERROR))
            data.append(found)
            results.append(bytes((_SERVICE[item.choice], result)))
        return data, results

    def _one(self, item: _Item, value: Value, invoke: int, granted: Granted, mood: Mood) -> tuple[DataAccess, bytes]:
        if FaultKind.BUSY in mood:
            return DataAccess.TEMPORARY_FAILURE, axdr.NULL
        service = _SERVICE[item.choice]
        if service == _GET:
            return self._got(item, invoke, granted)
        if service == _SET:
            result = DataAccess.SCOPE_VIOLATED if item.selection else self.objects.write(item.key, value, granted)
            self.note(noted("set", item.key, invoke & 0xFF, result, value.raw.hex()))
            return result, axdr.NULL
        done = self.objects.call(item.key, value, granted)
        self.note(noted("action", item.key, invoke & 0xFF, done.result, value.raw.hex()))
        return done.result, done.data or axdr.NULL

    def _got(self, item: _Item, invoke: int, granted: Granted) -> tuple[DataAccess, bytes]:
        outcome = self.objects.read(item.key, granted, item.selection)
        if isinstance(outcome, DataAccess):
            self.note(noted("get", item.key, invoke & 0xFF, outcome, ""))
            return outcome, axdr.NULL
        self.note(noted("get", item.key, invoke & 0xFF, DataAccess.SUCCESS, outcome.raw))
        return DataAccess.SUCCESS, outcome.data


def _items(apdu: bytes, at: int) -> tuple[list[_Item], int]:
    """Return the access-request-specification and where it ends."""
    count, at = read_length(apdu, at)
    if count > _MOST:
        raise BadRequest(f"{count} accesses are more than this meter takes")
    items = []
    for _ in range(count):
        item, at = _item(apdu, at)
        items.append(item)
    return items, at


def _item(apdu: bytes, at: int) -> tuple[_Item, int]:
    choice = apdu[at] if at < len(apdu) else 0
    if choice not in _SERVICE:
        raise BadRequest(f"access choice {choice}")
    key, end = services.method_key(apdu, at + 1), at + 1 + KEY
    if choice not in {_GET_SELECTED, _SET_SELECTED}:
        return _Item(choice, key, None), end
    value, after = read_value(apdu, end + 1)
    return _Item(choice, key, Selection(apdu[end], value)), after
