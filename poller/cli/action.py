"""``meterctl action CLASS/OBIS/METHOD [TYPE:VALUE]``: invoke a method of a meter's object.

Arguments in; what the method returns on stdout, typed errors on stderr, and an exit code out: 0 done, 1 the meter
refused, 2 no link or wrong arguments.
"""

import argparse
import json
from collections.abc import Sequence

from common.errors import BridgeError
from poller.cli.complaints import ALL_DONE, ended
from poller.cli.connection import command, connection, parser, run
from poller.cli.items import BadItem, parse_item
from poller.dlms.conversation import MethodRef
from poller.dlms.data import Data
from poller.session import Session
from poller.typed import parse_value, raw_of

_PARTS = 3


def _parser() -> argparse.ArgumentParser:
    made = parser("action", "Invoke a method. Exit code: 0 done, 1 refused, 2 no link or bad usage.")
    made.add_argument("item", metavar="CLASS/OBIS/METHOD")
    made.add_argument("value", metavar="TYPE:VALUE", nargs="?", help="parameters (default: none); many take int8:0")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Invoke a method as the arguments say; return the exit code."""
    return command(_parser(), argv, _action)


def _action(arguments: argparse.Namespace) -> int:
    where = connection(arguments)
    if len(arguments.item.split("/")) != _PARTS:
        raise BadItem(f"{arguments.item!r} is not CLASS/OBIS/METHOD")
    ref = parse_item(arguments.item, where.model)
    parameters = None if arguments.value is None else parse_value(arguments.value)
    method = MethodRef(ref.class_id, ref.obis, ref.attribute)
    return run(where, lambda session: _invoke(session, method, parameters, as_json=arguments.json))


def _invoke(session: Session, method: MethodRef, parameters: Data | None, *, as_json: bool) -> int:
    try:
        returned = session.action(method, parameters)
    except BridgeError as error:
        return ended(error, as_json=as_json)
    raw = None if returned is None else raw_of(returned)
    if as_json:
        name = {"obis": str(method.obis), "class": method.class_id, "method": method.method}
        print(json.dumps(name | {"returned": raw}))
    else:
        told = "" if raw is None else f", returned {json.dumps(raw)}"
        print(f"{method.class_id}/{method.obis}/{method.method} done{told}")
    return ALL_DONE
