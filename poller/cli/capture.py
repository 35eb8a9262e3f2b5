"""``meterctl capture --output FILE ITEM…``: record an exchange with a meter: open, read, close.

Arguments in; a capture file out, mode 0600, without secrets, to be decoded and replayed. Exit code: 0 recorded and all
read, 1 recorded and some of it read, or the record is not whole, 2 nothing recorded.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from common.clock import SystemClock
from common.errors import BridgeError
from poller.capture import BadCapture, Capture, Header, Recorder, write_capture
from poller.cli.complaints import ALL_DONE, NOTHING_DONE, SOME_DONE, complain
from poller.cli.connection import Connection, command, connection, opened, parser
from poller.cli.questions import Questions
from poller.cli.read import items_of
from poller.dlms.conversation import AttributeRef
from poller.redaction import redact
from poller.session import Session


def _parser() -> argparse.ArgumentParser:
    made = parser("capture", "Record an exchange. Exit code: 0 recorded, 1 in part, 2 not at all.")
    made.add_argument("--output", required=True, metavar="FILE", help="where the capture goes; it must not exist")
    made.add_argument("--objects", action="store_true", help="read the object list as well")
    made.add_argument("--redact-serials", action="store_true", help="without serial numbers too")
    made.add_argument("items", nargs="*", metavar="ITEM", help="[CLASS/]OBIS[/ATTRIBUTE], read in this order")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Record an exchange as the arguments say; return the exit code."""
    return command(_parser(), argv, _capture)


def _capture(arguments: argparse.Namespace) -> int:
    recorder, path = Recorder(SystemClock()), Path(arguments.output)
    where = connection(arguments)
    items = items_of(arguments.items, where)
    if path.exists():
        raise BadCapture(f"{path} exists already")
    code = _record(where, recorder, items, objects=arguments.objects)
    if recorder.pieces:
        capture = Capture(_header(where, arguments.model or ""), tuple(recorder.pieces))
        _write(path, redact(capture, serials=arguments.redact_serials))
        if arguments.json:
            print(json.dumps({"output": str(path), "pieces": len(recorder.pieces), "dropped_octets": recorder.dropped}))
    if recorder.dropped:
        sys.stderr.write(f"{recorder.dropped} octets more than a capture takes are not in it\n")
        return SOME_DONE
    return code


def _record(where: Connection, recorder: Recorder, items: Sequence[AttributeRef], *, objects: bool) -> int:
    """Open, read, close; a meter that does not let us in is recorded as well."""
    try:
        with opened(where, recorder.tap) as session:
            listed = _list(session, where) if objects else True
            results = Questions(session, as_json=where.as_json).ask_all(items)
    except BridgeError as error:
        complain(error, as_json=where.as_json)
        return SOME_DONE if recorder.pieces else NOTHING_DONE
    return ALL_DONE if listed and all(result.succeeded for result in results) else SOME_DONE


def _list(session: Session, where: Connection) -> bool:
    from poller.cli.objects import read_list

    try:
        read_list(session, where)
    except BridgeError as error:
        complain(error, as_json=where.as_json)
        return False
    return True


def _header(where: Connection, model: str) -> Header:
    profile = where.profile
    return Header(
        profile.transport,
        profile.client_id,
        profile.server_logical,
        profile.server_physical,
        profile.address_size,
        profile.mechanism,
        profile.security.level,
        profile.referencing,
        model,
        profile.max_info,
        profile.window,
    )


def _write(path: Path, capture: Capture) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            write_capture(stream, capture)
    except OSError as error:
        raise BadCapture(f"{path}: {error.strerror}") from None
