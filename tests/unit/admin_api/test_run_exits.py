"""What `meterctl run` tells whoever started it: what may pass is started again, what a person has to mend is not."""

import pytest

from admin_api.cli.alone import AlreadyRunning
from admin_api.cli.keeper import Spent
from admin_api.cli.product import DidNotStart
from admin_api.cli.run import PortTaken, exit_code
from common.errors import BridgeError
from common.process import Exit
from common.settings import BadSettings
from common.store.errors import StoreDamaged, StoreUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AlreadyRunning("here"), Exit.LOCK_HELD),
        (Spent("too often"), Exit.BUG),
        (DidNotStart("not within 15 s, on a machine that is starting"), Exit.BUG),
        (StoreUnavailable("the disk is full"), Exit.BUG),
        (StoreDamaged("no copy"), Exit.BAD_CONFIGURATION),
        (BadSettings("[mqtt] port"), Exit.BAD_CONFIGURATION),
        (PortTaken("api"), Exit.LOCK_HELD),
    ],
    ids=lambda value: value.kind if isinstance(value, BridgeError) else "",
)
def test_what_may_pass_is_started_again(error: BridgeError, code: Exit) -> None:
    assert exit_code(error) is code
