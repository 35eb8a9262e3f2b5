"""The texts by which causes are found, against the classes and tables that they name."""

from types import ModuleType

import pytest

from admin_api.causes.names import KINDS, METER_ALARMS, SYSTEM_ALARMS
from common.errors import BridgeError
from common.journal_files import LockHeld
from common.json_record import BadFile
from poller import errors as worker_errors
from poller.dlms import errors as dlms_errors
from poller.recovery import STEPS, Cause
from supervisor_qos.alarms import SEVERITIES
from supervisor_qos.judged import REASONS


def _leaves(module: ModuleType) -> set[str]:
    found = (item for item in vars(module).values() if isinstance(item, type) and issubclass(item, BridgeError))
    return {item.kind for item in found if item.__module__ == module.__name__}


KNOWN = {
    *_leaves(worker_errors),
    *_leaves(dlms_errors),
    *(error.kind for error in STEPS),
    *(LockHeld.kind, BadFile.kind, "circuit_breaker"),
    *map(str, Cause),
    *REASONS.values(),
}
ORDERS_ALONE = {"withdrawn"}  # ends what a person asked for, never a link


@pytest.mark.parametrize("kind", sorted(KNOWN - ORDERS_ALONE))
def test_every_error_that_may_be_the_cause_of_a_state_has_a_row(kind: str) -> None:
    assert kind in KINDS


def test_every_category_of_alarms_has_a_row_of_a_meter_or_of_the_system() -> None:
    assert set(SEVERITIES) - set(METER_ALARMS) - set(SYSTEM_ALARMS) == set()
