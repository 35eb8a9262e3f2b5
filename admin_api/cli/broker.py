"""The embedded broker: Mosquitto where the machine has it, else a pip-installable one; on loopback, no passwords.

In: settings. Out: a process that is the broker (Mosquitto replaces this one) until SIGTERM. A program of supervisord,
not a command for people: production uses a broker of its own, by configuration.
"""

import argparse
import os
import pwd
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol, cast

from admin_api.cli.embedded import LOOPBACK
from common import settings as configuration
from common.errors import BridgeError, Hopeless
from common.files import write_atomically
from common.paths import make_private
from common.process import Exit
from common.settings import Settings

FALLBACK: Final = "iotcore"  # PyPI; extra ``broker``
MAX_PAYLOAD: Final = 1 << 20  # octets; its own default of 20 480 ends the session of a packet of backlog
MAX_IN_FLIGHT: Final = 100
EXTRA_PATH: Final = ("/usr/sbin", "/usr/local/sbin")  # where Debian puts it, on few users' PATH


class NoBroker(Hopeless):
    """There is no broker to run: neither Mosquitto nor the package is installed, or it cannot do what is asked."""


class _FallbackBroker(Protocol):
    def run_forever(self) -> None:
        """Serve until the process ends."""


def mosquitto(settings: Settings) -> str | None:
    """Return where Mosquitto is; None where it is not, or is not wanted."""
    if settings.embedded.broker_kind == "package":
        return None
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), *EXTRA_PATH)))


def protocol(settings: Settings, package: str = FALLBACK) -> str:
    """Return the newest MQTT that the broker found here speaks on the port that everybody uses; raise NoBroker."""
    if mosquitto(settings):
        return "5"
    if settings.embedded.broker_kind != "mosquitto" and find_spec(package):
        return "3.1.1"
    raise NoBroker("no broker: install Mosquitto, or `pip install 'dlms-bridge[broker]'`, or name one in [mqtt]")


def mosquitto_conf(settings: Settings, user: str) -> str:
    """Return Mosquitto's configuration; what it keeps (retained messages, sessions) lies in the state directory."""
    return f"""\
# made at each start of the embedded broker: changes are lost
listener {settings.embedded.broker_port} {LOOPBACK}
allow_anonymous true
user {user}
persistence true
persistence_location {directory(settings)}/
max_inflight_messages {MAX_IN_FLIGHT}
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


def directory(settings: Settings) -> Path:
    """Return where the embedded broker keeps what it must not forget."""
    return settings.paths.root / "broker"


def serve(settings: Settings) -> None:
    """Become the broker; raise NoBroker."""
    make_private(directory(settings))
    program = mosquitto(settings)
    if program is not None:
        conf = settings.paths.run / "mosquitto.conf"
        write_atomically(conf, mosquitto_conf(settings, _user()).encode())
        os.execv(program, [program, "-c", str(conf)])  # noqa: S606  # no shell is wanted
    if settings.mqtt.protocol != protocol(settings):
        raise NoBroker(f'{FALLBACK} speaks MQTT 3.1.1 only: set protocol = "3.1.1" in [mqtt], or install Mosquitto')
    _fallback(settings.embedded.broker_port).run_forever()


def _fallback(port: int) -> _FallbackBroker:
    kind = import_module(f"{FALLBACK}.{FALLBACK}").IotCoreBroker
    made = kind(listen=LOOPBACK, port=port, max_payload_size=MAX_PAYLOAD, max_inflight_count=MAX_IN_FLIGHT)
    return cast("_FallbackBroker", made)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())  # only root's choice matters to Mosquitto


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the program ``broker``."""
    parser = argparse.ArgumentParser(prog="admin_api.cli.broker", description="The embedded broker.")
    parser.add_argument("--state", metavar="DIR")
    try:
        serve(configuration.load(parser.parse_args(argv).state))
    except BridgeError as error:
        print(f"broker: {error.kind}: {error.detail}", file=sys.stderr)
        return Exit.BAD_CONFIGURATION
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
