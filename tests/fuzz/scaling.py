"""Inputs built to be costly, in any size: what must not happen is time that grows faster than they do.

Goes in: a size. Comes out: inputs of about that many octets for every target, each with a name that says what is nasty
about it.
"""

import gc
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from poller.dlms.fcs import check_sequence
from tests.fuzz.campaign import TARGETS
from tests.fuzz.mutator import resealed_frame
from tests.fuzz.scenarios import SCENARIOS
from tests.fuzz.seeds import corpus
from tests.fuzz.sessions import encoded
from tests.fuzz.targets import Case, Target, joined
from tests.fuzz.trial import outcome_of

SMALLER: Final = 4_000
LARGER: Final = 10 * SMALLER
STEEPEST: Final = 20.0
"""Times that ten times the octets may take: ten, and what caches and garbage collections add."""
NEGLIGIBLE_S: Final = 0.002
"""Times below this say more of the machine than of the code; the ratio begins there."""
TRIES: Final = 2

AT_ONCE, SMALL = 0, 2
"""How inputs are cut, by the low bits of their choice."""


@dataclass(frozen=True)
class Nasty:
    """A way to build an input for a target."""

    target: str
    build: Callable[[int], bytes]
    choice: int = AT_ONCE

    def case(self, size: int) -> Case:
        """Return an input of about that many octets."""
        return Case(self.build(size), self.choice)


