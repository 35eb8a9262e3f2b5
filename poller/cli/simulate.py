"""``meterctl simulate``: meters to try everything against, until a signal ends them.

Arguments in; listening meters, a ready file and an exit code out: 0 ended by SIGTERM or SIGINT, 2 wrong arguments or
an address that is taken. Nothing is decided here about how meters behave.

Which meters: --meters --host --port --personality --transport. How they behave: --delay --seed --poison
--second-client --linger --on-wrong-number --early-rr --habit --window --max-info, their clock by --clock-offset
--clock-drift --zone --summer, their load profile by --profile-period --profile-depth, their secrets by --encryption-key
--authentication-key --system-title --suite --policy --counter --hls-secret. What goes wrong: --command --scenario, and
--control while they run. What is written: --log --log-limit --ready-file. All of it is explained in docs/SIMULATOR.md.
"""

import argparse
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from poller.simulator.answer_log import DEFAULT_LIMIT
from poller.simulator.control_server import ControlServer
from poller.simulator.device import MeterSpec
from poller.simulator.fleet import MAX_METERS, Fleet
from poller.simulator.meter import Meter, PortTaken
from poller.simulator.personality import (
    PERSONALITIES,
    BadSpecification,
    ClockSetting,
    EarlyRr,
    Keys,
    OnWrongNumber,
    Personality,
    ProfileHabit,
    ProfileSetting,
    SecondClient,
    Transport,
    personality,
)

OK: Final = 0
USAGE: Final = 2
_DESCRIPTORS_EACH: Final = 4
"""File descriptors to reserve per meter: listening, served, and one or two that wait."""
_DESCRIPTORS_BESIDE: Final = 64
_PREFERRED_SAP: Final = 1
_OWN_HABITS: Final = ("dm-to-disc", "bare-ua", "close-after-refusal", "strict-release", "general-blocks")
"""Each is a flag of the personality."""
_HABITS: Final = (*_OWN_HABITS, *(each.value for each in ProfileHabit))
_POLICIES: Final = {"none": 0x00, "authenticated": 0x10, "encrypted": 0x20, "both": 0x30}


def _delay(text: str) -> tuple[float, float]:
    least, _dash, most = text.partition("-")
    try:
        return float(least), float(most or least)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: need seconds, or least-most") from None


def _command(text: str) -> dict[str, object]:
    try:
        command = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from None
    if not isinstance(command, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return command


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not hexadecimal") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterctl simulate", description="Run simulated DLMS/COSEM meters.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--meters", type=int, default=1, metavar="N", help=f"how many, 1 to {MAX_METERS} (default 1)")
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--port", type=int, default=0, metavar="BASE", help="port of the first meter, the next has one more; 0: any")
    add("--personality", default="microstar", choices=list(PERSONALITIES))
    add("--transport", choices=[each.value for each in Transport], help="instead of the personality's own")
    add("--delay", type=_delay, default=(0.0, 0.0), metavar="A-B", help="seconds before each answer, e.g. 0.17-0.45")
    add("--seed", type=int, default=0, help="of everything random (default 0)")
    add("--poison", action="store_true", help="values that put 0x7E into data and checksums")
    add("--second-client", choices=[each.value for each in SecondClient], help="what a second connection gets")
    add("--linger", type=float, metavar="SECONDS", help="how long a session that was not closed is held")
    add("--on-wrong-number", choices=[each.value for each in OnWrongNumber], help="what a wrong N(S) or N(R) gets")
    add("--early-rr", choices=[each.value for each in EarlyRr], help="RR before the answer")
    add("--habit", action="append", default=[], choices=_HABITS, help="a habit of some real meters; repeatable")
    _add_time(parser)
    _add_secrets(parser)
    add("--scenario", type=Path, metavar="FILE", help="commands carried out at start, one JSON object per line")
    add(
        "--command", type=_command, action="append", default=[], metavar="JSON", help="carried out at start; repeatable"
    )
    add("--log", type=Path, metavar="FILE", help="log every answer as a line of JSON")
    add("--log-limit", type=int, default=DEFAULT_LIMIT, metavar="OCTETS", help="then FILE moves to FILE.1")
    add("--control", metavar="PATH|HOST:PORT", help="listen there for commands")
    add("--ready-file", type=Path, metavar="FILE", help="written when all meters listen")
    return parser


