"""One cycle: ask the meter for what is due, with no more round trips than the protocol needs.

In: measurements to read, an open session, the scaler cache. Out: quantities, failures by name, and the error that ended
the cycle early, if any. Which step follows an error is the recovery table's business; retry and drop happen here.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from common.clock import Clock
from common.errors import BridgeError
from common.obis import Obis
from common.reading import Failure, Quantity
from common.worker_file import Measurement
from poller.dlms.cosem import AttributeRef, ScalerUnit, scaler_attribute, scaler_unit
from poller.dlms.data import Data
from poller.recovery import RETRY_DELAY_S, Step, step_after
from poller.sampler import octets_text, quantity, raw_value
from poller.scalers import ScalerCache

SERIALS: Final = (Obis(1, 0, 0, 0, 0), Obis(0, 0, 96, 1, 0))  # device ID 1 of electricity; the medium-independent one
FIRMWARES: Final = (Obis(1, 0, 0, 2, 0), Obis(0, 0, 0, 2, 0))
MAX_FACT: Final = 64  # characters of a serial number or firmware version
BLAMES: Final = 2  # times in a row that a quantity may cost the association
SHUNNED_S: Final = 3600.0
MAX_REFS: Final = 512  # attributes kept with their parsed OBIS code: values and scalers of all that a worker may read
LIST_FAILURES: Final = 2  # cycles in a row that a list ended; a meter that falls silent at lists is asked one by one

log = logging.getLogger(__name__)


class Asked(Protocol):
    """The part of a session that a cycle uses."""

    @property
    def takes_lists(self) -> bool:
        """Return whether several attributes may be asked for at once."""

    def get(self, ref: AttributeRef) -> Data:
        """Return one attribute."""

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        """Return attributes in the order asked."""


@dataclass(slots=True)
class Cycle:
    """What one cycle brought. ``lost``: the error that ended it, to be recovered from by the caller."""

    ts_ms: int = 0
    boot_ms: int = 0
    duration_ms: int = 0
    quantities: list[Quantity] = field(default_factory=list)
    errors: dict[str, BridgeError] = field(default_factory=dict)
    lost: BridgeError | None = None

    def failures(self) -> tuple[Failure, ...]:
        """Return what was asked for and not obtained, by name."""
        return tuple(Failure(key, error.kind) for key, error in self.errors.items())


class _Lost(Exception):
    """Carries the error that ends a cycle out of the retries."""

    def __init__(self, error: BridgeError) -> None:
        super().__init__(error.detail)
        self.error = error


Answer = Data | BridgeError
Question = tuple[Measurement, AttributeRef]


class Reader:
    """Reads one meter through one session; knows what it does not have, and how its registers are scaled."""

    def __init__(self, session: Asked, clock: Clock, scalers: ScalerCache) -> None:
        self._session = session
        self._clock = clock
        self._scalers = scalers
        self._dropped: set[AttributeRef] = set()
        self._blames: Counter[AttributeRef] = Counter()
        self._shunned: dict[AttributeRef, float] = {}
        self._list_failures = 0

    def associated(self) -> dict[str, str]:
        """A new association: ask who the meter is, forget what it did not have; return its facts.

        Raises what ended the link.
        """
        self._dropped.clear()
        try:
            facts = {"serial_number": self._fact(SERIALS), "firmware_version": self._fact(FIRMWARES)}
        except _Lost as lost:
            raise lost.error from None
        if not self._scalers.associated(facts["serial_number"], facts["firmware_version"]):
            log.info("scalers are read anew serial=%s firmware=%s", *facts.values())
        return facts

    def _fact(self, places: Sequence[Obis]) -> str:
        """Return the first text that the meter has at one of these places, empty where it has none."""
        for obis in places:
            answer = self._ask(AttributeRef(1, obis, 2))
            if isinstance(answer, Data):
                value = answer.value
                return (octets_text(value) if isinstance(value, bytes) else str(raw_value(answer)))[:MAX_FACT]
        return ""

    def wanted(self, measurements: Sequence[Measurement]) -> list[Measurement]:
        """Return the measurements that the meter is not known to lack, and that do not cost us the association."""
        now = self._clock.monotonic()
        self._shunned = {ref: until for ref, until in self._shunned.items() if until > now}
        left_out = self._dropped | self._shunned.keys()
        return [item for item in measurements if _value_ref(item) not in left_out]

    def read(self, measurements: Sequence[Measurement]) -> Cycle:
        """Return what the meter answers; never raises for what a meter does."""
        cycle = Cycle()
        started = self._clock.monotonic()
        try:
            scalings = self._scalings(measurements, cycle)
            askable = [item for item in measurements if item.key not in cycle.errors]
            started = self._clock.monotonic()
            cycle.ts_ms, cycle.boot_ms = self._clock.wall_ms(), self._clock.boottime_ms()
            self._values(askable, scalings, cycle)
        except _Lost as lost:
            cycle.lost = lost.error
        cycle.duration_ms = round((self._clock.monotonic() - started) * 1000)
        got = {item.key for item in cycle.quantities}
        for item in measurements:
            if cycle.lost and item.key not in got:
                cycle.errors.setdefault(item.key, cycle.lost)
        return cycle

    def _scalings(self, measurements: Sequence[Measurement], cycle: Cycle) -> dict[str, ScalerUnit]:
        """Return scaler and unit by key; ask only for those that are not known. What cannot be had fails its key."""
        scalings: dict[str, ScalerUnit] = {}
        unknown: list[Question] = []
        for item in measurements:
            ref = _scaler_ref(item)
            if ref is None:
                continue
            if known := self._scalers.look_up(ref):
                scalings[item.key] = known
            else:
                unknown.append((item, ref))
        for (item, ref), answer in self._answers(unknown):
            found = _scaling(answer)
            if isinstance(found, ScalerUnit):
                self._scalers.keep(ref, found)
                scalings[item.key] = found
            else:
                self._fail(item, found, cycle)
        return scalings

    def _values(self, measurements: Sequence[Measurement], scalings: dict[str, ScalerUnit], cycle: Cycle) -> None:
        """Read the values; each is kept as it comes, so that a link that breaks costs only the rest."""
        for (item, _), answer in self._answers([(item, _value_ref(item)) for item in measurements]):
            self._take(item, answer, scalings, cycle)

    def _take(self, item: Measurement, answer: Answer, scalings: dict[str, ScalerUnit], cycle: Cycle) -> None:
        if isinstance(answer, BridgeError):
            self._fail(item, answer, cycle)
            return
        try:
            cycle.quantities.append(quantity(item, answer, scalings.get(item.key)))
        except BridgeError as error:
            self._fail(item, error, cycle)

    def _fail(self, item: Measurement, error: BridgeError, cycle: Cycle) -> None:
        cycle.errors[item.key] = error
        ref = _value_ref(item)
        if step_after(error) is Step.DROP and ref not in self._dropped:
            self._dropped.add(ref)
            log.warning("%s (%s) is left out until the next association: %s", item.key, item.obis, error.detail)

    def _answers(self, questions: Sequence[Question]) -> Iterator[tuple[Question, Answer]]:
        """Yield the answers in the order asked: from one list where the meter takes lists, else as each comes."""
        lists = self._session.takes_lists and self._list_failures < LIST_FAILURES
        if lists and len(questions) > 1:
            yield from zip(questions, self._listed([ref for _, ref in questions]), strict=True)
            return
        for item, ref in questions:
            yield (item, ref), self._ask_for(item, ref)

    def _listed(self, refs: Sequence[AttributeRef]) -> list[Answer]:
        try:
            answers = self._session.get_many(refs)
        except BridgeError as error:
            self._list_failures += 1
            raise _Lost(error) from None
        self._list_failures = 0
        return [
            self._again(ref) if isinstance(answer, BridgeError) and step_after(answer) is Step.RETRY else answer
            for ref, answer in zip(refs, answers, strict=True)
        ]

    def _ask_for(self, item: Measurement, ref: AttributeRef) -> Answer:
        """Ask for a quantity; one that costs the association BLAMES times in a row is shunned for an hour."""
        try:
            answer = self._ask(ref)
        except _Lost as lost:
            if step_after(lost.error) is Step.REASSOCIATE:
                self._blame(item, lost.error)
            raise
        self._blames.pop(_value_ref(item), None)
        return answer

    def _blame(self, item: Measurement, error: BridgeError) -> None:
        blamed = _value_ref(item)
        self._blames[blamed] += 1
        if self._blames[blamed] >= BLAMES:
            del self._blames[blamed]
            self._shunned[blamed] = self._clock.monotonic() + SHUNNED_S
            log.warning("%s (%s) is left out for an hour, it costs the association: %s", item.key, item.obis, error)

    def _ask(self, ref: AttributeRef) -> Answer:
        """Return the answer, or the error that concerns this attribute alone; a failed read is made once more."""
        answer = self._once(ref)
        if isinstance(answer, BridgeError) and step_after(answer) is Step.RETRY:
            return self._again(ref)
        return answer

    def _again(self, ref: AttributeRef) -> Answer:
        self._clock.sleep(RETRY_DELAY_S)
        return self._once(ref)

    def _once(self, ref: AttributeRef) -> Answer:
        try:
            return self._session.get(ref)
        except BridgeError as error:
            if step_after(error) in {Step.RETRY, Step.DROP}:
                return error
            raise _Lost(error) from None


def _value_ref(item: Measurement) -> AttributeRef:
    return _ref(item.class_id, item.obis, item.attribute)


def _scaler_ref(item: Measurement) -> AttributeRef | None:
    attribute = scaler_attribute(item.class_id, item.attribute)
    return None if attribute is None else _ref(item.class_id, item.obis, attribute)


@lru_cache(MAX_REFS)
def _ref(class_id: int, obis: str, attribute: int) -> AttributeRef:
    return AttributeRef(class_id, Obis.parse(obis), attribute)


def _scaling(answer: Answer) -> ScalerUnit | BridgeError:
    if isinstance(answer, BridgeError):
        return answer
    try:
        return scaler_unit(answer)
    except BridgeError as error:
        return error
