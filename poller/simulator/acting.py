"""ACTION on the meter's side: single, in lists, in blocks both ways.

An ACTION and the association it comes in; the answer and notes for the log out. It holds the block transfers under way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from poller.simulator import axdr, services
from poller.simulator.acse import BadRequest
from poller.simulator.association import Granted
from poller.simulator.faults import FaultKind
from poller.simulator.notes import Mood, Noting, noted
from poller.simulator.objects import DataAccess, Done, ObjectBook
from poller.simulator.personality import CONFORMANCE_ACTION, CONFORMANCE_BLOCK_ACTION, CONFORMANCE_LIST
from poller.simulator.services import KEY, Block
from poller.simulator.values import Value, read_length, read_value, value_list, whole_value

MAX_LONG: Final = 65_536
"""Octets of parameters that come in blocks."""
_NORMAL, _NEXT, _LIST, _FIRST, _LIST_FIRST, _BLOCK = 1, 2, 3, 4, 5, 6
_NOTHING: Final = Value(0, raw=axdr.NULL)
REPLY_TO_HLS: Final = bytes.fromhex("000f0000280000ff01")
"""Method 1 of the current association: how a client answers the challenge."""

Proving = Callable[[Value], Done]


@dataclass(slots=True)
class _Long:
    invoke: int
    keys: list[bytes]
    listed: bool
    octets: bytearray = field(default_factory=bytearray)
    number: int = 0


@dataclass(slots=True)
class _Telling:
    invoke: int
    rest: bytes
    number: int = 1


@dataclass(slots=True)
class Acting:
    """ACTION of one connection. ``prove`` judges a client's answer to the challenge."""

    objects: ObjectBook
    note: Noting
    prove: Proving
    _long: _Long | None = None
    _telling: _Telling | None = None

    @property
    def under_way(self) -> bool:
        """Whether parameters or an answer are only partly told."""
        return self._long is not None or self._telling is not None

    def forget(self) -> None:
        """End the block transfers."""
        self._long = self._telling = None

    def answer(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the answer to an ACTION; raise BadRequest when it cannot be read."""
        if len(apdu) < 4:
            raise BadRequest("ACTION request is cut")
        choice, invoke = apdu[1], apdu[2]
        step = _STEPS.get(choice)
        if step is None:
            raise BadRequest(f"ACTION request choice {choice}")
        handler, needed = step
        if needed & ~granted.conformance and not granted.pending:
            return services.exception(1, 2)
        if choice not in {_BLOCK, _NEXT}:
            self.forget()
        answer = handler(self, invoke, apdu, granted, mood)
        if FaultKind.WRONG_INVOKE in mood:
            return answer[:2] + bytes((answer[2] ^ 0x07,)) + answer[3:]
        return answer

    def normal(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """One method."""
        key = services.method_key(apdu, 3)
        value, end = _NOTHING, 4 + KEY
        if apdu[3 + KEY : end] == b"\x01":
            value, end = read_value(apdu, end)
        if end != len(apdu):
            raise BadRequest("the parameters of a method are no data")
        return self._told(invoke, self._called(key, value, invoke, granted, mood), granted)

    def with_list(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Several methods."""
        keys, at = _keys(apdu, 3)
        values, end = value_list(apdu, at)
        if end != len(apdu):
            raise BadRequest("octets after the parameters")
        return self._all(invoke, keys, values, granted, mood)

    def first(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """The first block of one method's parameters."""
        self._long = _Long(invoke, [services.method_key(apdu, 3)], listed=False)
        return self._more(self._long, invoke, services.parse_block(apdu, 3 + KEY), granted, mood)

    def list_first(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """The first block of several methods' parameters."""
        keys, at = _keys(apdu, 3)
        self._long = _Long(invoke, keys, listed=True)
        return self._more(self._long, invoke, services.parse_block(apdu, at), granted, mood)

    def block(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """A further block of parameters."""
        found = services.parse_block(apdu, 3)
        if self._long is None:
            return _refused(invoke, DataAccess.NO_LONG_GET)
        return self._more(self._long, invoke, found, granted, mood)

    def next_block(self, invoke: int, apdu: bytes, granted: Granted, _mood: Mood) -> bytes:
        """The client wants the next block of what a method returned."""
        telling, number = self._telling, int.from_bytes(apdu[3:7], "big")
        if telling is None or number != telling.number or len(apdu) != 7:
            self._telling = None
            return _refused(invoke, DataAccess.DATA_BLOCK_UNAVAILABLE)
        telling.number += 1
        return self._part(telling, granted)

    def _more(self, long: _Long, invoke: int, found: Block, granted: Granted, mood: Mood) -> bytes:
        """Take a block; the method is called with the last one."""
        long.number += 1
        long.octets += found.raw
        wrong = found.number != long.number or invoke & 0x0F != long.invoke & 0x0F
        if wrong or len(long.octets) > MAX_LONG:
            self._long = None
            return _refused(invoke, DataAccess.LONG_ABORTED)
        if not found.last:
            return b"\xc7\x04%c%b" % (invoke, found.number.to_bytes(4, "big"))
        self._long = None
        octets = bytes(long.octets)
        if not long.listed:
            return self._told(invoke, self._called(long.keys[0], whole_value(octets), invoke, granted, mood), granted)
        return self._all(invoke, long.keys, value_list(octets)[0], granted, mood)

    def _all(self, invoke: int, keys: list[bytes], values: list[Value], granted: Granted, mood: Mood) -> bytes:
        """Call several; return how each went."""
        if len(keys) != len(values):
            raise BadRequest(f"{len(values)} parameters for {len(keys)} methods")
        results = [self._called(key, value, invoke, granted, mood) for key, value in zip(keys, values, strict=True)]
        answer = b"\xc7\x03%c" % invoke + axdr.length(len(results)) + b"".join(map(services.done, results))
        return answer if len(answer) <= granted.room else services.exception(1, 4)

    def _told(self, invoke: int, outcome: Done, granted: Granted) -> bytes:
        """Return the answer, or its first block when it is long."""
        answer = b"\xc7\x01%c" % invoke + services.done(outcome)
        if len(answer) <= granted.room or outcome.data is None:
            return answer
        if not granted.conformance & CONFORMANCE_BLOCK_ACTION:
            return _refused(invoke, DataAccess.OTHER_REASON)
        self._telling = _Telling(invoke, outcome.data)
        return self._part(self._telling, granted)

    def _part(self, telling: _Telling, granted: Granted) -> bytes:
        size = max(1, granted.room - services.BLOCK_OVERHEAD)
        part, telling.rest = telling.rest[:size], telling.rest[size:]
        if not telling.rest:
            self._telling = None
        return services.action_block(telling.invoke, telling.number, part, last=not telling.rest)

    def _called(self, key: bytes, value: Value, invoke: int, granted: Granted, mood: Mood) -> Done:
        if FaultKind.BUSY in mood:
            outcome = Done(DataAccess.TEMPORARY_FAILURE)
        elif key == REPLY_TO_HLS:
            outcome = self.prove(value)
        elif granted.pending:
            outcome = Done(DataAccess.READ_WRITE_DENIED)
        else:
            outcome = self.objects.call(key, value, granted)
        raw = "" if key == REPLY_TO_HLS else value.raw.hex()
        self.note(noted("action", key, invoke, outcome.result, raw))
        return outcome


_Step = Callable[[Acting, int, bytes, Granted, Mood], bytes]
_BLOCKED: Final = CONFORMANCE_ACTION | CONFORMANCE_BLOCK_ACTION
_STEPS: Final[Mapping[int, tuple[_Step, int]]] = {
    _NORMAL: (Acting.normal, CONFORMANCE_ACTION),
    _NEXT: (Acting.next_block, _BLOCKED),
    _LIST: (Acting.with_list, CONFORMANCE_ACTION | CONFORMANCE_LIST),
    _FIRST: (Acting.first, _BLOCKED),
    _LIST_FIRST: (Acting.list_first, _BLOCKED | CONFORMANCE_LIST),
    _BLOCK: (Acting.block, _BLOCKED),
}
"""Choice of an ACTION request, to what serves it and what must have been negotiated."""


def _keys(apdu: bytes, at: int) -> tuple[list[bytes], int]:
    """Return a list of method descriptors and where it ends."""
    count, at = read_length(apdu, at)
    if at + count * KEY > len(apdu):
        raise BadRequest(f"list of {count} methods is cut")
    return [apdu[start : start + KEY] for start in range(at, at + count * KEY, KEY)], at + count * KEY


def _refused(invoke: int, reason: DataAccess) -> bytes:
    return b"\xc7\x01%c%c\x00" % (invoke, reason)
