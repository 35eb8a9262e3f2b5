"""Attributes and methods under short names, by Read and Write (IEC 62056-5-3, 6.13 to 6.16; Green Book 9.3.14).

Goes in: a channel, attributes and methods as with logical names. Comes out: the same values and errors. The object list
that tells the short names is read once per association. A list whose answer makes no sense is read again one by one,
but never written again: nobody knows what was.
"""

from collections.abc import Sequence
from typing import Final

from common.errors import Again, BridgeError, Relink, Skip
from poller.dlms.association import Association
from poller.dlms.axdr import encode_data
from poller.dlms.channel import MAX_LIST, Channel
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import (
    BadParameter,
    ExceptionResponse,
    MeterBusy,
    ObjectUndefined,
    TemporaryFailure,
    UnexpectedReply,
    named,
)
from poller.dlms.exchange import Exchange
from poller.dlms.short_calls import Result, read, write
from poller.dlms.short_names import OBJECT_LIST, ShortNames, short_names
from poller.dlms.short_service import NAME_OCTETS, Parameterized, Specification, Variable
from poller.dlms.xdlms import Conformance

_LIST_HEAD: Final = 5
"""Octets of a request or an answer besides its variables and values: tag, and two counts."""
_USUAL_SIZE: Final = 14
"""Octets of a result that is not known yet: those of a clock's time, which no register exceeds."""
_NO_SELECTOR: Final = 0
_NULL: Final = Data(DataType.NULL, None)


