"""``meterctl listen``: what meters push, as it comes.

Arguments in; one line of JSON or a small tree for each push on standard output, and an exit code out: 0 as many came as
were asked for, or a signal ended it; 1 --timeout passed before; 2 wrong arguments, or an address that is taken. Nothing
is answered: a push asks for no more than its transport acknowledges.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from common.clock import Clock, SystemClock
from common.errors import BridgeError
from poller.cli.complaints import ALL_DONE, SOME_DONE, BadArgument, complain
from poller.cli.connection import command
from poller.cli.push_server import PushServer
from poller.dlms.data import Data
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.listening import Heard, PushListener, Unprotect
from poller.dlms.notification import Notification
from poller.dlms.push_streams import Framing
from poller.dlms.security import Security
from poller.sampler import moment_text
from poller.typed import raw_of

MAX_PORT: Final = 65535
MAX_LINE: Final = 120
"""Characters of one line of a tree; --json has everything."""
_OWN_TITLE: Final = b"LISTENER"
"""What stands for our system title: nothing is sent, so it never leaves us."""


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="meterctl listen",
        allow_abbrev=False,
        description="Listen for what meters push. Exit code: 0 done, 1 --timeout passed first, 2 bad usage.",
    )
    add = made.add_argument
    add("--port", type=int, required=True, help="port to listen on; 0: any, which is then told on standard error")
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--udp", action="store_true", help="datagrams instead of connections")
    add("--transport", choices=[*Framing], default="wrapper", help="what is around the pushes (default wrapper)")
    add("--keys-file", metavar="FILE", help="keys that open protected pushes; mode 0600")
    add("--server-title", default="", metavar="TITLE", help="the meter's, where its pushes do not tell it")
    add("--security", choices=[*Security], default="none", help="protection that a push must have (default none)")
    add("--count", type=int, metavar="N", help="end after N notifications")
    add("--timeout", type=float, metavar="S", help="end after S seconds")
    add("--json", action="store_true", help="print one line of JSON for each push")
    return made


class _Ending:
    """What ends the command: enough pushes, time, or a signal."""

    def __init__(self, count: int | None, timeout: float | None, clock: Clock) -> None:
        self._count, self._clock = count, clock
        self._deadline = None if timeout is None else clock.monotonic() + timeout
        self.heard = 0
        self.stopped = False

    @property
    def enough(self) -> bool:
        """Whether as many notifications came as were asked for."""
        return self._count is not None and self.heard >= self._count

    def __call__(self) -> bool:
        late = self._deadline is not None and self._clock.monotonic() >= self._deadline
        return self.stopped or self.enough or late

    @property
    def code(self) -> int:
        """The exit code: without --count, one notification is as good as many."""
        satisfied = self.stopped or self.enough or (self._count is None and self.heard > 0)
        return ALL_DONE if satisfied else SOME_DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Listen as the arguments say; return the exit code."""
    return command(_parser(), argv, _listen)


def _listen(arguments: argparse.Namespace) -> int:
    clock = SystemClock()
    _check(arguments)
    ending = _Ending(arguments.count, arguments.timeout, clock)
    _serve(arguments, clock, ending)
    return ending.code


def _check(arguments: argparse.Namespace) -> None:
    if not 0 <= arguments.port <= MAX_PORT:
        raise BadArgument(f"--port must be 0 to {MAX_PORT}, not {arguments.port}")
    if arguments.count is not None and arguments.count < 1:
        raise BadArgument(f"--count must be 1 or more, not {arguments.count}")
    if arguments.timeout is not None and not arguments.timeout > 0:
        raise BadArgument(f"--timeout must be more than 0 seconds, not {arguments.timeout:g}")


def _serve(arguments: argparse.Namespace, clock: Clock, ending: _Ending) -> None:
    framing, unprotect = Framing(arguments.transport), _unprotect(arguments)
    show = _show_json if arguments.json else _show_tree

    def heard(peer: str, push: Heard) -> None:
        if ending.enough:
            return
        ending.heard += isinstance(push.content, Notification)
        show(_head(peer, push, clock.wall_ms()), push)
        sys.stdout.flush()

    def stop(_number: int, _frame: object) -> None:
        ending.stopped = True

    address = arguments.host, arguments.port
    with PushServer(
        address, udp=arguments.udp, make=lambda: PushListener(framing, unprotect), heard=heard, clock=clock
    ) as server:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            sys.stderr.write(f"listening on {arguments.host}:{server.port}\n")
            sys.stderr.flush()
            server.serve(ending)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _unprotect(arguments: argparse.Namespace) -> Unprotect | None:
    """Return what opens protected pushes; each push for itself, as many meters may share a key and a port."""
    level = Security(arguments.security)
    if not arguments.keys_file:
        if level is not Security.NONE or arguments.server_title:
            raise BadArgument("--keys-file is needed to open protected pushes")
        return None
    from common.key_file import system_title
    from poller.dlms.ciphering import Cipher
    from poller.invocation import MemorySource
    from poller.keys import load_keys

    keys, server_title = load_keys(Path(arguments.keys_file)), system_title(arguments.server_title)
    settings = keys.security(level, _OWN_TITLE, server_title=server_title)
    return lambda apdu: Cipher(settings, MemorySource(), Counters()).unprotect(apdu)


def _head(peer: str, push: Heard, wall_ms: int) -> dict[str, object]:
    """Return when a push came, from where, to whom, and how."""
    return {
        "at": datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "peer": peer,
        "source": _place(push.origin.source),
        "destination": _place(push.origin.destination),
        "ciphered": push.ciphered,
    }


def _place(address: Address | int | None) -> str | int | None:
    """Return an HDLC address as logical/physical, a wPort as its number."""
    if not isinstance(address, Address):
        return address
    return str(address.logical) if address.physical is None else f"{address.logical}/{address.physical}"


def _show_json(row: dict[str, object], push: Heard) -> None:
    if isinstance(push.content, BridgeError):
        row["error"] = {"kind": type(push.content).kind, "detail": push.content.detail}
    else:
        row |= _described(push.content) | {"value": raw_of(push.content.data)}
    print(json.dumps(row))


def _described(push: Notification) -> dict[str, object]:
    """Return what a notification says besides its value; what is not there is left out."""
    row: dict[str, object] = {
        "kind": push.kind.value,
        "invoke": push.invoke,
        "confirmed": push.confirmed or None,
        "time": push.text_moment if push.moment is None else moment_text(push.moment),
        "names": [f"{name:04x}" for name in push.names] or None,
    }
    if push.ref is not None:
        row |= {"class": push.ref.class_id, "obis": str(push.ref.obis), "attribute": push.ref.attribute}
    return {name: value for name, value in row.items() if value is not None}


def _show_tree(row: dict[str, object], push: Heard) -> None:
    if isinstance(push.content, BridgeError):
        complain(push.content, str(row["peer"]))
        return
    words = [f"{name} {value}" for name, value in (row | _described(push.content)).items() if value]
    print(", ".join(words))
    for line in _lines(push.content.data, 1):
        print(line)


def _lines(data: Data, depth: int) -> Iterator[str]:
    """Yield a value as a tree: a line for each member, two spaces deeper than what holds it."""
    name = data.type.name.lower().replace("_", "-")
    if isinstance(data.value, tuple):
        yield f"{'  ' * depth}{name} of {len(data.value)}"
        for member in data.value:
            yield from _lines(member, depth + 1)
    else:
        yield f"{'  ' * depth}{name} {raw_of(data)}"[:MAX_LINE]
