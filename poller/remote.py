"""What changes something at a meter: writing an attribute, invoking a method, switching the supply. Each once.

In: a command's arguments as plain data, the link. Out: what the meter answered, or a typed error. An exchange that did
not come to its end leaves the outcome unknown: that is said, and nothing is repeated. Secrets are not written this way,
since they would lie in the store: `meterctl set` and `meterctl action` write them directly.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from common.command import ACTION, SET, Command
from common.errors import Barred, BridgeError, Reassociate, Relink, Skip
from common.obis import Obis
from common.redaction import is_secret_attribute, is_secret_method
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import ExceptionResponse
from poller.dlms.objects.disconnect import read_disconnect_control, remote_disconnect, remote_reconnect
from poller.errors import Interrupted
from poller.link import MeterLink
from poller.typed import parse_value, raw_of

DISCONNECT_CONTROL: Final = "0.0.96.3.10.255"
OPERATIONS: Final = {"disconnect": remote_disconnect, "reconnect": remote_reconnect}
MAX_CLASS: Final = 65_535
Answered = Mapping[str, object]
Order = Callable[[MeterLink], Answered]
"""What is to be done once the link stands."""


class BadOrder(Skip):
    """An argument is missing or is not what it has to be; names it."""


class SecretObject(Skip):
    """What is to be written is a secret of the meter."""


class OutcomeUnknown(Skip):
    """The request left and no whole answer came: the meter may have done it or not. It is not sent again."""


def order_of(command: Command) -> Order:
    """Return what a command asks for; raise BadOrder, BadValue, BadObis or SecretObject."""
    arguments = command.arguments
    if command.verb == SET:
        return _setting(arguments)
    return _acting(arguments) if command.verb == ACTION else _switching(arguments)


def carry_out(order: Order, link: MeterLink) -> Answered:
    """Do it; raise what the meter says to it, or OutcomeUnknown. The link is made well again where it suffered."""
    try:
        return _answered(order, link)
    except Interrupted:  # it must not come out of here: the desk would take the command up again
        link.let_go()
        raise OutcomeUnknown("the exchange was broken off by a stop or by new settings") from None


def _answered(order: Order, link: MeterLink) -> Answered:
    try:
        return order(link)
    except (Relink, Reassociate, Barred) as error:
        link.recover(error)
        if isinstance(error, ExceptionResponse):
            raise  # an answer: the meter did not carry it out
        raise OutcomeUnknown(f"{error.kind}: {error.detail}") from None


def _setting(arguments: Answered) -> Order:
    class_id, obis, attribute = _target(arguments, "attribute")
    if is_secret_attribute(class_id, attribute):
        raise SecretObject(f"attribute {attribute} of class {class_id} holds a secret")
    value = parse_value(_text(arguments, "value"))

    def run(link: MeterLink) -> Answered:
        link.session.set(AttributeRef(class_id, obis, attribute), value)
        return {"result": "success"}

    return run


def _acting(arguments: Answered) -> Order:
    class_id, obis, method = _target(arguments, "method")
    if is_secret_method(class_id, method):
        raise SecretObject(f"method {method} of class {class_id} takes a secret")
    value = parse_value(_text(arguments, "value")) if arguments.get("value") is not None else None

    def run(link: MeterLink) -> Answered:
        returned = link.session.action(MethodRef(class_id, obis, method), value)
        return {"result": "success", "returned": _shown(returned)}

    return run


def _switching(arguments: Answered) -> Order:
    operation = OPERATIONS.get(_text(arguments, "operation"))
    if operation is None:
        raise BadOrder(f"operation: one of {', '.join(OPERATIONS)} was expected")
    obis = Obis.parse(str(arguments.get("obis") or DISCONNECT_CONTROL))

    def run(link: MeterLink) -> Answered:
        session = link.session
        session.run(operation(session.conversation, obis))
        return {"result": "success", **_state(link, obis)}

    return run


def _state(link: MeterLink, obis: Obis) -> Answered:
    """Return what the meter says of its supply afterwards; that it was switched is known whatever comes of this."""
    session = link.session
    try:
        found = session.run(read_disconnect_control(session.conversation, obis), 3)
    except Interrupted:
        link.let_go()
        return {"read_back": "interrupted"}
    except BridgeError as error:
        if isinstance(error, Relink | Reassociate | Barred):
            with suppress(BridgeError, Interrupted):
                link.recover(error)
        return {"read_back": error.kind}
    return {"output": found.output, "state": None if found.state is None else found.state.name.lower()}


def _shown(data: Data | None) -> object:
    return None if data is None else raw_of(data)


def _target(arguments: Answered, member: str) -> tuple[int, Obis, int]:
    return (
        _number(arguments, "class", 0, MAX_CLASS),
        Obis.parse(_text(arguments, "obis")),
        _number(arguments, member, -128, 127),
    )


def _text(arguments: Answered, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise BadOrder(f"{name}: a text was expected")
    return value


def _number(arguments: Answered, name: str, low: int, high: int) -> int:
    value = arguments.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadOrder(f"{name}: a whole number from {low} to {high} was expected")
    return value
