"""Scripted misbehaviour: what can go wrong with a simulated meter, how often and for how long.

A description (kind, count, probability, duration) in; for each thing a client asks, the faults that strike now, out.
What a fault does to an answer is in ``mischief``; faults of a whole meter (reboot, second client) are in ``meter``.
Randomness comes from a seeded generator that is handed in; so does time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Final

MAX_FAULTS: Final = 64
"""Faults armed on one meter at a time: beyond any scenario a person can follow."""


class Asked(StrEnum):
    """What a client's frame or APDU asks for."""

    SNRM = "snrm"
    DISC = "disc"
    POLL = "poll"
    AARQ = "aarq"
    GET = "get"
    SET = "set"
    ACTION = "action"
    RELEASE = "release"
    OTHER = "other"


class FaultKind(StrEnum):
    """What goes wrong. See docs/SIMULATOR.md."""

    DROP = "drop"
    DEAF = "deaf"
    STALL = "stall"
    GARBAGE = "garbage"
    BAD_FCS = "bad_fcs"
    BAD_HCS = "bad_hcs"
    RST = "rst"
    FIN = "fin"
    HALF = "half"
    BUSY = "busy"
    RNR = "rnr"
    REFUSE_LLS = "refuse_password"
    EXCEPTION = "exception"
    DM = "dm"
    FRMR = "frmr"
    DUPLICATE = "duplicate"
    WRONG_NS = "wrong_ns"
    WRONG_INVOKE = "wrong_invoke"
    SLOW = "slow"
    SECOND_MASTER = "second_master"
    REBOOT_MID_BLOCK = "reboot_mid_block"
    WRONG_TAG = "wrong_tag"
    REPLAY = "replay"
    LIST_WRAPPED = "list_wrapped"
    LIST_SHORT = "list_short"
    LOST_BLOCK = "lost_block"


class Where(StrEnum):
    """Where garbage goes, seen from the answer."""

    BEFORE = "before"
    AFTER = "after"
    INSTEAD = "instead"


ANY: Final = frozenset(Asked)
_SERVICES: Final = frozenset({Asked.GET, Asked.SET, Asked.ACTION, Asked.OTHER})
_INFORMATION: Final = _SERVICES | {Asked.AARQ, Asked.RELEASE}
STRIKES: Final = {
    FaultKind.BAD_HCS: _INFORMATION,
    FaultKind.WRONG_NS: _INFORMATION,
    FaultKind.DUPLICATE: _INFORMATION,
    FaultKind.BUSY: frozenset({Asked.GET}),
    FaultKind.WRONG_INVOKE: frozenset({Asked.GET}),
    FaultKind.EXCEPTION: _SERVICES,
    FaultKind.REBOOT_MID_BLOCK: _SERVICES,
    FaultKind.WRONG_TAG: _SERVICES,
    FaultKind.REPLAY: _SERVICES,
    FaultKind.LIST_WRAPPED: frozenset({Asked.GET}),
    FaultKind.LIST_SHORT: frozenset({Asked.GET, Asked.SET}),
    FaultKind.LOST_BLOCK: _SERVICES,
    FaultKind.SECOND_MASTER: _INFORMATION,
    FaultKind.RNR: _INFORMATION | {Asked.POLL},
    FaultKind.REFUSE_LLS: frozenset({Asked.AARQ}),
    FaultKind.DM: frozenset({Asked.SNRM}),
    FaultKind.FRMR: _INFORMATION,
}
"""What each kind strikes unless a fault says otherwise; what is not listed strikes anything."""
HDLC_ONLY: Final = frozenset({
    FaultKind.BAD_FCS,
    FaultKind.BAD_HCS,
    FaultKind.RNR,
    FaultKind.DM,
    FaultKind.FRMR,
    FaultKind.WRONG_NS,
    FaultKind.SECOND_MASTER,
})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``seconds`` is the size of its effect (stall), ``lasting`` how long it stays armed."""

    kind: FaultKind
    count: int | None = None
    probability: float = 1.0
    lasting: float | None = None
    on: frozenset[Asked] = frozenset()
    seconds: float = 5.0
    milliseconds: float = 20.0
    """Between two octets, for ``slow``."""
    octets: int = 16
    """Length of garbage."""
    where: Where = Where.BEFORE
    skip: int = 0
    """How many questions that it could hit are let pass first."""

    def strikes(self, asked: Asked) -> bool:
        """Say whether this kind of question can be hit."""
        return asked in (self.on or STRIKES.get(self.kind, ANY))


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int | None
    until: float | None
    skip: int = 0


@dataclass(slots=True)
class FaultBook:
    """The faults armed on one meter."""

    random: Random
    struck: dict[str, int] = field(default_factory=dict)
    """How often each kind struck."""
    _armed: list[_Armed] = field(default_factory=list)

    def arm(self, fault: Fault, now: float) -> bool:
        """Arm a fault, for one strike unless it says how often or how long; False when MAX_FAULTS are armed."""
        if len(self._armed) >= MAX_FAULTS:
            return False
        if fault.count is None and fault.lasting is None and fault.probability >= 1.0:
            fault = replace(fault, count=1)
        until = None if fault.lasting is None else now + fault.lasting
        self._armed.append(_Armed(fault, fault.count, until, fault.skip))
        return True

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    @property
    def armed(self) -> list[str]:
        """The kinds armed now, in order of arming."""
        return [armed.fault.kind.value for armed in self._armed]

    def draw(self, asked: Asked, now: float, mid_block: Callable[[], bool] = bool) -> tuple[Fault, ...]:
        """Return the faults that strike this question, and use them up; ``mid_block`` says whether blocks are told."""
        if not self._armed:
            return ()
        self._armed = [armed for armed in self._armed if armed.until is None or now < armed.until]
        able = [armed for armed in self._armed if armed.fault.strikes(asked)]
        if not mid_block():
            able = [armed for armed in able if armed.fault.kind is not FaultKind.REBOOT_MID_BLOCK]
        struck = [armed for armed in able if self._hits(armed)]
        for armed in struck:
            self._use(armed)
        return tuple(armed.fault for armed in struck)

    def _hits(self, armed: _Armed) -> bool:
        if armed.skip:
            armed.skip -= 1
            return False
        return armed.fault.probability >= 1.0 or self.random.random() < armed.fault.probability

    def _use(self, armed: _Armed) -> None:
        kind = armed.fault.kind.value
        self.struck[kind] = self.struck.get(kind, 0) + 1
        if armed.left is not None:
            armed.left -= 1
            if armed.left <= 0:
                self._armed.remove(armed)
