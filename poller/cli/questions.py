"""Attributes asked over an open session, with scalers, once more where that helps, and with lists where they are taken.

In: attributes. Out: a result for each, in the order given; errors on standard error. A link that breaks is the error of
all that follow.
"""

from collections.abc import Iterable, Sequence

from common.clock import SystemClock
from common.errors import BridgeError
from poller.cli.complaints import complain
from poller.cli.items import Result
from poller.dlms.conversation import AttributeRef
from poller.dlms.cosem import ScalerUnit, scaler_attribute, scaler_unit
from poller.dlms.data import Data
from poller.dlms.errors import ObjectUnavailable
from poller.recovery import RETRY_DELAY_S, Step, step_after
from poller.session import Session


class Questions:
    """What is asked of one meter in one session."""

    def __init__(self, session: Session, *, as_json: bool = False) -> None:
        self._session = session
        self._as_json = as_json
        self._clock = SystemClock()
        self._listed: dict[AttributeRef, Data] = {}
        self._broken: BridgeError | None = None
        self._scalings: dict[AttributeRef, Data | BridgeError] = {}

    def ask_all(self, items: Sequence[AttributeRef]) -> list[Result]:
        """Return a result for each item, in the order given; say on stderr what went wrong."""
        if self._session.takes_lists and len(items) > 1:
            self._ask_lists(dict.fromkeys(ref for item in items for ref in (item, *_scaler(item))))
        results = [self._result(ref) for ref in items]
        for result in results:
            if isinstance(result.answer, BridgeError):
                complain(result.answer, str(result.ref.obis), as_json=self._as_json)
        return results

    def _ask_lists(self, refs: Iterable[AttributeRef]) -> None:
        """Ask for all at once; what fails is asked again by itself, so that its error is its own."""
        asked = list(refs)
        try:
            answers = self._session.get_many(asked)
        except BridgeError as error:
            self._after(error)
            return
        self._listed = {ref: answer for ref, answer in zip(asked, answers, strict=True) if isinstance(answer, Data)}

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
        for ref in _scaler(value):
            if ref not in self._scalings:
                self._scalings[ref] = self._ask(ref)
            return self._scaled(self._scalings[ref])
        return None

    @staticmethod
    def _scaled(answer: Data | BridgeError) -> ScalerUnit | None:
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
        if ref in self._listed:
            return self._listed.pop(ref)
        if self._broken is not None:
            return self._broken
        try:
            return self._session.get(ref)
        except BridgeError as error:
            self._after(error)
            return error

    def _after(self, error: BridgeError) -> None:
        """Do what an error asks for: associate anew, or ask nothing more."""
        if step_after(error) is Step.REASSOCIATE:
            self._associate()
        elif step_after(error) not in {Step.RETRY, Step.DROP}:
            self._broken = error

    def _associate(self) -> None:
        try:
            self._session.associate()
        except BridgeError as error:
            self._broken = error


def _scaler(value: AttributeRef) -> tuple[AttributeRef, ...]:
    """Return the attribute that scales a value, none where nothing does."""
    attribute = scaler_attribute(value.class_id, value.attribute)
    return () if attribute is None else (AttributeRef(value.class_id, value.obis, attribute),)
