"""``meterctl read --host …``: read attributes of one meter directly, without store or bus.

Arguments in; one JSON array or a small table on stdout, typed errors on stderr, and an exit code out: 0 everything was
read, 1 some of it, 2 nothing, no link, or wrong arguments.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from common.errors import BridgeError
from poller.cli.complaints import ALL_DONE, NOTHING_DONE, SOME_DONE, BadArgument, complain
from poller.cli.connection import Connection, command, connection, opened, parser
from poller.cli.items import Result, parse_item
from poller.cli.questions import Questions
from poller.dlms.conversation import AttributeRef

MAX_ITEMS: Final = 1000  # a command line holds no more that a person means


def _parser() -> argparse.ArgumentParser:
    made = parser("read", "Read attributes of a meter directly. Exit code: 0 all read, 1 some, 2 none or bad usage.")
    made.add_argument("items", nargs="+", metavar="ITEM", help="[CLASS/]OBIS[/ATTRIBUTE]; absent: class 3, attribute 2")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Read a meter as the arguments say; return the exit code."""
    return command(_parser(), argv, _directly)


def _directly(arguments: argparse.Namespace) -> int:
    where = connection(arguments)
    results = _read(where, items_of(arguments.items, where))
    print_results(results, as_json=arguments.json)
    return verdict(results)


def items_of(texts: Sequence[str], where: Connection) -> list[AttributeRef]:
    """Return the attributes that texts name; raise BadItem, BadObis or BadArgument."""
    if len(texts) > MAX_ITEMS:
        raise BadArgument(f"{len(texts)} items are more than one call reads ({MAX_ITEMS})")
    return [parse_item(text, where.model) for text in texts]


def _read(where: Connection, items: Sequence[AttributeRef]) -> list[Result]:
    """Return a result for each item; a link that cannot be made is the error of all of them."""
    try:
        with opened(where) as session:
            return Questions(session, as_json=where.as_json).ask_all(items)
    except BridgeError as error:
        complain(error, as_json=where.as_json)
        return [Result(ref, error) for ref in items]


def verdict(results: Sequence[Result]) -> int:
    """Return the exit code: how much of what was asked was had."""
    if all(result.succeeded for result in results):
        return ALL_DONE
    return SOME_DONE if any(result.succeeded for result in results) else NOTHING_DONE


def print_results(results: Sequence[Result], *, as_json: bool) -> None:
    """Print results as one array, or as a table."""
    rows = [result.to_json() for result in results]
    if as_json:
        print(json.dumps(rows))
        return
    width = max(len(str(row["obis"])) for row in rows)
    for row in rows:
        print(f"{row['obis']!s:<{width}}  {shown(row)}".rstrip())


def shown(row: Mapping[str, object]) -> str:
    """Return value and unit, or the error, as a line has them."""
    error = row.get("error")
    if isinstance(error, Mapping):
        return f"({error['kind']}) {error['detail']}"
    value = row["value"] if isinstance(row["value"], str) else json.dumps(row["raw"])
    return f"{value}  {row['unit'] or ''}"


if __name__ == "__main__":
    sys.exit(main())
