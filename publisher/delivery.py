"""The states of one MQTT connection, and what follows from a fault: tables, and functions of facts and time.

In: what was seen. Out: the next state, the next delay, what becomes of rows. No socket, clock, log or file may enter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from common.errors import BridgeError


class IllegalStep(BridgeError):
    """The table has no such step: a defect of ours."""


class State(StrEnum):
    """Where a connection stands, as the heartbeat tells it."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    DRAINING = "draining"
    ONLINE = "online"


class Seen(Enum):
    """What moves a connection from state to state."""

    DIALLED = "a connect was started"
    OPENED = "the broker accepted the session"
    BEHIND = "rows wait that were not sent"
    CAUGHT_UP = "everything known was sent"
    LOST = "the attempt failed or the session ended"


STEPS: Final[Mapping[tuple[State, Seen], State]] = {
    (State.OFFLINE, Seen.DIALLED): State.CONNECTING,
    (State.CONNECTING, Seen.OPENED): State.DRAINING,
    (State.CONNECTING, Seen.LOST): State.OFFLINE,
    (State.DRAINING, Seen.BEHIND): State.DRAINING,
    (State.DRAINING, Seen.CAUGHT_UP): State.ONLINE,
    (State.DRAINING, Seen.LOST): State.OFFLINE,
    (State.ONLINE, Seen.BEHIND): State.DRAINING,
    (State.ONLINE, Seen.CAUGHT_UP): State.ONLINE,
    (State.ONLINE, Seen.LOST): State.OFFLINE,
}


def step(state: State, seen: Seen) -> State:
    """Return the next state; raise IllegalStep when there is none."""
    try:
        return STEPS[state, seen]
    except KeyError:
        raise IllegalStep(f"{seen.name} does not belong to a connection that is {state}") from None


class Fault(StrEnum):
    """Why a connection is not there, by what we do next."""

    STOPPED = "stopped"  # we closed it ourselves
    UNREACHABLE = "unreachable"  # refused, no route, no name, no answer to CONNECT
    LOST = "lost"  # an open session ended
    BUSY = "busy"  # the broker asks for patience: unavailable, quota, rate
    REFUSED = "refused"  # credentials, client id, protocol: a person must act
    TAKEN_OVER = "session_takeover"  # another client came with the same credential or client id
    NO_PUBACK = "no_puback"  # a live session that does not acknowledge


@dataclass(frozen=True, slots=True)
class Ladder:
    """Delays before the next attempt, in seconds: the first, then doubled up to the longest."""

    first: float
    longest: float


# A broker that comes back must find us soon (its rows are to be drained within 10 s); one that refuses us must not be
# hammered; two clients that share a credential must not throw each other out for ever.
LADDERS: Final[Mapping[Fault, Ladder]] = {
    Fault.STOPPED: Ladder(0.0, 0.0),
    Fault.UNREACHABLE: Ladder(0.2, 3.0),
    Fault.LOST: Ladder(0.2, 3.0),
    Fault.BUSY: Ladder(1.0, 30.0),
    Fault.REFUSED: Ladder(5.0, 60.0),
    Fault.TAKEN_OVER: Ladder(10.0, 300.0),
    Fault.NO_PUBACK: Ladder(1.0, 30.0),
}
JITTER: Final = 0.2  # a delay is shortened by up to this part of it, so that many publishers do not come back in step
STEADY_S: Final = 10.0  # a session that lived this long and delivered has earned the first delay again
TAKEOVER_MEMORY_S: Final = 60.0  # a session must live this long before a takeover is forgotten
SHORT_LIFE_S: Final = 5.0
# MQTT 3.1.1 and some brokers name no cause: so many short sessions in a row, with no refused connect between them, are
# taken for a takeover. More than SUSPECT_AFTER: a row that kills sessions is found out before.
SHORT_LIVES: Final = 5


@dataclass(frozen=True, slots=True)
class Record:
    """What a connection remembers of its faults: the last one, how often in a row, short lives in a row."""

    fault: Fault = Fault.STOPPED
    count: int = 0
    short_lives: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """An attempt or a session that ended. ``lived_s`` 0: it never opened; ``code``: the broker's, 0 if it gave none."""

    fault: Fault
    lived_s: float = 0.0
    acknowledged: int = 0
    code: int = 0


