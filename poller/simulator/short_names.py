"""Short name referencing on the meter's side: Read and Write (IEC 62056-5-3), and the association SN (class 12).

Every attribute has a number of two octets, eight apart; methods come behind them, where IEC 62056-6-2 puts them.
Requests in, answers and notes for the log out. What the objects hold is the same as under logical names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from poller.simulator import axdr, services
from poller.simulator.acse import VAA_SN, BadRequest
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.faults import FaultKind
from poller.simulator.notes import Mood, Noting, noted
from poller.simulator.objects import BASE_STEP, FIRST_BASE, DataAccess, Done, ObjectBook, Reading, Selection
from poller.simulator.personality import CONFORMANCE_READ, CONFORMANCE_WRITE
from poller.simulator.values import Value, read_length, read_value, value_list

NAME: Final = bytes((0, 0, 40, 0, 0, 255))
_CLASS: Final = 12
_APART: Final = 8
_METHODS: Final[Mapping[int, int]] = {3: 0x28, 4: 0x38, 5: 0x58, 7: 0x58, 8: 0x60, 18: 0x40, 64: 0x30, 70: 0x20}
"""Class to where its methods begin, from its base."""
_MOST_METHODS: Final = 0x60
_VARIABLE, _PARAMETERIZED, _BLOCK_NUMBER = 2, 4, 5
_REPLY_TO_HLS: Final = VAA_SN + 0x58
_MOST: Final = 0x7F
Proving = Callable[[Value], Done]


@dataclass(slots=True)
class ShortNames:
    """Read and Write of one connection. ``prove`` judges a client's answer to the challenge."""

    objects: ObjectBook
    note: Noting
    prove: Proving
    _rest: bytes = b""
    _number: int = 0

    @property
    def under_way(self) -> bool:
        """Whether an answer is only partly told."""
        return bool(self._rest)

    def forget(self) -> None:
        """End a block transfer."""
        self._rest, self._number = b"", 0

    def read(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the ReadResponse to a ReadRequest; raise BadRequest when it cannot be read."""
        if not granted.conformance & CONFORMANCE_READ and not granted.pending:
            return services.exception(1, 2)
        count, at = read_length(apdu, 1)
        if count == 1 and apdu[at : at + 1] == bytes((_BLOCK_NUMBER,)):
            return self._next_block(int.from_bytes(apdu[at + 1 : at + 3], "big"), granted)
        self.forget()
        if count > _MOST:
            raise BadRequest(f"{count} variables are more than this meter takes")
        results = []
        for _ in range(count):
            address, selection, at = _access(apdu, at)
            results.append(services.result(self._looked_up(address, selection, granted, mood)))
        body = axdr.length(count) + b"".join(results)
        if len(body) + 1 <= granted.room:
            return b"\x0c" + body
        # What one variable holds goes without its choice, several go as the list that they are.
        self._rest = results[0][1:] if count == 1 else body
        return self._block(granted)

    def _next_block(self, number: int, granted: Granted) -> bytes:
        if not self._rest or number != self._number:
            self.forget()
            return bytes((0x0C, 1, 1, DataAccess.NO_LONG_GET))
        return self._block(granted)

    def _block(self, granted: Granted) -> bytes:
        """Return a data-block-result: whether it is the last, its number, its part of the response."""
        size = max(1, granted.room - services.BLOCK_OVERHEAD)
        part, self._rest = self._rest[:size], self._rest[size:]
        self._number += 1
        head = bytes((0x0C, 1, 2, not self._rest)) + self._number.to_bytes(2, "big")
        return head + axdr.length(len(part)) + part

    def _looked_up(
        self, address: int, selection: Selection | None, granted: Granted, mood: Mood
    ) -> Reading | DataAccess:
        if address == _REPLY_TO_HLS and selection is not None:
            done = self.prove(selection.value)
            return Reading(done.data, "") if done.data is not None else done.result
        if granted.pending or FaultKind.BUSY in mood:
            return DataAccess.TEMPORARY_FAILURE if FaultKind.BUSY in mood else DataAccess.READ_WRITE_DENIED
        key, method = self._named(address)
        if key is None:
            return self._own(address, granted)
        if method:
            done = self.objects.call(key, selection.value if selection else Value(0, raw=axdr.NULL), granted)
            self.note(noted("action", key, 0, done.result, ""))
            return done.result if done.result is not DataAccess.SUCCESS else Reading(done.data or axdr.NULL, "")
        return self._got(key, selection, granted)

    def _got(self, key: bytes, selection: Selection | None, granted: Granted) -> Reading | DataAccess:
        outcome = self.objects.read(key, granted, selection)
        if isinstance(outcome, DataAccess):
            self.note(noted("get", key, 0, outcome, ""))
        else:
            self.note(noted("get", key, 0, DataAccess.SUCCESS, outcome.raw))
        return outcome

    def write(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the WriteResponse to a WriteRequest; raise BadRequest when it cannot be read."""
        if not granted.conformance & CONFORMANCE_WRITE and not granted.pending:
            return services.exception(1, 2)
        count, at = read_length(apdu, 1)
        addresses = []
        for _ in range(min(count, _MOST)):
            address, _selection, at = _access(apdu, at)
            addresses.append(address)
        values, end = value_list(apdu, at)
        if end != len(apdu) or len(values) != len(addresses):
            raise BadRequest(f"{len(values)} values for {len(addresses)} variables")
        results = [self._put(address, value, granted, mood) for address, value in zip(addresses, values, strict=True)]
        told = (b"\x00" if result is DataAccess.SUCCESS else bytes((1, result)) for result in results)
        return b"\x0d" + axdr.length(len(results)) + b"".join(told)

    def _put(self, address: int, value: Value, granted: Granted, mood: Mood) -> DataAccess:
        if address == _REPLY_TO_HLS:
            return self.prove(value).result
        if FaultKind.BUSY in mood:
            return DataAccess.TEMPORARY_FAILURE
        key, method = self._named(address)
        if key is None or granted.pending:
            return DataAccess.OBJECT_UNDEFINED if key is None else DataAccess.READ_WRITE_DENIED
        result = self.objects.call(key, value, granted).result if method else self.objects.write(key, value, granted)
        self.note(noted("action" if method else "set", key, 0, result, value.raw.hex()))
        return result

    def _named(self, address: int) -> tuple[bytes | None, bool]:
        """Return the attribute or method of a short name, and whether it is a method."""
        place, offset = divmod(address - FIRST_BASE, BASE_STEP)
        instances = list(self.objects.instances.values())
        if not 0 <= place < len(instances) or offset % _APART:
            return None, False
        instance = instances[place]
        head = instance.head + instance.name
        number = offset // _APART + 1
        if number in instance.attributes:
            return head + bytes((number,)), False
        begin = _METHODS.get(instance.class_id, _MOST_METHODS)
        method = (offset - begin) // _APART + 1
        if method in instance.methods:
            return head + bytes((method,)), True
        return head + bytes((number,)), False

    def _own(self, address: int, granted: Granted) -> Reading | DataAccess:
        """Answer for the association SN itself."""
        if address == VAA_SN:
            return Reading(axdr.octet_string(NAME), NAME.hex())
        if address == VAA_SN + _APART:
            return self._object_list(granted)
        return DataAccess.OBJECT_UNDEFINED

    def _object_list(self, granted: Granted) -> Reading:
        listed = [(VAA_SN, _CLASS, 1, NAME)]
        listed += [
            (instance.base, instance.class_id, instance.version, instance.name)
            for instance in self.objects.listed()
            if instance.name != NAME
        ]
        entries = [
            axdr.structure((
                Form.INT16.encode(base - 0x10000 if base & 0x8000 else base),
                Form.UINT16.encode(class_id),
                Form.UINT8.encode(version),
                axdr.octet_string(name),
            ))
            for base, class_id, version, name in listed
        ]
        self.note(noted("get", b"\x00\x0c" + NAME + b"\x02", 0, DataAccess.SUCCESS, f"{len(entries)} objects"))
        return Reading(axdr.array(entries), f"{len(entries)} objects at client {granted.client}")


def _access(apdu: bytes, at: int) -> tuple[int, Selection | None, int]:
    """Return a variable's short name, what part of it is wanted, and where that ends."""
    choice = apdu[at] if at < len(apdu) else 0
    if choice not in {_VARIABLE, _PARAMETERIZED} or at + 3 > len(apdu):
        raise BadRequest(f"variable access {choice}")
    address = int.from_bytes(apdu[at + 1 : at + 3], "big")
    if choice == _VARIABLE:
        return address, None, at + 3
    value, end = read_value(apdu, at + 4)
    return address, Selection(apdu[at + 3], value), end
