"""``meterctl read --host …``: read attributes of one meter directly, without store or bus.

Arguments in; one JSON array or a small table on stdout, typed errors on stderr, and an exit code out: 0 everything was
read, 1 some of it, 2 nothing, no link, or wrong arguments. Passwords come from a file or from DLMS_PASSWORD, never from
the command line, where every user of the machine can see them.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from common.catalogue import MODELS, Model, model
from common.clock import Clock, SystemClock
from common.errors import BridgeError, Hopeless
from common.worker_file import Limits
from poller.cli.items import Result, parse_item
from poller.dlms.conversation import AttributeRef, Mechanism, Profile, Transport
from poller.dlms.cosem import ScalerUnit, scaler_unit
from poller.dlms.data import Data
from poller.dlms.errors import ObjectUnavailable
from poller.recovery import RETRY_DELAY_S, Step, step_after
from poller.resolver import Resolver
from poller.sampler import scaler_attribute
from poller.session import Session
from poller.transport import TcpWire

ALL_READ: Final = 0
SOME_READ: Final = 1
NOTHING_READ: Final = 2
DEFAULT_CLIENT: Final = 16  # the public client
DEFAULT_SERVER: Final = 1  # the management logical device
PORTS: Final = {"hdlc": 3333, "wrapper": 4059}
MAX_ITEMS: Final = 1000  # a command line holds no more that a person means
MAX_PASSWORD_FILE: Final = 4096


class BadPassword(Hopeless):
    """The password cannot be had from where it was said to be."""


class BadArgument(Hopeless):
    """An argument beyond its bounds."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterctl read",
        allow_abbrev=False,
        description="Read attributes of a meter directly. Exit code: 0 all read, 1 some, 2 none, no link or bad usage.",
    )
    add = parser.add_argument
    add("--host", required=True, help="address or name of the meter")
    add("--port", type=int, help="TCP port (default: 3333 with hdlc, 4059 with wrapper)")
    add("--transport", choices=[*Transport], help="default hdlc")
    add("--client-id", type=int, metavar="N", help="client SAP (default 16)")
    add("--server-id", type=int, metavar="L", help="logical (upper) server address or wPort (default 1)")
    add("--server-physical", type=int, metavar="P", help="physical (lower) server address; 0 with 1 is one-byte 1")
    add("--address-size", type=int, choices=[1, 2, 4], help="octets of the server address (default: what it needs)")
    add("--auth", choices=[*Mechanism], help="authentication (default none)")
    add("--password-file", metavar="FILE", help="its first line is the password; else DLMS_PASSWORD is taken")
    add("--model", choices=[*MODELS], help="classes, short codes C.D.E, and defaults for what is not given")
    add("--timeout", type=float, default=5.0, metavar="S", help="seconds for a reply, 0.1 to 60 (default 5)")
    add("--json", action="store_true", help="print one JSON array")
    add("items", nargs="+", metavar="ITEM", help="[CLASS/]OBIS[/ATTRIBUTE]; class 3 and attribute 2 if absent")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read a meter as the arguments say; return the exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else NOTHING_READ
    try:
        chosen = model(arguments.model) if arguments.model else None
        items = _items(arguments.items, chosen)
        profile, port, limits = _profile(arguments, chosen), _port(arguments, chosen), _limits(arguments)
    except BridgeError as error:
        _complain(error)
        return NOTHING_READ
    results = _read(arguments.host, port, profile, limits, items)
    _print(results, as_json=arguments.json)
    return _verdict(results)


def _items(texts: Sequence[str], chosen: Model | None) -> list[AttributeRef]:
    if len(texts) > MAX_ITEMS:
        raise BadArgument(f"{len(texts)} items are more than one call reads ({MAX_ITEMS})")
    return [parse_item(text, chosen) for text in texts]


def _profile(arguments: argparse.Namespace, chosen: Model | None) -> Profile:
    """Return what is given, else the model's, else none and one-octet addresses; raise BadAddress or BadParameter."""
    mechanism = Mechanism(arguments.auth or (chosen.authentication if chosen else Mechanism.NONE))
    logical, physical, size = arguments.server_id, arguments.server_physical, arguments.address_size
    if logical is None and chosen is not None:
        logical, physical, size = chosen.server_logical, chosen.server_physical, chosen.address_size
    client = arguments.client_id
    return Profile(
        transport=_transport(arguments, chosen),
        client_id=client if client is not None else chosen.client_id if chosen else DEFAULT_CLIENT,
        server_logical=DEFAULT_SERVER if logical is None else logical,
        server_physical=physical,
        address_size=size,
        mechanism=mechanism,
        secret=_password(arguments.password_file) if mechanism is not Mechanism.NONE else b"",
    )


