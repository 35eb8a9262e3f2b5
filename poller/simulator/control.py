"""Commands that make simulated meters misbehave, checked before anything happens.

A mapping (from JSON, or from a test) and the meters in; an outcome out, or BadCommand that names what is wrong. The
commands are in docs/SIMULATOR.md. No sockets: ``control_server`` carries the lines.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from common.obis import BadObis, Obis
from poller.simulator import pushing
from poller.simulator.device import MAX_PUSHES
from poller.simulator.faults import HDLC_ONLY, MAX_FAULTS, Asked, Fault, FaultKind, Where
from poller.simulator.meter import Meter
from poller.simulator.personality import BadSpecification, LingerHow, SecondClient, Transport
from poller.simulator.pushing import PushForm

Outcome = dict[str, object]
Command = Mapping[str, object]
Choice = TypeVar("Choice", bound=StrEnum)
ALL: Final = "*"
_LONGEST: Final = 86_400.0
"""Seconds, for every duration of a command."""
_FARTHEST: Final = 1e9
"""Seconds that a clock is moved at most."""
_MOST: Final = 1_000_000
"""Count of strikes."""
_MOST_GARBAGE: Final = 65_536
"""Octets of garbage in one answer."""


class BadCommand(BadSpecification):
    """A command that cannot be carried out."""


def _number(command: Command, name: str, default: float | None, most: float) -> float | None:
    """Return a number from above 0 to ``most``; raise BadCommand when it is none."""
    value = command.get(name, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadCommand(f"{name}: need a number above 0, at most {most:g}, not {value!r}")
    return value


def _whole(command: Command, name: str, default: int | None, most: int) -> int | None:
    value = _number(command, name, default, most)
    if isinstance(value, float):
        raise BadCommand(f"{name}: need a whole number, not {value!r}")
    return value


def _choice(kind: type[Choice], name: str, value: object) -> Choice:
    try:
        return kind(str(value))
    except ValueError:
        raise BadCommand(f"{name}: {value!r} is none of {', '.join(kind)}") from None


def _on(command: Command) -> frozenset[Asked]:
    value = command.get("on", ())
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list | tuple | set | frozenset):
        raise BadCommand(f"on: need a text or a list of texts, not {value!r}")
    return frozenset(Asked) if "any" in wanted else frozenset(_choice(Asked, "on", each) for each in wanted)


_FAULT_FIELDS: Final = frozenset({
    "count",
    "probability",
    "lasting",
    "on",
    "seconds",
    "milliseconds",
    "octets",
    "where",
    "skip",
})


def _known(command: Command, fields: frozenset[str]) -> None:
    unknown = sorted(set(command) - fields - {"do", "meter"})
    if unknown:
        raise BadCommand(f"{', '.join(unknown)}: not a field of {command.get('do')!r}")


def fault(command: Command) -> Fault:
    """Return the fault that a command describes; raise BadCommand when it describes none."""
    _known(command, _FAULT_FIELDS)
    defaults = Fault(FaultKind.DROP)
    return Fault(
        kind=_choice(FaultKind, "do", command.get("do")),
        count=_whole(command, "count", None, _MOST),
        probability=_number(command, "probability", 1.0, 1.0) or 1.0,
        lasting=_number(command, "lasting", None, _LONGEST),
        on=_on(command),
        seconds=_number(command, "seconds", defaults.seconds, _LONGEST) or defaults.seconds,
        milliseconds=_number(command, "milliseconds", defaults.milliseconds, _LONGEST) or defaults.milliseconds,
        octets=_whole(command, "octets", defaults.octets, _MOST_GARBAGE) or defaults.octets,
        where=_choice(Where, "where", command.get("where", defaults.where)),
        skip=_whole(command, "skip", None, _MOST) or 0,
    )


def _arm(meters: list[Meter], command: Command) -> Outcome:
    wanted = fault(command)
    able = [meter for meter in meters if wanted.kind not in HDLC_ONLY or meter.device.kind.transport is Transport.HDLC]
    if not able:
        raise BadCommand(f"do: {wanted.kind} needs a meter that speaks HDLC")
    for meter in able:
        if not meter.device.faults.arm(wanted, meter.loop.clock.monotonic()):
            raise BadCommand(f"{meter.name} has {MAX_FAULTS} faults armed already: clear them first")
    return {"meters": len(able)}


def _clear(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset())
    for meter in meters:
        meter.device.faults.clear()
        meter.device.stop_lingering()
        meter.device.hold_unclean(meter.device.kind.linger, meter.device.kind.linger_how)
        meter.device.objects.hidden.clear()
        meter.second_client = meter.device.kind.second_client
    return {"meters": len(meters)}


def _status(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset())
    return {"meters": {meter.name: meter.device.status() for meter in meters}}


def _reboot(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset({"seconds", "close"}))
    seconds = _number(command, "seconds", None, _LONGEST) or 0.0
    for meter in meters:
        meter.reboot(seconds, close=bool(command.get("close", False)))
    return {"meters": len(meters)}


def _linger(meters: list[Meter], command: Command) -> Outcome:
    """Refuse clients from now on; with ``after`` "unclean": from each unclean end on."""
    _known(command, frozenset({"seconds", "how", "after"}))
    seconds = _number(command, "seconds", 5.0, _LONGEST) or 5.0
    how = _choice(LingerHow, "how", command.get("how", LingerHow.DM))
    after = command.get("after", "now")
    if after not in {"now", "unclean"}:
        raise BadCommand(f"after: {after!r} is none of now, unclean")
    for meter in meters:
        if after == "unclean":
            meter.device.hold_unclean(seconds, how)
        else:
            meter.device.linger(seconds, how, meter.loop.clock.monotonic())
    return {"meters": len(meters)}


def _second_client(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset({"policy"}))
    policy = _choice(SecondClient, "policy", command.get("policy"))
    for meter in meters:
        meter.second_client = policy
    return {"meters": len(meters)}


def _name(command: Command) -> bytes:
    try:
        return Obis.parse(str(command.get("obis"))).to_bytes()
    except BadObis as error:
        raise BadCommand(f"obis: {error.detail}") from error


def _undefine(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset({"obis"}))
    for meter in meters:
        meter.device.objects.hidden.add(_name(command))
    return {"meters": len(meters)}


def _define(meters: list[Meter], command: Command) -> Outcome:
    _known(command, frozenset({"obis"}))
    for meter in meters:
        meter.device.objects.hidden.discard(_name(command))
    return {"meters": len(meters)}


def _push(meters: list[Meter], command: Command) -> Outcome:
    """Say data-notifications before the next answer."""
    _known(command, frozenset({"count", "dated"}))
    count = _whole(command, "count", 1, MAX_PUSHES) or 1
    for meter in meters:
        for _ in range(count):
            meter.device.pushes.append(pushing.notification(meter.device, dated=bool(command.get("dated", True))))
    return {"meters": len(meters)}


def _push_to(meters: list[Meter], command: Command) -> Outcome:
    """Send a data-notification to a listener."""
    _known(command, frozenset({"to", "form", "ciphered", "client", "dated"}))
    host, _colon, port = str(command.get("to", "")).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:
        raise BadCommand(f"to: need HOST:PORT, not {command.get('to')!r}")
    form = _choice(PushForm, "form", command.get("form", PushForm.WRAPPER))
    client = _whole(command, "client", 16, 0x7F) or 16
    for meter in meters:
        apdu = pushing.notification(meter.device, dated=bool(command.get("dated", True)))
        if command.get("ciphered"):
            apdu = pushing.ciphered(meter.device, apdu)
        try:
            meter.send_to((host, int(port)), pushing.addressed(meter.device, form, client, apdu))
        except OSError as error:
            raise BadCommand(f"to: {host}:{port}: {error.strerror or error}") from error
    return {"meters": len(meters)}


def _counter(meters: list[Meter], command: Command) -> Outcome:
    """Accept no invocation counter below this any more."""
    _known(command, frozenset({"least"}))
    least = _whole(command, "least", None, 0xFFFFFFFF)
    able = [meter for meter in meters if meter.device.ring is not None]
    if least is None or not able:
        raise BadCommand("counter: need least, and a meter that ciphers")
    for meter in able:
        if meter.device.ring is not None:
            meter.device.ring.expect(least)
    return {"meters": len(able)}


def _clock(meters: list[Meter], command: Command) -> Outcome:
    """Move the clocks by so many seconds."""
    _known(command, frozenset({"seconds"}))
    seconds = command.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) <= _FARTHEST:
        raise BadCommand(f"seconds: need a number, not {seconds!r}")
    for meter in meters:
        meter.device.time.jump(seconds)
    return {"meters": len(meters)}


VERBS: Final[Mapping[str, Callable[[list[Meter], Command], Outcome]]] = {
    **{kind.value: _arm for kind in FaultKind},
    "clear": _clear,
    "status": _status,
    "reboot": _reboot,
    "linger": _linger,
    "second_client": _second_client,
    "undefine": _undefine,
    "define": _define,
    "push": _push,
    "push_to": _push_to,
    "counter": _counter,
    "clock": _clock,
}


def execute(meters: Mapping[str, Meter], command: Command) -> Outcome:
    """Carry out a command on one meter or on all ("*"); raise BadCommand, and then nothing has happened."""
    name = command.get("meter", ALL)
    verb = VERBS.get(str(command.get("do")))
    if verb is None:
        raise BadCommand(f"do: {command.get('do')!r} is none of {', '.join(VERBS)}")
    if name != ALL and name not in meters:
        raise BadCommand(f"meter: no meter {name!r}")
    chosen = list(meters.values()) if name == ALL else [meters[str(name)]]
    return {"ok": True, **verb(chosen, command)}
