"""dlms-notifier --state DIR: wires the notifier and runs it until it is told to stop.

Exit codes: 0 told to stop, 70 a bug, 78 settings, master key or store are not usable.
"""

import argparse
import logging

from common import logs
from common import settings as configuration
from common.clock import SystemClock
from common.errors import BridgeError
from common.notify_urls import urls
from common.process import Exit, StopFlag
from common.store.engine import open_from_settings
from supervisor_qos.notifier.courier import AppriseCourier
from supervisor_qos.notifier.loop import Notifier

_log = logging.getLogger(__name__)


def run(state: str | None) -> int:
    """Run until told to stop; raise what keeps it from it."""
    settings = configuration.load(state)
    logs.hide((*settings.secrets, *(url.reveal().encode() for url in urls(settings))))
    stop = StopFlag()
    stop.install()
    store = open_from_settings(settings)
    _log.info("started state=%s", settings.paths.root)
    Notifier(settings, store, SystemClock(), AppriseCourier()).run(stop)
    store.close()
    _log.info("stopped")
    return Exit.OK


def main(argv: list[str] | None = None) -> int:
    """Serve the console script."""
    parser = argparse.ArgumentParser(prog="dlms-notifier", description="Tells people of alarms.")
    parser.add_argument("--state", help="state directory (default: $DLMS_BRIDGE_STATE, else ./state)")
    arguments = parser.parse_args(argv)
    logs.start()
    try:
        return run(arguments.state)
    except BridgeError as error:
        _log.error("%s: %s", error.kind, error.detail)
        return Exit.BAD_CONFIGURATION
    except Exception:
        _log.exception("a bug ended the notifier")
        return Exit.BUG
