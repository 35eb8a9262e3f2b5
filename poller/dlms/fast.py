"""Reading at the speed of the usual case: plain numbers, answered at once and whole (IEC 62056-5-3, 9.3.6).

Goes in: attributes to read, received octets. Comes out: what ``getting`` would send and return, octet for octet and
count for count, sooner. Nothing is decided here: an answer is either exactly the one that the plan of its attribute
foresees, or goes, as it came, to the exchange of ``getting``, which is begun in that moment. That exchange teaches the
plans: an attribute has one once ``getting`` has read a number of it. The property tests drive both side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, TypeVar

from common.errors import BridgeError
from poller.dlms import getting
from poller.dlms.axdr import NUMBERS
from poller.dlms.channel import INVOKE_MASK, Channel
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef
from poller.dlms.exchange import Exchange
from poller.dlms.get_service import (
    CONFIRMED_HIGH,
    GET_RESPONSE,
    NORMAL,
    WITH_LIST,
    encode_get,
    encode_get_list,
)
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.plans import INVOKE_IDS, HdlcLine, Plan, WrapperLine

T = TypeVar("T")

MAX_VALUES: Final = 256
"""Attributes whose plans are kept, some 2 KiB each: more than anybody reads of one meter again and again."""
MAX_LISTS: Final = 8
"""Lists whose plans are kept; a cycle has one or two."""
_MARK: Final = "2s"
"""Of one result of a list: data (0) and the type of what follows."""


@dataclass(frozen=True, slots=True)
class Value:
    """The plan for one attribute that was a number."""

    plan: Plan
    type: DataType
    layout: Struct


@dataclass(frozen=True, slots=True)
class List:
    """The plan for a list of attributes that all were numbers."""

    refs: list[AttributeRef]
    plan: Plan
    types: list[DataType]
    marks: tuple[bytes, ...]
    layout: Struct


class FastReader:
    """The attributes of one conversation that were read before; not for two exchanges at the same time."""

    plans_lists: ClassVar[bool] = True

    def __init__(self, channel: Channel, habits: getting.ListHabits) -> None:
        self._channel, self._habits = channel, habits
        self._line = _line_of(channel)
        self._terms = channel.terms
        self._values: dict[AttributeRef, Value] = {}
        self._lists: list[List] = []

    def get(self, ref: AttributeRef) -> Exchange[Data]:
        """Return an attribute's value, as ``getting.get``."""
        channel, line = self._channel, self._line
        value = self._values.get(ref)
        if value is None or not line.link.rested or channel.terms is not self._terms:
            return (yield from self._learnt(ref, getting.get(channel, ref)))
        plan, invoke = value.plan, channel.invoke % INVOKE_MASK + 1
        try:
            received = yield line.ask(plan, invoke)
        except GeneratorExit:
            abandon(getting.get(channel, ref))
            raise
        except BridgeError as thrown:
            return (yield from self._learnt(ref, resumed(getting.get(channel, ref), thrown)))
        if not line.is_usual(plan, invoke, received):
            return (yield from self._learnt(ref, resumed(getting.get(channel, ref), received)))
        channel.invoke = invoke
        line.pass_turn(plan)
        return Data(value.type, value.layout.unpack_from(received, plan.values)[0])

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[getting.Result]]:
        """Return the values in the order asked, as ``getting.get_many``."""
        channel, line = self._channel, self._line
        listed = self._list_of(refs) if channel.terms is self._terms and line.link.rested else None
        if listed is None:
            return (yield from self._learnt_list(refs, self._plain_list(refs)))
        plan, invoke = listed.plan, channel.invoke % INVOKE_MASK + 1
        try:
            received = yield line.ask(plan, invoke)
        except GeneratorExit:
            abandon(self._plain_list(refs))
            raise
        except BridgeError as thrown:
            return (yield from self._learnt_list(refs, resumed(self._plain_list(refs), thrown)))
        if line.is_usual(plan, invoke, received):
            fields = listed.layout.unpack_from(received, plan.values)
            if fields[::2] == listed.marks:
                channel.invoke = invoke
                line.pass_turn(plan)
                return list(map(Data, listed.types, fields[1::2]))
        return (yield from self._learnt_list(refs, resumed(self._plain_list(refs), received)))

    def _plain_list(self, refs: Sequence[AttributeRef]) -> Exchange[list[getting.Result]]:
        return getting.get_many(self._channel, self._habits, refs, self.get)

    def _list_of(self, refs: Sequence[AttributeRef]) -> List | None:
        """Return the plan for a list, if there is one and lists are used."""
        if self._lists and self._habits.wanted:
            wanted = list(refs)
            for listed in self._lists:
                if listed.refs == wanted:
                    return listed
        return None

    # Plans are made of what the plain core has read

    def _learnt(self, ref: AttributeRef, plain: Exchange[Data]) -> Exchange[Data]:
        """Return what a plain exchange reads; have a plan for the next time."""
        data = yield from plain
        if not self._is_ready():
            return data
        known = self._values.get(ref)
        layout = NUMBERS.get(data.type)
        if layout is None or (known is not None and known.type is data.type):
            return data
        if len(self._values) >= MAX_VALUES:
            self._values.clear()
        value = self._planned(ref, data.type, layout)
        if value is not None:
            self._values[ref] = value
        return data

    def _planned(self, ref: AttributeRef, data_type: DataType, layout: Struct) -> Value | None:
        """Return the plan for an attribute that was a number; None where there can be none."""
        requests = [encode_get(invoke, ref) for invoke in range(INVOKE_IDS)]
        beginnings = [beginning(NORMAL, invoke) + bytes((0, data_type)) for invoke in range(INVOKE_IDS)]
        plan = self._line.plan(requests, beginnings, layout.size)
        return Value(plan, data_type, layout) if plan else None

    def _learnt_list(
        self, refs: Sequence[AttributeRef], plain: Exchange[list[getting.Result]]
    ) -> Exchange[list[getting.Result]]:
        """Return what a plain exchange reads; have a plan for the next time, where it was one list of numbers."""
        results = yield from plain
        types = [result.type for result in results if isinstance(result, Data) and result.type in NUMBERS]
        if not self.plans_lists or len(types) != len(refs) or not self._is_ready():
            return results
        if not getting.is_one_list(self._channel, self._habits, refs):
            return results
        wanted = list(refs)
        self._lists = [listed for listed in self._lists if listed.refs != wanted][-MAX_LISTS + 1 :]
        layout = Struct(">" + "".join(_MARK + NUMBERS[each].format[1:] for each in types))
        requests = [encode_get_list(invoke, wanted) for invoke in range(INVOKE_IDS)]
        beginnings = [beginning(WITH_LIST, invoke) + bytes((len(wanted),)) for invoke in range(INVOKE_IDS)]
        plan = self._line.plan(requests, beginnings, layout.size)
        if plan is not None:
            self._lists.append(List(wanted, plan, types, tuple(bytes((0, each)) for each in types), layout))
        return results

    def _is_ready(self) -> bool:
        """Say whether plans can be made and used: the link is at rest. Other terms end all plans."""
        channel, link = self._channel, self._line.link
        if channel.terms is not self._terms:
            self._values.clear()
            self._lists.clear()
            self._terms = channel.terms
        link.rested = link.at_rest
        return link.rested and channel.terms is not None


def _line_of(channel: Channel) -> HdlcLine | WrapperLine:
    link = channel.link
    if isinstance(link, HdlcLink):
        return HdlcLine(link, channel.counters)
    return WrapperLine(link, channel.counters)


def beginning(kind: int, invoke: int) -> bytes:
    """Return tag, kind and invoke-id-and-priority of a get-response."""
    return bytes((GET_RESPONSE, kind, CONFIRMED_HIGH | invoke))


def abandon(plain: Exchange[T]) -> None:
    """Begin a plain exchange and leave it there: the request is out, and nobody waits for its answer."""
    next(plain)
    plain.close()


def resumed(plain: Exchange[T], came: bytes | BridgeError) -> Exchange[T]:
    """Go on with a plain exchange behind its first request, which is out already, with what came."""
    try:
        next(plain)
        while True:
            out = plain.throw(came) if isinstance(came, BridgeError) else plain.send(came)
            try:
                came = yield out
            except BridgeError as thrown:
                came = thrown
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        plain.close()