def _add_time(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--clock-offset", type=float, default=0.0, metavar="SECONDS", help="how far the meter's clock is ahead")
    add("--clock-drift", type=float, default=0.0, metavar="PPM", help="millionths that it gains")
    add("--zone", type=int, default=0, metavar="MINUTES", help="deviation of standard time: UTC minus local time")
    add("--summer", action="store_true", help="daylight saving is active")
    add("--profile-period", type=int, default=900, metavar="SECONDS", help="of the load profile (default 900)")
    add("--profile-depth", type=int, default=3_360, metavar="ROWS", help="of the load profile (default 3360)")
    add("--window", type=int, metavar="FRAMES", help="HDLC window, 1 to 7")
    add("--block-window", type=int, metavar="BLOCKS", help="taken at a time in general block transfer, 1 to 63")
    add("--max-info", type=int, metavar="OCTETS", help="HDLC information length, to 2030")


def _add_secrets(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--encryption-key", type=_octets, metavar="HEX", help="16 octets; the meter then ciphers")
    add("--authentication-key", type=_octets, metavar="HEX", help="16 octets")
    add("--system-title", type=_octets, metavar="HEX", help="8 octets (default: SIM and the meter's number)")
    add("--suite", type=int, choices=[0, 1], help="security suite (default 0)")
    add("--policy", choices=list(_POLICIES), help="what every request and answer needs (default none)")
    add("--counter", type=int, metavar="N", help="least invocation counter accepted at the start")
    add("--hls-secret", metavar="TEXT", help="of all clients that sign on by MD5, SHA-1 or SHA-256")


def _keys(arguments: argparse.Namespace, kind: Personality) -> Keys | None:
    """Return the personality's keys, changed by what is given; None when neither has any."""
    given = (arguments.encryption_key, arguments.authentication_key, arguments.system_title)
    rest = (arguments.suite, arguments.policy, arguments.counter)
    if kind.keys is None and all(each is None for each in (*given, *rest)):
        return None
    keys = kind.keys or Keys()
    encryption, authentication, title = given
    suite, policy, counter = rest
    return Keys(
        encryption=keys.encryption if encryption is None else encryption,
        authentication=keys.authentication if authentication is None else authentication,
        title=keys.title if title is None else title,
        suite=keys.suite if suite is None else suite,
        policy=keys.policy if policy is None else _POLICIES[policy],
        counter=keys.counter if counter is None else counter,
    )


def _timed(arguments: argparse.Namespace, kind: Personality) -> Personality:
    """Return the personality with its clock, its profile and the sizes of its link."""
    profile_habits = {each for each in ProfileHabit if each.value in arguments.habit}
    return replace(
        kind,
        clock=ClockSetting(arguments.clock_offset, arguments.clock_drift, arguments.zone, arguments.summer),
        profile=ProfileSetting(arguments.profile_period, arguments.profile_depth, frozenset(profile_habits)),
        window=arguments.window or kind.window,
        max_info=arguments.max_info or kind.max_info,
        block_window=arguments.block_window or kind.block_window,
    )


def _kind(arguments: argparse.Namespace) -> Personality:
    kind = _timed(arguments, personality(arguments.personality))
    if arguments.hls_secret is not None:
        secret = arguments.hls_secret.encode()
        kind = replace(kind, sign_on={sap: replace(each, secret=secret) for sap, each in kind.sign_on.items()})
    if arguments.transport is not None:
        kind = replace(kind, transport=Transport(arguments.transport))
    if arguments.second_client is not None:
        kind = replace(kind, second_client=SecondClient(arguments.second_client))
    if arguments.on_wrong_number is not None:
        kind = replace(kind, on_wrong_number=OnWrongNumber(arguments.on_wrong_number))
    if arguments.early_rr is not None:
        kind = replace(kind, early_rr=EarlyRr(arguments.early_rr))
    habits = arguments.habit
    return replace(
        kind,
        linger=kind.linger if arguments.linger is None else arguments.linger,
        keys=_keys(arguments, kind),
        dm_to_disc=kind.dm_to_disc or "dm-to-disc" in habits,
        bare_ua=kind.bare_ua or "bare-ua" in habits,
        close_after_refusal=kind.close_after_refusal or "close-after-refusal" in habits,
        strict_release=kind.strict_release or "strict-release" in habits,
        general_blocks=kind.general_blocks or "general-blocks" in habits,
    )


def _scenario(path: Path | None) -> list[dict[str, object]]:
    """Return the commands of a scenario file; raise BadSpecification when it cannot be read."""
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_command(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, argparse.ArgumentTypeError) as error:
        raise BadSpecification(f"scenario {path}: {error}") from error


def _specs(arguments: argparse.Namespace) -> list[MeterSpec]:
    if not 1 <= arguments.meters <= MAX_METERS:
        raise BadSpecification(f"--meters {arguments.meters}: need 1 to {MAX_METERS}")
    kind = _kind(arguments)
    base = arguments.port
    return [
        MeterSpec(
            name=f"sim-{number + 1}",
            personality=kind,
            host=arguments.host,
            port=base + number if base else 0,
            delay=arguments.delay,
            seed=arguments.seed,
            poison=arguments.poison,
        )
        for number in range(arguments.meters)
    ]


def described(meter: Meter) -> dict[str, object]:
    """Return how a client reaches a meter, with the SAP and password that suit most."""
    kind = meter.device.kind
    secret = kind.saps[_PREFERRED_SAP]
    return {
        "name": meter.name,
        "host": meter.host,
        "port": meter.port,
        "transport": kind.transport.value,
        "personality": kind.name,
        "serial": meter.device.serial,
        "client_id": _PREFERRED_SAP,
        "server_logical": kind.logical,
        "server_physical": kind.physical if kind.preferred_size > 1 else None,
        "address_size": kind.preferred_size if kind.transport is Transport.HDLC else None,
        "auth": "none" if secret is None else "lls",
        "password": None if secret is None else secret.decode(),
        **_secrets(meter),
    }


def _secrets(meter: Meter) -> dict[str, object]:
    """Return keys and titles of a meter that ciphers: nothing of a simulated meter is secret."""
    ring, kind = meter.device.ring, meter.device.kind
    if ring is None:
        return {}
    return {
        "system_title": ring.title.hex(),
        "encryption_key": ring.keys.encryption.hex(),
        "authentication_key": ring.keys.authentication.hex(),
        "suite": ring.keys.suite,
        "hls": {str(sap): [each.mechanism, each.secret.decode()] for sap, each in kind.sign_on.items()},
    }


def _write_ready(path: Path, fleet: Fleet, control: ControlServer | None) -> None:
    """Write the ready file whole or not at all."""
    content = {
        "pid": os.getpid(),
        "control": control.where if control else None,
        "meters": [described(meter) for meter in fleet.meters.values()],
    }
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise BadSpecification(f"ready file {path}: {error.strerror}") from error


def _reserve_descriptors(meters: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS_BESIDE + _DESCRIPTORS_EACH * meters
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _run(arguments: argparse.Namespace) -> None:
    """Run until a signal stops the loop; raise BadSpecification or PortTaken when it cannot begin."""
    _reserve_descriptors(arguments.meters)
    fleet = Fleet(_specs(arguments), log=arguments.log, log_limit=arguments.log_limit)
    control = None
    try:
        if arguments.control:
            control = ControlServer(arguments.control, fleet.loop, fleet.execute)
        for command in [*_scenario(arguments.scenario), *arguments.command]:
            fleet.execute(command)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: fleet.loop.stop())
        _announce(arguments, fleet, control)
        fleet.loop.run()
    finally:
        if control is not None:
            control.close()
        fleet.close()


def _announce(arguments: argparse.Namespace, fleet: Fleet, control: ControlServer | None) -> None:
    """Say where the meters are: on standard output, and in the ready file."""
    for meter in fleet.meters.values():
        kind = meter.device.kind
        sys.stdout.write(f"{meter.name} {meter.host}:{meter.port} {kind.transport} {kind.name}\n")
    if control is not None:
        sys.stdout.write(f"control {control.where}\n")
    sys.stdout.flush()
    if arguments.ready_file is not None:
        _write_ready(arguments.ready_file, fleet, control)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``meterctl simulate`` and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except (BadSpecification, PortTaken) as error:
        sys.stderr.write(f"meterctl simulate: {error.kind}: {error.detail}\n")
        return USAGE
    return OK
