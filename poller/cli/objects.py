"""``meterctl objects``: what a meter has, what it stands for, and what this client may do with it.

Arguments in; a table or one JSON array on stdout, typed errors on stderr, and an exit code out: 0 all shown, 1 the
meter refused something, 2 no link or wrong arguments. ``--values`` reads every attribute that may be read; buffers of
profiles and the object list itself are left out. ``--propose`` prints an entry for the catalogue of models instead, or
with ``--json`` the measurements as the API takes them; 1: none of what is known is there.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from common.catalogue import model
from common.errors import BridgeError
from common.model_file import check_name
from common.obis import Obis
from poller.cli.complaints import ALL_DONE, SOME_DONE, ended
from poller.cli.connection import Connection, command, connection, parser, run
from poller.cli.items import Result
from poller.cli.questions import Questions
from poller.cli.read import shown
from poller.dlms.conversation import AttributeRef, Referencing
from poller.dlms.explain.names import class_name, object_name
from poller.dlms.objects.access_rights import NO_RIGHTS, AccessRights, Rights
from poller.dlms.objects.association_ln import read_object_list
from poller.dlms.objects.association_sn import read_short_list
from poller.dlms.objects.registry import interface_class
from poller.session import Session

LIST_REQUESTS: Final = 256
"""Requests that the list may take in blocks; the largest have some 30 KiB."""
_TOO_LONG: Final = {(7, 2), (15, 2), (12, 2), (18, 6)}
"""Class and attribute of buffers and lists, which --values leaves to other commands."""
Values = Mapping[tuple[int, Obis], Sequence[Result]]

_LETTERS: Final = ((Rights.READ, "r"), (Rights.WRITE, "w"), (Rights.INVOKE, "x"))


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of the list, with long or with short names."""

    class_id: int
    version: int
    obis: Obis
    access: AccessRights = NO_RIGHTS
    base: int | None = None


def _parser() -> argparse.ArgumentParser:
    made = parser("objects", "List what a meter has. Exit code: 0 all shown, 1 in part, 2 no link or bad usage.")
    made.add_argument("--class", dest="class_id", type=int, metavar="N", help="objects of one class only")
    made.add_argument("--propose", metavar="NAME", help="print a catalogue entry of that name, as the meter tells it")
    made.add_argument("--values", action="store_true", help="read every attribute that may be read")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """List a meter's objects as the arguments say; return the exit code."""
    return command(_parser(), argv, _objects)


def _objects(arguments: argparse.Namespace) -> int:
    if arguments.propose:
        check_name(arguments.propose, "--propose")
    where = connection(arguments)
    use = _propose if arguments.propose else _list
    return run(where, lambda session: use(session, where, arguments))


def read_list(session: Session, where: Connection) -> list[Listed]:
    """Return the objects that this client sees; raise what the meter or the link says."""
    conversation = session.conversation
    if where.profile.referencing is Referencing.SN:
        short = session.run(read_short_list(conversation), LIST_REQUESTS)
        return [Listed(each.class_id, each.version, each.obis, base=each.base) for each in short]
    long = session.run(read_object_list(conversation), LIST_REQUESTS)
    return [Listed(each.class_id, each.version, each.obis, each.access) for each in long]


def _list(session: Session, where: Connection, arguments: argparse.Namespace) -> int:
    try:
        found = read_list(session, where)
    except BridgeError as error:
        return ended(error, as_json=arguments.json)
    wanted = [each for each in found if arguments.class_id in {None, each.class_id}]
    values = _values(session, wanted, as_json=arguments.json) if arguments.values else {}
    if arguments.json:
        print(json.dumps([_row(each, values.get((each.class_id, each.obis), [])) for each in wanted]))
    else:
        for each in wanted:
            print("\n".join(_lines(each, values.get((each.class_id, each.obis), []))))
    return ALL_DONE if all(each.succeeded for results in values.values() for each in results) else SOME_DONE


