"""meterctl run: the whole product in the foreground, until Ctrl-C or SIGTERM; then none of it is left.

In: a state directory, prepared if it is not. Out: an exit code of ``common.process.Exit``, and where to look on the
terminal. One state directory has one run: the lock is shared with supervisord, so that it outlives us as long as that.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from admin_api.cli import broker, embedded
from admin_api.cli.alone import AlreadyRunning, locked
from admin_api.cli.init import Prepared, prepare
from admin_api.cli.keeper import Keeper, Spent
from admin_api.cli.notify import STOPPING, Notifier
from admin_api.cli.output import show_error, show_line
from admin_api.cli.product import DidNotStart, Product
from admin_api.cli.watch import Watch
from admin_api.listening import check as check_listening
from admin_api.listening import speaks_tls
from common import settings as configuration
from common.clock import Clock, SystemClock
from common.errors import Again, BridgeError, Hopeless
from common.process import Exit, StopFlag
from common.settings import Settings

LOOK_S: Final = 0.5


class PortTaken(Hopeless):
    """Something else listens where one of our programs should."""


def run(state: str | None, *, with_embedded: bool, quiet: bool, clock: Clock) -> int:
    """Run until a signal; raise what keeps the product from starting or going on."""
    with locked(configuration.load(state).paths) as lock:
        prepared = prepare(state)
        if with_embedded:
            embedded.settle(prepared.settings, prepared.store, broker.protocol)
        prepared.store.close()
        settings = configuration.load(state)
        if prepared.saved:
            show_line(prepared.saved)
        stop = StopFlag()
        stop.install()
        product = Product(settings, clock)
        product.sweep()
        check_ports(settings)
        notifier = Notifier.taken_from(os.environ)
        try:
            product.start(lock)
            for line in where_to_look(settings, prepared):
                show_line(line)
            keeper = Keeper(product, clock, lock, notifier, show_line)
            _wait(keeper, stop, clock, _watch(settings) if not quiet else None)
        finally:
            notifier.tell(STOPPING)
            show_line("stopping")
            lost = product.stop()
        show_line("stopped" if not lost else f"stopped; {lost} processes had lost their supervisord")
    return Exit.OK


def _watch(settings: Settings) -> Watch | None:
    """Return a subscription to our own embedded broker: anybody else's is not ours to listen to."""
    if not settings.embedded.broker or settings.mqtt.mode != "generic":
        return None
    show_line("the latest readings, as they arrive at the broker:")
    return Watch(settings.mqtt.host, settings.mqtt.port, _topic_filter(settings))


def _wait(keeper: Keeper, stop: StopFlag, clock: Clock, watch: Watch | None) -> None:
    while not stop.is_set:
        keeper.look()
        if watch is None or not watch.wait(LOOK_S):
            clock.sleep(LOOK_S)
    if watch is not None:
        watch.close()


def check_ports(settings: Settings) -> None:
    """Raise PortTaken when something else has a port of ours, BadSettings when the API may not listen there."""
    check_listening(settings)
    wanted = [("api", settings.api.host, settings.api.port)]
    if settings.embedded.broker:
        wanted.append(("embedded broker", embedded.LOOPBACK, settings.embedded.broker_port))
    first = settings.embedded.simulator_port
    wanted += [("simulator", embedded.LOOPBACK, first + n) for n in range(settings.embedded.simulator_meters)]
    for name, host, port in wanted:
        if not embedded.is_free(host, port):
            raise PortTaken(f"{name}: {host}:{port} is taken by another program; name another port in the settings")


def _topic_filter(settings: Settings) -> str:
    """Return the topic template with a wildcard for each level that is filled in."""
    return "/".join("+" if "{" in level else level for level in settings.mqtt.topic.split("/"))


def _command() -> str:
    """Return how this installation's meterctl is called from the working directory."""
    script = Path(sys.executable).with_name("meterctl")
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)


def where_to_look(settings: Settings, prepared: Prepared) -> Iterator[str]:
    """Give the lines that tell a newcomer where everything is."""
    mqtt, api = settings.mqtt, settings.api
    command = f"{_command()} --state {settings.paths.root}"
    yield f"dlms-bridge runs in {settings.paths.root}; Ctrl-C stops all of it"
    if mqtt.mode == "generic":
        yield f"  readings   mosquitto_sub -h {mqtt.host} -p {mqtt.port} -t '{_topic_filter(settings)}' -v"
    yield f"             {command} follow"
    yield f"  meters     {command} list | status ID | add NAME --host HOST"
    scheme = "https" if speaks_tls(settings) else "http"
    yield f"  API        {scheme}://{api.host}:{api.port}/api/meters   (health: /health, metrics: /metrics)"
    if prepared.token is not None:
        yield f"  token      {prepared.token.reveal()}   (admin; shown this once: Authorization: Bearer …)"
    else:
        yield f"  token      shown at the first start; another: {command} token create"
    yield f"  logs       {settings.paths.log}"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve `meterctl run`."""
    parser = argparse.ArgumentParser(prog="meterctl run", description="Run everything in the foreground.")
    parser.add_argument("--state", metavar="DIR", help="state directory (else DLMS_BRIDGE_STATE, else ./state)")
    parser.add_argument(
        "--embedded", action="store_true", help="on the first run: a broker of its own, if none is set, and 3 meters"
    )
    parser.add_argument("--quiet", action="store_true", help="do not show the readings at the embedded broker")
    words = parser.parse_args(argv)
    try:
        return run(words.state, with_embedded=words.embedded, quiet=words.quiet, clock=SystemClock())
    except BridgeError as error:
        show_error(error, as_json=False)
        return exit_code(error)


def exit_code(error: BridgeError) -> Exit:
    """Return what whoever started us is told: systemd starts nothing again that only a person can mend."""
    if isinstance(error, AlreadyRunning | PortTaken):
        return Exit.LOCK_HELD
    return Exit.BUG if isinstance(error, Spent | DidNotStart | Again) else Exit.BAD_CONFIGURATION
