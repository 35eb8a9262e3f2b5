"""How objects are asked: attributes read and parsed or written, methods invoked, errors that name what they mean.

Goes in: a conversation, an object, parsers of its attributes. Comes out: typed values. An attribute that a meter does
not give is None where the object can do without it, and stands in ``refused`` with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from common.errors import Again, BridgeError, Skip
from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange

T = TypeVar("T")

NOTHING: Final = Data(DataType.INT8, 0)
"""integer (0): what methods without parameters take."""


class Asking(Protocol):
    """What objects need of a conversation."""

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
        """Return an attribute's value."""

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        """Return the values in the order asked, each or its Skip or Again error."""

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
        """Write an attribute."""

    def action(self, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
        """Invoke a method; return what it returns."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An attribute that was asked for and not had."""

    attribute: int
    why: str
    """The kind of the error and its text."""


def named(error: BridgeError, ref: AttributeRef | MethodRef) -> BridgeError:
    """Return the error again, saying which object and which part of it it is about."""
    part = f"attribute {ref.attribute}" if isinstance(ref, AttributeRef) else f"method {ref.method}"
    return type(error)(f"{ref.obis} (class {ref.class_id}) {part}: {error.detail}")


def parsed(ref: AttributeRef, data: Data, parse: Callable[[Data], T]) -> T:
    """Return what an attribute's value means; raise BadData that names the attribute."""
    try:
        return parse(data)
    except BadData as error:
        raise named(error, ref) from None


def get(conversation: Asking, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
    """Return an attribute's value; errors of Skip and Again name it."""
    try:
        return (yield from conversation.get(ref, selection))
    except (Skip, Again) as error:
        raise named(error, ref) from error


def read(conversation: Asking, ref: AttributeRef, parse: Callable[[Data], T]) -> Exchange[T]:
    """Return one attribute, typed."""
    return parsed(ref, (yield from get(conversation, ref)), parse)


def write(conversation: Asking, ref: AttributeRef, data: Data) -> Exchange[None]:
    """Write one attribute; errors of Skip and Again name it."""
    try:
        yield from conversation.set(ref, data)
    except (Skip, Again) as error:
        raise named(error, ref) from error


def invoke(conversation: Asking, method: MethodRef, parameters: Data = NOTHING) -> Exchange[Data | None]:
    """Invoke a method; errors of Skip and Again name it."""
    try:
        return (yield from conversation.action(method, parameters))
    except (Skip, Again) as error:
        raise named(error, method) from error


class Answers:
    """What a meter answered for the attributes of one object."""

    def __init__(self, class_id: int, obis: Obis, results: dict[int, Data | BridgeError]) -> None:
        self._class_id = class_id
        self._obis = obis
        self._results = results
        self._refused: list[Refused] = []

    @property
    def refused(self) -> tuple[Refused, ...]:
        """What ``optional`` could not return."""
        return tuple(self._refused)

    def required(self, attribute: int, parse: Callable[[Data], T]) -> T:
        """Return an attribute, typed; raise what the meter said, or BadData."""
        ref = AttributeRef(self._class_id, self._obis, attribute)
        result = self._results[attribute]
        if isinstance(result, BridgeError):
            raise named(result, ref)
        return parsed(ref, result, parse)

    def optional(self, attribute: int, parse: Callable[[Data], T]) -> T | None:
        """Return an attribute, typed, or None and a line in ``refused``."""
        result = self._results[attribute]
        try:
            if isinstance(result, BridgeError):
                raise result
            return parse(result)
        except (Skip, Again) as error:
            self._refused.append(Refused(attribute, f"{error.kind}: {error.detail}"))
            return None


def answers(conversation: Asking, class_id: int, obis: Obis, attributes: Sequence[int]) -> Exchange[Answers]:
    """Ask for attributes of one object, in as few requests as the meter takes."""
    refs = [AttributeRef(class_id, obis, attribute) for attribute in attributes]
    results = yield from conversation.get_many(refs)
    return Answers(class_id, obis, dict(zip(attributes, results, strict=True)))