def repeated(hexadecimal: str) -> Callable[[int], bytes]:
    """Return what repeats octets up to a size."""
    octets = bytes.fromhex(hexadecimal)
    return lambda size: octets * (size // len(octets))


def behind(head: str, hexadecimal: str) -> Callable[[int], bytes]:
    """Return what puts a head before repeated octets."""
    return lambda size: bytes.fromhex(head) + repeated(hexadecimal)(size)


def _counted(head: str, element: str) -> Callable[[int], bytes]:
    """Return what repeats an element behind a head and the true count in four octets."""
    octets = bytes.fromhex(element)
    return lambda size: (
        bytes.fromhex(head) + b"\x84" + (size // len(octets)).to_bytes(4, "big") + octets * (size // len(octets))
    )


def _false_starts(size: int) -> bytes:
    """Return headers of the longest frames with right HCS and no right FCS, one in the other."""
    head = bytes.fromhex("a7ff03211300")[:5]
    return (b"\x7e" + head + check_sequence(head)) * (size // 8)


def _segments(size: int) -> bytes:
    """Return segments of pushes that never end, from many origins."""
    frames = [
        resealed_frame(b"\x03" + bytes((number % 128 << 1 | 1,)), 0x03, b"\xe6\xe7\x00" + bytes(60), segmented=True)
        for number in range(max(1, size // 74))
    ]
    return b"".join(frames)


def _one_message(size: int) -> bytes:
    part = min(size, 0xFFFF)
    return (b"\0\1\0\1\0\1" + part.to_bytes(2, "big") + bytes(part)) * (size // part)


def _blocks(size: int) -> bytes:
    """Return the general blocks of a push that never ends."""
    return b"".join(b"\xe0\0" + (n + 1 & 0xFFFF).to_bytes(2, "big") + b"\0\0\x01a" for n in range(size // 8))


def _nested_ber(size: int) -> bytes:
    """Return an AARE of fields within fields."""
    octets = b""
    while len(octets) < min(size, 60_000):
        octets = b"\xa2\x83" + len(octets).to_bytes(3, "big") + octets
    return b"\x61\x83" + len(octets).to_bytes(3, "big") + octets


def _fields(size: int) -> bytes:
    return b"\x61\x83" + (size // 3 * 3).to_bytes(3, "big") + b"\xa9\x01\x00" * (size // 3)


def _protected(size: int) -> bytes:
    return b"\xcc\x83" + (5 + size).to_bytes(3, "big") + b"\x20\0\0\0\1" + bytes(size)


def _lines(text: str) -> Callable[[int], bytes]:
    head = json.dumps({
        "capture": 1, "transport": "hdlc", "client_id": 1, "server_logical": 1, "authentication": "", "security": "",
        "referencing": "ln", "model": "", "max_info": 1, "window": 1,
    })  # fmt: skip
    return lambda size: (head + "\n" + (text + "\n") * (size // len(text))).encode()


def _session(scenario: str, answer: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return a conversation, opened well, that is then answered with one flood after another."""
    sessions = corpus().sessions
    number = next(n for n, each in enumerate(sessions) if (each.scenario, each.operation) == (scenario, "get-many"))
    good = [came for _, came in sessions[number].passed]
    opening = 2 if SCENARIOS[scenario].profile.transport.value == "hdlc" else 1

    def build(size: int) -> bytes:
        flood = answer(size)
        return encoded(number, good[:opening] + [flood[at : at + 0xFFFF] for at in range(0, len(flood), 0xFFFF)])

    return build


def _captured(build: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return a capture of one line, in pieces as a socket hands them over."""

    def pieces(size: int) -> bytes:
        octets = build(size)
        return joined([octets[at : at + 1_448] for at in range(0, len(octets), 1_448)])

    return pieces


def _long(size: int) -> bytes:
    """Return a length in its long form."""
    return b"\x84" + size.to_bytes(4, "big")


def _compact(description: str) -> Callable[[int], bytes]:
    """Return a compact-array of that many octets of zeros."""
    return lambda size: b"\x13" + bytes.fromhex(description) + _long(size) + bytes(size)


def _empty_columns(size: int) -> bytes:
    """Return a compact-array of numbers beside as many columns of null-data as there are numbers."""
    half = size // 2
    return b"\x13\x02\x82" + (half + 1).to_bytes(2, "big") + bytes(half) + b"\x11" + _long(half) + bytes(half)


_VALUES: Final[Mapping[str, Callable[[int], bytes]]] = MappingProxyType({
    "many nulls": _counted("01", "00"),
    "many numbers": _counted("02", "1101"),
    "many small structures": _counted("01", "02021101 1102"),
    "many empty arrays": _counted("01", "0100"),
    "deep": repeated("0101"),
    "deep and wide": _counted("01", "0101" * 15 + "00"),
    "one string": lambda size: b"\x09" + _long(size) + bytes(size),
    "one text": lambda size: b"\x0c" + _long(size) + b"a" * size,
    "a bit-string": lambda size: b"\x04" + _long(8 * size) + bytes(size),
    "a length that lies": lambda size: b"\x01\x84\xff\xff\xff\xff" + bytes(size),
    "a compact-array": _compact("11"),
    "a compact-array of arrays of nothing": _compact("02021101ffff00"),
    "a compact-array of structures of nothing": _empty_columns,
    "a description of descriptions": _compact("01ffff" * 14 + "11"),
    "compact-arrays in an array": _counted("01", "1301ffff0000"),
    "compact-arrays of nothing": _counted("01", "13 02 01 01ffff 00 01 00"),
})


def _of_values(target: str, prefix: str = "", choice: int = AT_ONCE) -> dict[str, Nasty]:
    head = bytes.fromhex(prefix)

    def behind_head(build: Callable[[int], bytes]) -> Callable[[int], bytes]:
        return lambda size: head + build(size)

    return {f"{target} {choice}: {name}": Nasty(target, behind_head(build), choice) for name, build in _VALUES.items()}


_FRAME: Final = resealed_frame(b"\x03\x21", 0x13, b"").hex()
_PUSH: Final = resealed_frame(b"\x03\x21", 0x13, bytes.fromhex("e6e7000f00000001001101")).hex()
_HDLC, _WRAPPER, _RAW = 0, 16, 32
_DATA, _APDU, _MESSAGES, _LINE = 64, 48, 32, 16
_LINES_OF_FRAMES: Final[Mapping[str, Callable[[int], bytes]]] = MappingProxyType({
    "flags": repeated("7e"),
    "starts": repeated("7ea0"),
    "long starts": repeated("7ea7ff"),
    "starts with addresses without end": repeated("7ea7fffefefefe"),
    "false starts": _false_starts,
    "tiny frames": repeated(_FRAME),
    "noise": repeated("55"),
    "frames that end in the middle": repeated(_FRAME[:-6]),
})


def _nasty() -> dict[str, Nasty]:
    found: dict[str, Nasty] = {}
    for how in (AT_ONCE, SMALL):
        for name, build in _LINES_OF_FRAMES.items():
            found[f"frames {how}: {name}"] = Nasty("frames", build, how | 4)
            found[f"pushes in frames {how}: {name}"] = Nasty("pushes", build, how | _HDLC)
            found[f"redacted frames {how}: {name}"] = Nasty("redacted", _captured(build), how | 12)
            found[f"explained frames {how}: {name}"] = Nasty("explained", build, how | _LINE)
        found[f"messages {how}: empty"] = Nasty("messages", repeated("0001000100010000"), how)
        found[f"messages {how}: long"] = Nasty("messages", _one_message, how)
        found[f"explained messages {how}: empty"] = Nasty("explained", repeated("0001000100010000"), how | _MESSAGES)
        found[f"explained messages {how}: long"] = Nasty("explained", _one_message, how | _MESSAGES)
        found[f"pushes {how}: segments"] = Nasty("pushes", _segments, how | _HDLC)
        found[f"pushes {how}: in frames"] = Nasty("pushes", repeated(_PUSH), how | _HDLC)
        found[f"pushes {how}: empty messages"] = Nasty("pushes", repeated("0001000100010000"), how | _WRAPPER)
        found[f"pushes {how}: bare"] = Nasty("pushes", repeated("0f0000000100 1101"), how | _RAW)
        found[f"pushes {how}: bare blocks"] = Nasty("pushes", _blocks, how | _RAW)
        found[f"pushes {how}: one bare block again and again"] = Nasty("pushes", repeated("e0000001000000"), how | _RAW)
        found[f"pushes {how}: bare, with a length that lies"] = Nasty(
            "pushes", behind("db84ffffffff", "00"), how | _RAW
        )
        found |= _of_values("pushes", "0f0000000100", how | _RAW)
        found |= _of_values("explained", choice=how | _DATA)
        found[f"sign-on {how}: lines"] = Nasty("sign-on", repeated("2f0d0a"), how | 16)
        found[f"sign-on {how}: noise"] = Nasty("sign-on", repeated("20"), how | 16)
    found |= _of_values("values") | _of_values("objects") | _of_values("objects", choice=7 << 4 | 15)
    found |= (
        _of_values("apdus", "c401c100")
        | _of_values("apdus", "0f0000000100")
        | _of_values("explained", "c401c100", _APDU)
    )
    found |= {
        "apdus: results of a list": Nasty("apdus", _counted("c403c1", "0101")),
        "apdus: values of a list": Nasty("apdus", _counted("c403c1", "001101")),
        "apdus: items of a list": Nasty("apdus", _counted("c003c1", "00030100010800ff0200")),
        "apdus: results of short names": Nasty("apdus", _counted("0c", "001101")),
        "apdus: short names": Nasty("apdus", _counted("05", "020100")),
        "apdus: results of ACCESS": Nasty("apdus", _counted("da400000010000", "00")),
        "apdus: fields in fields": Nasty("apdus", _nested_ber),
        "apdus: fields": Nasty("apdus", _fields),
        "explained: fields in fields": Nasty("explained", _nested_ber, _APDU),
        "explained: blocks": Nasty("explained", _blocks, _APDU),
        "protected: a long text": Nasty("protected", _protected, 2),
        "redacted: empty messages": Nasty("redacted", _captured(repeated("0001000100010000"))),
        "redacted: segments": Nasty("redacted", _captured(_segments), 12),
        "captures: pieces": Nasty("captures", _lines('{"ms": 1, "in": "7e"}')),
        "captures: nested": Nasty("captures", lambda size: b"[" * size),
        "captures: one line": Nasty("captures", lambda size: b'{"a":"' + b"a" * size),
        "captures: a long number": Nasty("captures", lambda size: b"1" * size),
        "sessions: tiny frames": Nasty("sessions", _session("hdlc", repeated(_FRAME))),
        "sessions: flags": Nasty("sessions", _session("hdlc", repeated("7e")), SMALL),
        "sessions: false starts": Nasty("sessions", _session("hdlc", _false_starts), SMALL),
        "sessions: empty messages": Nasty("sessions", _session("wrapper", repeated("0001000100010000"))),
        "sessions: foreign messages": Nasty("sessions", _session("wrapper", repeated("0001000200010000"))),
        "sessions: pushes": Nasty("sessions", _session("wrapper", repeated("0001000100010008 0f00000001001101"))),
        "sessions: long messages": Nasty("sessions", _session("wrapper", _one_message), SMALL),
    }
    return found


NASTY: Final[Mapping[str, Nasty]] = MappingProxyType(_nasty())


def seconds(nasty: Nasty, size: int) -> float:
    """Return the least time that an input of some size takes."""
    case, target = nasty.case(size), TARGETS[nasty.target]
    collecting = gc.isenabled()
    gc.disable()  # its passes over all that lives grow with what the test itself keeps
    try:
        return min(_timed(target, case) for _ in range(TRIES))
    finally:
        if collecting:
            gc.enable()


def _timed(target: Target, case: Case) -> float:
    began = time.thread_time()
    outcome_of(target, case)
    return time.thread_time() - began


def steepness(nasty: Nasty) -> float:
    """Return how many times the time of an input one of ten times its octets takes."""
    return seconds(nasty, LARGER) / max(NEGLIGIBLE_S, seconds(nasty, SMALLER))
