"""``dlms-publisher``: wires the publisher's parts and runs them until a stop signal.

Exit codes: 0 stopped, 75 another publisher holds this outbox, 78 bad settings, 70 a defect or a failed outbox (the
process manager starts it again).
"""

import argparse
import fcntl
import logging
import os
import random
import secrets
import sys
from pathlib import Path
from typing import Final

from common import logs, settings
from common.bus import PublisherBus
from common.clock import SystemClock, boot_id
from common.errors import BridgeError, Hopeless
from common.process import Exit, StopFlag, settle, tidy
from publisher.adoption import Adoption
from publisher.connection import Limits
from publisher.dialler import Dialler
from publisher.intake import Intake
from publisher.outbox import Outbox
from publisher.pump import Parts, Pump
from publisher.route_file import RouteFile

PATIENCE_S: Final = 2.0  # for acknowledgements after SIGTERM
INSTANCE_SIZE: Final = 8
LOCK_NAME: Final = "publisher.lock"
_log = logging.getLogger(__name__)


class LockHeld(Hopeless):
    """Another publisher works on this outbox."""


def main(argv: list[str] | None = None) -> int:
    """Run the publisher; return its exit code."""
    parser = argparse.ArgumentParser(prog="dlms-publisher", description="From the bus to the broker, by way of disk.")
    parser.add_argument("--state", help="state directory (default: $DLMS_BRIDGE_STATE, else ./state)")
    arguments = parser.parse_args(argv)
    logs.start()
    stop = StopFlag()
    stop.install()
    try:
        found = settings.load(arguments.state)
        logs.hide(found.secrets)
        return _run(found, stop)
    except LockHeld as error:
        _log.error("%s: %s", error.kind, error.detail)  # the text says it all
        return Exit.LOCK_HELD
    except settings.BadSettings as error:
        _log.error("%s: %s", error.kind, error.detail)
        return Exit.BAD_CONFIGURATION
    except BridgeError as error:
        _log.exception("%s: %s", error.kind, error.detail)
        return Exit.BUG
    except Exception:
        _log.exception("defect")
        return Exit.BUG


def _run(options: settings.Settings, stop: StopFlag) -> int:
    options.paths.make()
    lock = _locked(options.paths.outbox / LOCK_NAME)
    clock, instance = SystemClock(), secrets.token_bytes(INSTANCE_SIZE)
    bounds = options.outbox
    outbox = Outbox.open(
        options.paths.outbox, clock, boot_id(), max_age_s=bounds.max_age_s, max_octets=bounds.max_octets
    )
    bus = PublisherBus(options.paths.sockets)
    intake = Intake(outbox, bus, clock, instance)
    adoption = Adoption(options.paths.journal, outbox, intake, clock, boot_id())
    limits = Limits(bounds.in_flight, bounds.puback_timeout_s)
    routes, chance = RouteFile(options.paths.routes), random.SystemRandom().random
    pump = Pump(Parts(bus, outbox, intake, adoption, routes, Dialler(), limits, clock, instance, chance, tidy))
    settle()
    _log.info("started pid=%d instance=%s", os.getpid(), instance.hex())
    while not stop.is_set and not stop.orphaned():
        pump.turn()
    pump.close(0.0 if stop.orphaned() else PATIENCE_S)
    bus.close()
    outbox.close()
    os.close(lock)
    _log.info("stopped")
    return Exit.OK


def _locked(path: Path) -> int:
    """Return the handle that holds the lock until the process ends; raise LockHeld."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise LockHeld(f"{path} is locked by another publisher") from None
    return handle


if __name__ == "__main__":
    sys.exit(main())