def _propose(session: Session, where: Connection, arguments: argparse.Namespace) -> int:
    from poller.discovery import discover

    try:
        found = discover(session, model("generic").measurements)
    except BridgeError as error:
        return ended(error, as_json=arguments.json)
    if arguments.json:
        print(json.dumps(found.wishes()))
    else:
        sys.stdout.write(found.to_toml(arguments.propose, where.port))
    return ALL_DONE if found.found else SOME_DONE


def _values(session: Session, objects: Sequence[Listed], *, as_json: bool) -> Values:
    values: dict[tuple[int, Obis], list[Result]] = {}
    refs = [ref for each in objects for ref in _readable(each)]
    for result in Questions(session, as_json=as_json).ask_all(refs):
        values.setdefault((result.ref.class_id, result.ref.obis), []).append(result)
    return values


def _readable(each: Listed) -> Iterator[AttributeRef]:
    """Yield the attributes that may be read; without rights in the list, those that the class is known to have."""
    if each.access.attributes:
        numbers = [rights.attribute for rights in each.access.attributes if rights.rights & Rights.READ]
    else:
        known = interface_class(each.class_id)
        numbers = list(range(2, len(known.attributes) + 1)) if known else [2]
    for number in numbers:
        if number > 1 and (each.class_id, number) not in _TOO_LONG:
            yield AttributeRef(each.class_id, each.obis, number)


def _row(each: Listed, values: Sequence[Result]) -> dict[str, object]:
    row: dict[str, object] = {
        "class": each.class_id,
        "class_name": class_name(each.class_id),
        "version": each.version,
        "obis": str(each.obis),
        "name": object_name(each.obis) or None,
    }
    if each.base is not None:
        row["base"] = each.base
    row["attributes"] = [
        {
            "attribute": rights.attribute,
            "name": _attribute_name(each.class_id, rights.attribute),
            "rights": _words(rights.rights),
            "selectors": list(rights.selectors),
        }
        for rights in each.access.attributes
    ]
    row["methods"] = [
        {
            "method": rights.method,
            "name": _method_name(each.class_id, rights.method),
            "rights": _words(rights.rights),
        }
        for rights in each.access.methods
    ]
    if values:
        row["values"] = {str(result.ref.attribute): result.to_json() for result in values}
    return row


def _lines(each: Listed, values: Sequence[Result]) -> Iterator[str]:
    base = "" if each.base is None else f"  {each.base:04x}"
    head = f"{each.class_id:>5} {each.obis!s:<18} {class_name(each.class_id)}, version {each.version}{base}"
    name = object_name(each.obis)
    rights = " ".join(_short(each))
    yield f"{head}{f'  {name}' if name else ''}{f'  [{rights}]' if rights else ''}"
    for result in values:
        told = _attribute_name(each.class_id, result.ref.attribute) or ""
        yield f"          {result.ref.attribute:>3} {told:<24} {shown(result.to_json())}".rstrip()


def _short(each: Listed) -> Iterator[str]:
    """Yield rights as letters: ``2:rw`` for attributes, ``m1:x`` for methods; ``*`` where protection is needed."""
    for attribute in each.access.attributes:
        yield f"{attribute.attribute}:{_letters(attribute.rights)}"
    for method in each.access.methods:
        yield f"m{method.method}:{_letters(method.rights)}"


def _letters(rights: Rights) -> str:
    letters = "".join(letter for right, letter in _LETTERS if rights & right) or "-"
    protected = rights & ~(Rights.READ | Rights.WRITE | Rights.INVOKE)
    return f"{letters}*" if protected else letters


def _words(rights: Rights) -> list[str]:
    return [str(right.name).lower() for right in rights]


def _attribute_name(class_id: int, attribute: int) -> str | None:
    known = interface_class(class_id)
    return known.attribute_name(attribute) if known else None


def _method_name(class_id: int, method: int) -> str | None:
    known = interface_class(class_id)
    return known.method_name(method) if known else None
