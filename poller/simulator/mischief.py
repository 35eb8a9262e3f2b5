"""What each fault does to an answer.

Answer frames or octets and a fault in, bent ones out, as steps. One table, one small function per kind. Which faults
strike is decided in ``faults``; nothing here sends or waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from poller.simulator import crc, frames
from poller.simulator.faults import Fault, FaultKind, Where
from poller.simulator.frames import Frame, Kind
from poller.simulator.steps import Finish, Reset, Send, Step, Wait

Bend = Callable[[list[Step], Fault, Random], list[Step]]


def misnumbered(answer: list[Frame]) -> list[Frame]:
    """Return the frames with N(S) of every information frame one too high."""
    return [
        replace(frame, control=frame.control & 0xF1 | (frame.control + 2) & 0x0E)
        if frame.kind is Kind.INFORMATION
        else frame
        for frame in answer
    ]


def _noise(fault: Fault, random: Random) -> Send:
    return Send(random.randbytes(fault.octets))


def _drop(_steps: list[Step], _fault: Fault, _random: Random) -> list[Step]:
    return []


def _stall(steps: list[Step], fault: Fault, _random: Random) -> list[Step]:
    return [Wait(fault.seconds), *steps]


def _garbage(steps: list[Step], fault: Fault, random: Random) -> list[Step]:
    noise = _noise(fault, random)
    match fault.where:
        case Where.BEFORE:
            return [noise, *steps]
        case Where.AFTER:
            return [*steps, noise]
        case Where.INSTEAD:
            return [noise]


def _each_send(bend: Callable[[bytes], list[Step]]) -> Bend:
    """Return a bend that treats every stretch that is sent by itself."""

    def bent(steps: list[Step], _fault: Fault, _random: Random) -> list[Step]:
        return [new for step in steps for new in (bend(step.octets) if isinstance(step, Send) else [step])]

    return bent


def _bad_fcs(octets: bytes) -> list[Step]:
    return [Send(octets[:-3] + bytes((octets[-3] ^ 0x55, octets[-2] ^ 0x2A)) + octets[-1:])]


def _bad_hcs(octets: bytes) -> list[Step]:
    """Spoil the HCS and make the FCS right for it, so that only the HCS is wrong."""
    at = frames.hcs_position(octets)
    if at is None:
        return [Send(octets)]
    body = octets[1:at] + bytes((octets[at] ^ 0x55, octets[at + 1] ^ 0x2A)) + octets[at + 2 : -3]
    return [Send(octets[:1] + body + crc.checksum(body) + octets[-1:])]


def _half(octets: bytes) -> list[Step]:
    return [Send(octets[: len(octets) // 2])]


def _rst(octets: bytes) -> list[Step]:
    return [*_half(octets), Reset()]


def _fin(octets: bytes) -> list[Step]:
    return [*_half(octets), Finish()]


def _twice(octets: bytes) -> list[Step]:
    return [Send(octets), Send(octets)]


_FOREIGNER: Final = b"\xc9"
"""Client address 0x64: another master on the same line."""


def _second_master(steps: list[Step], _fault: Fault, _random: Random) -> list[Step]:
    """Put before an answer what another client says to the same meter, and what it is told."""
    first = next((step.octets for step in steps if isinstance(step, Send)), b"")
    heard = frames.FrameReader().feed(first, 0.0)
    if not heard:
        return steps
    meter = heard[0].source
    said = (
        Frame(meter, _FOREIGNER, frames.SNRM | frames.POLL),
        Frame(_FOREIGNER, meter, frames.UA | frames.POLL),
        Frame(_FOREIGNER, meter, heard[0].control, b"\xe6\xe7\x00\xc4\x01\xc1\x00\x11\x2a"),
    )
    return [*(Send(frames.encode(frame)) for frame in said), *steps]


def _slow(steps: list[Step], fault: Fault, _random: Random) -> list[Step]:
    pause = Wait(fault.milliseconds / 1000)
    slowed: list[Step] = []
    for step in steps:
        if isinstance(step, Send):
            slowed += [part for octet in step.octets for part in (Send(bytes((octet,))), pause)]
        else:
            slowed.append(step)
    return slowed


BENDS: Final[Mapping[FaultKind, Bend]] = {
    FaultKind.BAD_FCS: _each_send(_bad_fcs),
    FaultKind.BAD_HCS: _each_send(_bad_hcs),
    FaultKind.DUPLICATE: _each_send(_twice),
    FaultKind.HALF: _each_send(_half),
    FaultKind.RST: _each_send(_rst),
    FaultKind.FIN: _each_send(_fin),
    FaultKind.SECOND_MASTER: _second_master,
    FaultKind.GARBAGE: _garbage,
    FaultKind.SLOW: _slow,
    FaultKind.STALL: _stall,
    FaultKind.DROP: _drop,
}
"""In the order in which faults that strike together are applied."""


SPOILING: Final = frozenset({
    *(FaultKind.DROP, FaultKind.BAD_FCS, FaultKind.BAD_HCS, FaultKind.HALF, FaultKind.RST, FaultKind.FIN),
    *(FaultKind.WRONG_NS, FaultKind.WRONG_INVOKE, FaultKind.EXCEPTION, FaultKind.REBOOT_MID_BLOCK),
    *(FaultKind.WRONG_TAG, FaultKind.REPLAY, FaultKind.LIST_WRAPPED, FaultKind.LIST_SHORT),
})


def spoils(fault: Fault) -> bool:
    """Say whether a client cannot take this fault's answer for one."""
    return fault.kind in SPOILING or (fault.kind is FaultKind.GARBAGE and fault.where is Where.INSTEAD)


def play(answer: list[Step], struck: Sequence[Fault], random: Random) -> list[Step]:
    """Return the steps that are left of an answer."""
    by_kind = {fault.kind: fault for fault in struck}
    for kind, bend in BENDS.items():
        if kind in by_kind:
            answer = bend(answer, by_kind[kind], random)
    return answer
