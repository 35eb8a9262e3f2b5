"""How the commands of the meter's side reach a meter: the options they have in common, and the session they make.

In: arguments, files with secrets. Out: a Connection that is checked, and an open Session for as long as it is needed.
No secret comes from the command line, where every user of the machine can see it: passwords and keys are in files, or
the password in DLMS_PASSWORD.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.catalogue import MODELS, Model, model
from common.clock import SystemClock
from common.errors import BridgeError, Hopeless
from common.worker_file import Limits
from poller.cli.complaints import NOTHING_DONE, BadArgument, complain
from poller.dlms.conversation import AttributeRef, Mechanism, Profile, Referencing, Transport
from poller.dlms.hdlc_parameters import DEFAULT_INFO, DEFAULT_WINDOW
from poller.dlms.security import SUITES, Security, SecuritySettings, SecuritySource
from poller.resolver import Resolver
from poller.session import Session
from poller.transport import TcpWire, Wire

if TYPE_CHECKING:
    from poller.keys import Keys
    from poller.serial_line import LineSettings

DEFAULT_CLIENT: Final = 16  # the public client
DEFAULT_SERVER: Final = 1  # the management logical device
PORTS: Final = {"hdlc": 3333, "wrapper": 4059}
MAX_PASSWORD_FILE: Final = 4096
_COUNTERS: Final = Path("dlms-bridge") / "counters"


class BadPassword(Hopeless):
    """The password cannot be had from where it was said to be."""


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of one command with the options that all have."""
    made = argparse.ArgumentParser(prog=f"meterctl {name}", allow_abbrev=False, description=description)
    _add_line(made.add_argument_group("the line"))
    _add_client(made.add_argument_group("who asks whom"))
    _add_security(made.add_argument_group("authentication and protection"))
    made.add_argument("--trace", action="store_true", help="octets both ways on standard error, without secrets")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def _add_line(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("--host", help="address or name of the meter")
    add("--port", type=int, help="TCP port (default: 3333 with hdlc, 4059 with wrapper)")
    add("--line", metavar="LINE", help="tcp (default), optical-tcp, serial:DEVICE?baud=N, optical:DEVICE?baud=N")
    add("--transport", choices=[*Transport], help="default hdlc")
    add("--timeout", type=float, default=5.0, metavar="S", help="seconds for a reply, 0.1 to 60 (default 5)")
    add("--max-info", type=int, default=DEFAULT_INFO, metavar="N", help="octets of an HDLC frame's information")
    add("--window", type=int, default=DEFAULT_WINDOW, metavar="N", help="HDLC frames in a row, 1 to 7 (default 1)")


def _add_client(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("--model", choices=[*MODELS], help="classes, short codes C.D.E, and defaults for what is not given")
    add("--client-id", type=int, metavar="N", help="client SAP (default 16)")
    add("--server-id", type=int, metavar="L", help="logical (upper) server address or wPort (default 1)")
    add("--server-physical", type=int, metavar="P", help="physical (lower) server address; 0 with 1 is one-byte 1")
    add("--address-size", type=int, choices=[1, 2, 4], help="octets of the server address (default: what it needs)")
    add("--referencing", choices=[*Referencing], help="logical or short names (default ln)")


def _add_security(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("--auth", choices=[*Mechanism], help="authentication (default none)")
    add("--password-file", metavar="FILE", help="its first line is the password; else DLMS_PASSWORD is taken")
    add("--keys-file", metavar="FILE", help="keys, password, HLS secret as lines NAME = VALUE; mode 0600")
    add("--security", choices=[*Security], default="none", help="protection of APDUs (default none)")
    add("--suite", type=int, choices=SUITES, default=0, help="security suite (default 0)")
    add("--system-title", default="", metavar="TITLE", help="ours: 16 hexadecimal digits, or 8 characters")
    add("--server-title", default="", metavar="TITLE", help="the meter's, where it does not tell it itself")
    add("--dedicated", action="store_true", help="a key of its own for each association")
    add("--general", action="store_true", help="general-glo and general-ded ciphering")
    add("--counter-file", metavar="FILE", help="the invocation counter (default: one for each key in the state home)")
    add("--read-counter", action="store_true", help="first read the meter's counter through the public client")


def command(made: argparse.ArgumentParser, argv: Sequence[str] | None, act: Callable[[argparse.Namespace], int]) -> int:
    """Act on the arguments and return the exit code; wrong ones, and what ``act`` raises, are told as NOTHING_DONE."""
    try:
        arguments = made.parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else NOTHING_DONE
    try:
        return act(arguments)
    except BridgeError as error:
        complain(error, as_json=arguments.json)
        return NOTHING_DONE


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a meter is, how it is spoken to, and by whom."""

    host: str
    port: int
    line: "LineSettings | None"
    profile: Profile
    limits: Limits
    counter_file: Path | None
    read_counter: bool
    trace: bool
    as_json: bool
    model: Model | None


def connection(arguments: argparse.Namespace) -> Connection:
    """Return the connection that arguments describe; raise leaves of Hopeless."""
    chosen = model(arguments.model) if arguments.model else None
    line = _line(arguments)
    if not arguments.host and not (line is not None and line.is_serial):
        raise BadArgument("--host is needed, or --line with a serial device")
    return Connection(
        arguments.host or "",
        _port(arguments, chosen),
        line,
        _profile(arguments, chosen),
        _limits(arguments),
        Path(arguments.counter_file) if arguments.counter_file else None,
        arguments.read_counter,
        arguments.trace,
        arguments.json,
        chosen,
    )


def _line(arguments: argparse.Namespace) -> "LineSettings | None":
    if not arguments.line:
        return None
    from poller.serial_line import parse_line

    return parse_line(arguments.line)


def _profile(arguments: argparse.Namespace, chosen: Model | None) -> Profile:
    """Return what is given, else the model's, else none and one-octet addresses; raise BadAddress or BadParameter."""
    mechanism = Mechanism(arguments.auth or (chosen.authentication if chosen else Mechanism.NONE))
    logical, physical, size = _server(arguments, chosen)
    client = arguments.client_id
    keys = _keys(arguments)
    return Profile(
        transport=_transport(arguments, chosen),
        client_id=client if client is not None else chosen.client_id if chosen else DEFAULT_CLIENT,
        server_logical=logical,
        server_physical=physical,
        address_size=size,
        mechanism=mechanism,
        secret=_secret(arguments, mechanism, keys),
        max_info=arguments.max_info,
        window=arguments.window,
        security=_security(arguments, keys),
        referencing=_referencing(arguments, chosen),
    )


def _server(arguments: argparse.Namespace, chosen: Model | None) -> tuple[int, int | None, int | None]:
    """Return logical and physical address and size; the model's size goes with the model's own address alone."""
    logical, physical, size = arguments.server_id, arguments.server_physical, arguments.address_size
    if chosen is None or logical is not None:
        return DEFAULT_SERVER if logical is None else logical, physical, size
    if physical is not None:
        return chosen.server_logical, physical, size
    return chosen.server_logical, chosen.server_physical, chosen.address_size if size is None else size


def _transport(arguments: argparse.Namespace, chosen: Model | None) -> Transport:
    return Transport(arguments.transport or (chosen.transport if chosen else "hdlc"))


def _referencing(arguments: argparse.Namespace, chosen: Model | None) -> Referencing:
    return Referencing(arguments.referencing or (chosen.referencing if chosen else Referencing.LN))


def _port(arguments: argparse.Namespace, chosen: Model | None) -> int:
    default = chosen.port if chosen and not arguments.transport else PORTS[_transport(arguments, chosen)]
    port = default if arguments.port is None else int(arguments.port)
    if not 1 <= port <= 65535:
        raise BadArgument(f"--port must be 1 to 65535, not {port}")
    return port


def _limits(arguments: argparse.Namespace) -> Limits:
    if not 0.1 <= arguments.timeout <= 60:
        raise BadArgument(f"--timeout must be 0.1 to 60 seconds, not {arguments.timeout:g}")
    return Limits(reply_timeout_s=arguments.timeout)


def _keys(arguments: argparse.Namespace) -> "Keys | None":
    if not arguments.keys_file:
        return None
    from poller.keys import load_keys

    return load_keys(Path(arguments.keys_file))


def _security(arguments: argparse.Namespace, keys: "Keys | None") -> SecuritySettings:
    """Return the settings that keys and arguments make; without keys only what needs none."""
    level = Security(arguments.security)
    ours, theirs = _titles(arguments)
    if keys is None and level is Security.NONE and arguments.auth != Mechanism.HLS_GMAC:
        return SecuritySettings(client_title=ours, server_title=theirs)
    if keys is None:
        raise BadArgument("--keys-file is needed for protected APDUs and for GMAC")
    return keys.security(
        level,
        ours,
        server_title=theirs,
        suite=arguments.suite,
        dedicated=arguments.dedicated,
        general=arguments.general,
    )


def _titles(arguments: argparse.Namespace) -> tuple[bytes, bytes]:
    if not arguments.system_title and not arguments.server_title:
        return b"", b""
    from common.key_file import system_title

    return system_title(arguments.system_title), system_title(arguments.server_title)


def _secret(arguments: argparse.Namespace, mechanism: Mechanism, keys: "Keys | None") -> bytes:
    """Return the password or HLS secret: of the password file, else of the keys file, else of the environment."""
    if mechanism in {Mechanism.NONE, Mechanism.HLS_GMAC}:
        return b""
    if arguments.password_file:
        return _first_line(Path(arguments.password_file))
    return (keys.secret_for(mechanism) if keys else b"") or os.environ.get("DLMS_PASSWORD", "").encode()


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_PASSWORD_FILE).splitlines()[0]
    except OSError as error:
        raise BadPassword(f"{path}: {error.strerror}") from None
    except IndexError:
        raise BadPassword(f"{path} is empty") from None


@contextmanager
def opened(where: Connection, tap: Callable[[str, bytes], None] | None = None) -> Iterator[Session]:
    """Give an open session and close it in the end; raise what keeps it from opening."""
    clock = SystemClock()
    with ExitStack() as stack:
        source = _source(where, stack)
        if where.read_counter and source is not None:
            _resynchronise(where, source, clock)
        session = Session(where.profile, _wire(where, clock), Resolver(clock, no_pulse), clock, where.limits, source)
        session.tap = tap or _trace(where, clock, stack)
        stack.callback(session.close)
        _open(session, where)
        yield session


def run(where: Connection, use: Callable[[Session], int]) -> int:
    """Open a session, use it, return the exit code; errors that end it are complained about."""
    try:
        with opened(where) as session:
            return use(session)
    except BridgeError as error:
        complain(error, as_json=where.as_json)
        return NOTHING_DONE


def _open(session: Session, where: Connection) -> None:
    serial = where.line is not None and where.line.is_serial
    session.open("" if serial else session.resolve(where.host), where.port)


def _wire(where: Connection, clock: SystemClock) -> Wire:
    if where.line is None:
        return TcpWire(clock, no_pulse)
    from poller.serial_line import make_wire

    return make_wire(where.line, clock, no_pulse)


def _trace(where: Connection, clock: SystemClock, stack: ExitStack) -> Callable[[str, bytes], None] | None:
    if not where.trace:
        return None
    from poller.cli.trace import Trace

    trace = Trace(sys.stderr, where.profile.transport, clock)
    stack.callback(trace.close)
    return trace.tap


def _source(where: Connection, stack: ExitStack) -> SecuritySource | None:
    """Return where counters and challenges come from: a file wherever a key is used, so that none is used twice."""
    if not where.profile.needs_source:
        return None
    from poller.invocation import CounterFile, MemorySource, counter_path

    settings = where.profile.security
    if not settings.protects and where.profile.mechanism is not Mechanism.HLS_GMAC:
        return MemorySource()
    path = where.counter_file
    if path is None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / _COUNTERS
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = counter_path(home, settings)
    return stack.enter_context(CounterFile(path, reserve=1))


def _resynchronise(where: Connection, source: SecuritySource, clock: SystemClock) -> None:
    """Raise our counter above the one that the meter saw last, read through the public client."""
    from poller.dlms.opening import FRAME_COUNTER, next_counter, public_profile

    wire = _wire(where, clock)
    session = Session(public_profile(where.profile), wire, Resolver(clock, no_pulse), clock, where.limits)
    _open(session, where)
    try:
        seen = session.get(AttributeRef(1, FRAME_COUNTER, 2))
    finally:
        session.close()
    source.raise_to(next_counter(seen))


def no_pulse() -> None:
    """Nothing else has to go on while a command waits."""