class ShortNaming:
    """The services of one conversation under short names."""

    def __init__(self, channel: Channel, *, use_lists: bool) -> None:
        self._channel = channel
        self._lists = use_lists
        self._list_answered = False
        self._names: tuple[Association, ShortNames] | None = None

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
        """Return an attribute's value, or the selected part of it, however many blocks it takes."""
        try:
            self._channel.require(Conformance.READ if selection is None else Conformance.PARAMETERIZED_ACCESS)
            name = (yield from self._known()).attribute(ref)
            return (yield from self._value(_variable(name, selection)))
        except (Skip, TemporaryFailure, ExceptionResponse) as error:
            raise named(error, ref) from None

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Result]]:
        """Return the values in the order asked, each or the Skip or Again error in its place; raise all others."""
        self._channel.require(Conformance.READ)
        names = yield from self._known()
        places = [_place(names, ref) for ref in refs]
        values = iter((yield from self._get_known([name for name in places if isinstance(name, int)])))
        results = [next(values) if isinstance(place, int) else place for place in places]
        return [named(it, ref) if isinstance(it, BridgeError) else it for ref, it in zip(refs, results, strict=True)]

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
        """Write an attribute; in blocks when it is longer than the meter takes at once.

        Raises BadParameter for a part of one: its parameters would stand where the value does.
        """
        if selection is not None:
            raise BadParameter(f"{ref}: with short names an attribute is written whole")
        try:
            self._channel.require(Conformance.WRITE)
            name = (yield from self._known()).attribute(ref)
            (error,) = yield from write(self._channel, [Variable(name)], [data])
            if error is not None:
                raise error
        except (Skip, TemporaryFailure, ExceptionResponse) as error:
            raise named(error, ref) from None

    def set_many(self, items: Sequence[tuple[AttributeRef, Data]]) -> Exchange[list[BridgeError | None]]:
        """Write attributes in order; return None or the Skip or Again error in each one's place, raise all others."""
        self._channel.require(Conformance.WRITE)
        names = yield from self._known()
        results: list[BridgeError | None] = []
        while len(results) < len(items):
            left = items[len(results) :]
            chunk = left[: self._writable(names, left)]
            results += (yield from self._set_list(names, chunk)) if chunk else (yield from self._set_alone(*left[0]))
        return results

    def action(self, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
        """Invoke a method: read with its parameters, or written where parameterized access was not granted.

        Returns what it returns; a method that is written returns nothing.
        """
        try:
            name = (yield from self._known()).method(method)
            given = _NULL if parameters is None else parameters
            if self._grants(Conformance.PARAMETERIZED_ACCESS):
                result = yield from self._value(Parameterized(name, _NO_SELECTOR, given))
                return None if result == _NULL else result
            (error,) = yield from write(self._channel, [Variable(name)], [given])
            if error is not None:
                raise error
        except (Skip, TemporaryFailure, ExceptionResponse) as error:
            raise named(error, method) from None
        return None

    def action_many(self, items: Sequence[tuple[MethodRef, Data | None]]) -> Exchange[list[Data | BridgeError | None]]:
        """Invoke methods in order, one by one; return what each returns, or the Skip or Again error in its place."""
        results: list[Data | BridgeError | None] = []
        for method, parameters in items:
            try:
                results.append((yield from self.action(method, parameters)))
            except (Skip, Again) as error:
                results.append(error)
        return results

    def _known(self) -> Exchange[ShortNames]:
        """Return the short names of the present association; read them first when it is a new one."""
        terms = self._channel.require()
        if self._names is None or self._names[0] is not terms:
            self._names = terms, short_names((yield from self._value(Variable(OBJECT_LIST))))
        return self._names[1]

    def _value(self, variable: Specification) -> Exchange[Data]:
        (result,) = yield from read(self._channel, [variable])
        if isinstance(result, BridgeError):
            raise result
        return result

    def _grants(self, service: Conformance) -> bool:
        return bool(self._channel.require().conformance & service)

    def _get_known(self, names: Sequence[int]) -> Exchange[list[Result]]:
        """Return the values that lie at short names."""
        results: list[Result] = []
        while len(results) < len(names):
            chunk = names[len(results) :]
            listed = None
            size = self._readable()
            if size > 1 and len(chunk) > 1:
                chunk = chunk[:size]
                listed = yield from self._get_list(chunk)
            results += listed if listed is not None else (yield from self._get_each(chunk))
        return results

    def _readable(self) -> int:
        """Return how many variables one request takes: it fits the server's PDU, and the answer ours."""
        if not self._lists or not self._grants(Conformance.MULTIPLE_REFERENCES):
            return 1
        asked = (self._channel.room - _LIST_HEAD) // NAME_OCTETS
        answered = (self._channel.own_room - _LIST_HEAD) // _USUAL_SIZE
        return max(1, min(MAX_LIST, asked, answered))

    def _get_list(self, names: Sequence[int]) -> Exchange[list[Result] | None]:
        """Return the results of one list; None when this one went wrong: they are to be asked for one by one."""
        try:
            results = yield from read(self._channel, [Variable(name) for name in names])
        except TemporaryFailure:
            return None
        except (UnexpectedReply, ExceptionResponse, Skip):
            self._give_up_lists()
            return None
        except (Relink, MeterBusy):
            if not self._list_answered:
                self._give_up_lists()
            raise
        self._list_answered = True
        return results

    def _get_each(self, names: Sequence[int]) -> Exchange[list[Result]]:
        results: list[Result] = []
        for name in names:
            try:
                results += yield from read(self._channel, [Variable(name)])
            except MeterBusy as busy:  # so would be the others, after as many polls each
                return results + [busy] * (len(names) - len(results))
            except (Skip, Again) as error:
                results.append(error)
        return results

    def _give_up_lists(self) -> None:
        self._channel.counters.with_list_fallbacks += 1
        self._lists = False

    def _writable(self, names: ShortNames, items: Sequence[tuple[AttributeRef, Data]]) -> int:
        """Return how many items, two at least or none, one request takes: all of them known, and as long as fits."""
        if not self._grants(Conformance.MULTIPLE_REFERENCES):
            return 0
        size, count = _LIST_HEAD, 0
        for ref, data in items[:MAX_LIST]:
            size += NAME_OCTETS + len(encode_data(data))
            if size > self._channel.room or not isinstance(_place(names, ref), int):
                break
            count += 1
        return count if count > 1 else 0

    def _set_list(
        self, names: ShortNames, items: Sequence[tuple[AttributeRef, Data]]
    ) -> Exchange[list[BridgeError | None]]:
        variables = [Variable(names.attribute(ref)) for ref, _ in items]
        results = yield from write(self._channel, variables, [data for _, data in items])
        return [error and named(error, ref) for (ref, _), error in zip(items, results, strict=True)]

    def _set_alone(self, ref: AttributeRef, data: Data) -> Exchange[list[BridgeError | None]]:
        try:
            yield from self.set(ref, data)
        except (Skip, Again) as error:
            return [error]
        return [None]


def _variable(name: int, selection: Selection | None) -> Variable | Parameterized:
    return Variable(name) if selection is None else Parameterized(name, selection.selector, selection.parameters)


def _place(names: ShortNames, ref: AttributeRef) -> int | ObjectUndefined:
    """Return where an attribute lies, or the error that says that it is unknown."""
    try:
        return names.attribute(ref)
    except ObjectUndefined as error:
        return error