def ended(record: Record, life: Life) -> Record:
    """Return the record after a life."""
    haunted = record.fault is Fault.TAKEN_OVER
    limit_s = TAKEOVER_MEMORY_S if haunted else SHORT_LIFE_S
    short = life.fault is Fault.LOST and life.code == 0 and 0 < life.lived_s < limit_s
    short_lives = record.short_lives + 1 if short else 0
    fault = Fault.TAKEN_OVER if short and (haunted or short_lives >= SHORT_LIVES) else life.fault
    needed_s = TAKEOVER_MEMORY_S if Fault.TAKEN_OVER in {record.fault, fault} else STEADY_S
    steady = life.lived_s >= needed_s and life.acknowledged > 0
    same = record.fault is fault or {record.fault, fault} == {Fault.LOST, Fault.UNREACHABLE}
    return Record(fault, record.count + 1 if same and not steady else 1, short_lives)


def delay_s(record: Record, chance: float) -> float:
    """Return the seconds to wait before the next attempt; ``chance`` is a random number from 0 to 1."""
    ladder = LADDERS[record.fault]
    doubled = ladder.first * 2.0 ** min(record.count - 1, 16) if record.count else 0.0
    return min(doubled, ladder.longest) * (1.0 - JITTER * chance)


# MQTT 5 CONNACK (section 3.2.2.2) and DISCONNECT (3.14.2.1) reason codes; paho gives those of 3.1.1 the same numbers
REFUSALS: Final = frozenset({0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x98, 0x99, 0x9C, 0x9D})
PATIENCE: Final = frozenset({0x88, 0x89, 0x93, 0x96, 0x97, 0x9F})
INNOCENT: Final = frozenset({0x8B, 0x98})  # the server goes down, an administrator acts: no row is to blame
TAKEOVER_CODE: Final = 0x8E
QUOTA_CODE: Final = 0x97


def fault_of_code(code: int, *, opened: bool) -> Fault:
    """Return the fault that a failed CONNACK, or a DISCONNECT of an open session, stands for."""
    if code == TAKEOVER_CODE:
        return Fault.TAKEN_OVER
    if code in PATIENCE:
        return Fault.BUSY
    if opened:
        return Fault.LOST
    return Fault.REFUSED if code in REFUSALS else Fault.BUSY


class Verdict(Enum):
    """What becomes of a packet's rows when its PUBACK carries a failure code."""

    PAUSE = "the broker has enough for now: the whole connection waits"
    RETRY = "this lane waits, others go on"


# MQTT 5 section 3.4.2.1; whatever else has the failure bit is treated like 0x80
PUBACK: Final[Mapping[int, Verdict]] = {
    0x80: Verdict.RETRY,  # unspecified error
    0x83: Verdict.RETRY,  # implementation specific error
    0x87: Verdict.RETRY,  # not authorized
    0x90: Verdict.RETRY,  # topic name invalid
    0x91: Verdict.RETRY,  # packet identifier in use
    0x97: Verdict.PAUSE,  # quota exceeded
    0x99: Verdict.RETRY,  # payload format invalid
}
PERMANENT: Final = frozenset({0x90, 0x99})  # codes that say: this row, however often it is sent
MAX_REJECTIONS: Final = 5  # of one row with a permanent code; then it is set aside, so that the queue moves
REJECTION_LADDER: Final = Ladder(1.0, 60.0)
DENIED_LADDER: Final = Ladder(15.0, 60.0)  # some brokers end the session with it: the other meters pay for each try
DENIED: Final = 0x87
QUOTA_LADDER: Final = Ladder(1.0, 30.0)


def verdict(code: int) -> Verdict:
    """Return what to do about a PUBACK's failure code."""
    return PUBACK.get(code, Verdict.RETRY)


def rejection_delay_s(count: int, *, code: int = 0, quota: bool = False) -> float:
    """Return the seconds until a packet refused ``count`` times in a row, last with ``code``, is sent again."""
    ladder = QUOTA_LADDER if quota else DENIED_LADDER if code == DENIED else REJECTION_LADDER
    return min(ladder.first * 2.0 ** min(count - 1, 16), ladder.longest)


def to_set_aside(code: int, count: int) -> bool:
    """Return whether a row that was refused ``count`` times, last with ``code``, is to be set aside."""
    return code in PERMANENT and count >= MAX_REJECTIONS


MATURE_S: Final = 10.0  # only a session of this age can testify against a row
DEATH_S: Final = 2.0  # and only when it died this soon after the row was sent
STRIKES: Final = 3
SUSPECT_AFTER: Final = 3  # early deaths that a row saw among others, until it is sent alone


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a session as seen by one packet that was unacknowledged then."""

    alone: bool
    session_age_s: float
    acknowledged_others: int
    since_sent_s: float


def is_strike(death: Death) -> bool:
    """Return whether a session's end speaks against the one row that it carried (SPEC section 7)."""
    return (
        death.alone
        and death.session_age_s > MATURE_S
        and death.acknowledged_others > 0
        and death.since_sent_s <= DEATH_S
    )