def _transport(arguments: argparse.Namespace, chosen: Model | None) -> Transport:
    return Transport(arguments.transport or (chosen.transport if chosen else "hdlc"))


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


def _password(file: str | None) -> bytes:
    if file is None:
        return os.environ.get("DLMS_PASSWORD", "").encode()
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_PASSWORD_FILE).splitlines()[0]
    except OSError as error:
        raise BadPassword(f"{file}: {error.strerror}") from None
    except IndexError:
        raise BadPassword(f"{file} is empty") from None


def _read(host: str, port: int, profile: Profile, limits: Limits, items: Sequence[AttributeRef]) -> list[Result]:
    """Return a result for each item; a link that cannot be made is the error of all of them."""
    clock = SystemClock()
    session = Session(profile, TcpWire(clock, _no_pulse), Resolver(clock, _no_pulse), clock, limits)
    try:
        session.open(session.resolve(host), port)
    except BridgeError as error:
        _complain(error)
        return [Result(ref, error) for ref in items]
    try:
        return Questions(session, clock).ask_all(items)
    finally:
        session.close()


class Questions:
    """Attributes asked one by one over an open session; a link that breaks is the error of all that follow."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._broken: BridgeError | None = None
        self._scalings: dict[AttributeRef, Data | BridgeError] = {}

    def ask_all(self, items: Sequence[AttributeRef]) -> list[Result]:
        """Return a result for each item, in the order given; say on stderr what went wrong."""
        results = [self._result(ref) for ref in items]
        for result in results:
            if isinstance(result.answer, BridgeError):
                _complain(result.answer, str(result.ref.obis))
        return results

    def _result(self, ref: AttributeRef) -> Result:
        answer = self._ask(ref)
        if isinstance(answer, BridgeError):
            return Result(ref, answer)
        try:
            result = Result(ref, answer, self._scaling(ref))
            result.to_json()
        except BridgeError as error:  # the scaler cannot be had, or a number or date is none
            return Result(ref, error)
        return result

    def _scaling(self, value: AttributeRef) -> ScalerUnit | None:
        """Return scaler and unit, None where the meter has none; raise what keeps it from saying so."""
        attribute = scaler_attribute(value.class_id, value.attribute)
        if attribute is None:
            return None
        ref = AttributeRef(value.class_id, value.obis, attribute)
        if ref not in self._scalings:
            self._scalings[ref] = self._ask(ref)
        answer = self._scalings[ref]
        if isinstance(answer, Data):
            return scaler_unit(answer)
        if step_after(answer) is Step.DROP or isinstance(answer, ObjectUnavailable):
            return None
        raise answer

    def _ask(self, ref: AttributeRef) -> Data | BridgeError:
        """Return the answer, or the error; a failed read is made once more, a lost association is made anew."""
        answer = self._once(ref)
        if isinstance(answer, BridgeError) and step_after(answer) is Step.RETRY and self._broken is None:
            self._clock.sleep(RETRY_DELAY_S)
            return self._once(ref)
        return answer

    def _once(self, ref: AttributeRef) -> Data | BridgeError:
        if self._broken is not None:
            return self._broken
        try:
            return self._session.get(ref)
        except BridgeError as error:
            if step_after(error) is Step.REASSOCIATE:
                self._associate()
            elif step_after(error) not in {Step.RETRY, Step.DROP}:
                self._broken = error
            return error

    def _associate(self) -> None:
        try:
            self._session.associate()
        except BridgeError as error:
            self._broken = error


def _no_pulse() -> None:
    """Nothing else has to go on while this command waits."""


def _verdict(results: Sequence[Result]) -> int:
    if all(result.succeeded for result in results):
        return ALL_READ
    return SOME_READ if any(result.succeeded for result in results) else NOTHING_READ


def _print(results: Sequence[Result], *, as_json: bool) -> None:
    rows = [result.to_json() for result in results]
    if as_json:
        print(json.dumps(rows))
        return
    width = max(len(str(row["obis"])) for row in rows)
    for row in rows:
        print(f"{row['obis']!s:<{width}}  {_shown(row)}".rstrip())


def _shown(row: Mapping[str, object]) -> str:
    error = row.get("error")
    if isinstance(error, Mapping):
        return f"({error['kind']}) {error['detail']}"
    value = row["raw"] if row["value"] is None else row["value"]
    return f"{value}  {row['unit'] or ''}"


def _complain(error: BridgeError, where: str = "") -> None:
    sys.stderr.write(f"{where}{': ' if where else ''}{error.kind}: {error.detail}\n")


if __name__ == "__main__":
    sys.exit(main())
