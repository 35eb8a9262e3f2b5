"""What is missed, kept beside the journal: written before rows are published and after, read when a worker starts.

In: states of ``backfill``. Out: the state of the last life, or an empty one: a file that is torn, foreign or damaged
never stops a worker. Two files: ``backfill.json`` is replaced as a whole and survives a power cut; ``backfill.seen``
has one small record, the time of the last good reading, which is overwritten in place after each reading: it costs as
little as a record of the journal, needs no room on a full disk, and outlives the process at once.
"""

import json
import logging
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from common.checksum import crc32c
from common.envelope import EPOCH_SIZE
from common.json_record import BadFile, Record
from poller.backfill import MAX_GAPS, MAX_ORDERS, Habits, Intent, Order, Span, State, merged

FILE_NAME: Final = "backfill.json"
SEEN_NAME: Final = "backfill.seen"
FORM: Final = 1  # of the file; another one is passed over
MAX_STAMPS: Final = 10_000  # of one intent: as many rows as one reading of a profile returns
MAX_OCTETS: Final = 512 << 10  # an intent of MAX_STAMPS has some 160 kB
FARTHEST_MS: Final = 1 << 48  # the year 10889; whatever is later is damage
_SEEN: Final = struct.Struct(">QI")

log = logging.getLogger(__name__)


class BackfillFile:
    """The two files of one meter."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._seen = directory / SEEN_NAME
        self._handle = -1
        self._complained = False

    def load(self) -> State:
        """Return the state of the last life; an empty one when there is none that can be used."""
        try:
            with self._path.open("rb") as stream:
                octets = stream.read(MAX_OCTETS + 1)
            return _state(Record(_checked(octets), str(self._path)))
        except FileNotFoundError:
            return State()
        except (BadFile, OSError, RecursionError, ValueError) as error:
            log.warning("what was missed before is not known, the file is set aside: %s", error)
            with suppress(OSError):
                self._path.replace(self._path.with_suffix(".bad"))
            return State()

    def save(self, state: State) -> bool:
        """Put a state in the place of the last one, on the disk itself; return False when the disk does not take it."""
        draft = self._path.with_name(f".{FILE_NAME}.draft")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(sealed(json.dumps(_values(state)).encode()))
                stream.flush()
                os.fdatasync(stream.fileno())
            draft.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            if not self._complained:
                log.warning("what is missed cannot be written down, nothing is read afterwards: %s", error)
            self._complained = True
            return False
        self._complained = False
        return True

    def seen(self) -> int:
        """Return the time of the last good reading, by the meter's clock; 0 when it is not known."""
        try:
            octets = self._seen.read_bytes()
            moment, checksum = _SEEN.unpack(octets)
        except (OSError, struct.error):
            return 0
        return int(moment) if checksum == crc32c(octets[:8]) and moment < FARTHEST_MS else 0

    def note(self, moment: int) -> None:
        """Keep the time of the last good reading; 0 forgets it. What a disk does not take is taken the next time."""
        octets = struct.pack(">Q", moment)
        with suppress(OSError):
            if self._handle < 0:
                self._seen.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._handle = os.open(self._seen, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._handle, octets + crc32c(octets).to_bytes(4, "big"), 0)

    def close(self) -> None:
        """Let go of the file that stays open."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def sealed(octets: bytes) -> bytes:
    """Return a line and the line of its checksum."""
    return b"%s\n%08x\n" % (octets, crc32c(octets))


def _checked(octets: bytes) -> object:
    """Return what a sealed line says; raise BadFile or ValueError."""
    line = octets.partition(b"\n")[0]
    if len(octets) > MAX_OCTETS or sealed(line) != octets:
        raise BadFile("the file is torn, damaged or too large")
    return json.loads(line)


def _values(state: State) -> Mapping[str, object]:
    intent, habits = state.intent, state.habits
    return {
        "form": FORM,
        "serial": state.serial,
        "floor": state.floor,
        "gaps": [_pair(gap) for gap in state.gaps],
        "orders": [
            {
                "id": item.id,
                "asked": _pair(item.asked),
                "left": _pair(item.left),
                "rows": item.rows,
                "windows": item.windows,
                "skipped": item.skipped,
                "left_out": item.left_out,
            }
            for item in state.orders
        ],
        "intent": intent
        and {
            "epoch": intent.epoch.hex(),
            "first": intent.first,
            "stamps": intent.stamps,
            "window": _pair(intent.window),
            "order": intent.order,
            "skipped": intent.skipped,
        },
        "habits": habits
        and {
            "profile": habits.profile,
            "access": habits.access,
            "proven": habits.proven,
            "bounds": habits.bounds,
        },
    }


def _pair(span: Span) -> dict[str, int]:
    return {"begin": span.begin, "end": span.end}


def _state(record: Record) -> State:
    """Return what a file holds; raise BadFile."""
    if record.whole("form", 0, 1 << 16) != FORM:
        raise BadFile(f"another form of the file than {FORM}")
    return State(
        serial=record.text("serial"),
        floor=record.whole("floor", 0, FARTHEST_MS),
        gaps=merged([_span(item) for item in record.records("gaps", 2 * MAX_GAPS)]),
        orders=tuple(map(_order, record.records("orders", MAX_ORDERS))),
        intent=_intent(record.optional_record("intent")),
        habits=_habits(record.optional_record("habits")),
    )


def _span(record: Record) -> Span:
    span = Span(record.whole("begin", 0, FARTHEST_MS), record.whole("end", 0, FARTHEST_MS))
    if span.length < 0:
        raise BadFile(f"a span from {span.begin} to {span.end}")
    return span


def _order(record: Record) -> Order:
    return Order(
        id=record.text("id", limit=64),
        asked=_span(record.record("asked")),
        left=_span(record.record("left")),
        **{name: record.whole(name, 0, FARTHEST_MS) for name in ("rows", "windows", "skipped", "left_out")},
    )


def _intent(intent: Record | None) -> Intent | None:
    if intent is None:
        return None
    return Intent(
        epoch=intent.octets("epoch", EPOCH_SIZE),
        first=intent.whole("first", 1, 2**53),
        stamps=tuple(intent.wholes("stamps", MAX_STAMPS, FARTHEST_MS)),
        window=_span(intent.record("window")),
        order=intent.text("order", limit=64),
        skipped=intent.whole("skipped", 0, 2**31),
    )


def _habits(habits: Record | None) -> Habits | None:
    if habits is None:
        return None
    return Habits(
        profile=habits.text("profile", limit=32),
        access=habits.text("access", limit=16),
        proven=habits.flag("proven"),
        bounds=habits.whole("bounds", 0, 255),
    )
