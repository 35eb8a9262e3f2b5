"""``meterctl set ITEM TYPE:VALUE``: write an attribute of a meter.

Arguments in; what was written on stdout, typed errors on stderr, and an exit code out: 0 written, 1 the meter refused,
2 no link or wrong arguments. Nothing is written that is not exactly what stands there.
"""

import argparse
import json
from collections.abc import Sequence

from common.errors import BridgeError
from poller.cli.complaints import ALL_DONE, ended
from poller.cli.connection import command, connection, parser, run
from poller.cli.items import parse_item
from poller.dlms.conversation import AttributeRef
from poller.dlms.data import Data
from poller.session import Session
from poller.typed import parse_value, raw_of


def _parser() -> argparse.ArgumentParser:
    made = parser("set", "Write an attribute. Exit code: 0 written, 1 refused, 2 no link or bad usage.")
    made.add_argument("item", metavar="ITEM", help="[CLASS/]OBIS[/ATTRIBUTE]; absent: class 3, attribute 2")
    made.add_argument("value", metavar="TYPE:VALUE", help="e.g. uint32:5, octet-date-time:2026-11-22T10:30:00+01:00")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Write an attribute as the arguments say; return the exit code."""
    return command(_parser(), argv, _set)


def _set(arguments: argparse.Namespace) -> int:
    where = connection(arguments)
    ref, data = parse_item(arguments.item, where.model), parse_value(arguments.value)
    return run(where, lambda session: _write(session, ref, data, as_json=arguments.json))


def _write(session: Session, ref: AttributeRef, data: Data, *, as_json: bool) -> int:
    try:
        session.set(ref, data)
    except BridgeError as error:
        return ended(error, as_json=as_json)
    name = f"{ref.class_id}/{ref.obis}/{ref.attribute}"
    row = {"obis": str(ref.obis), "class": ref.class_id, "attribute": ref.attribute, "written": raw_of(data)}
    print(json.dumps(row) if as_json else f"{name} written")
    return ALL_DONE
