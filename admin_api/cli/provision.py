"""meterctl provision: a device in ThingsBoard for each meter, its access token in the meter's wish.

In: a server, a tenant's user, meters. Out: devices there; here host, port, device name and token of each meter. Done
twice it changes nothing. Each meter counts for itself: one that fails does not keep the others from their turn.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import timeout_option
from admin_api.cli.named import any_meters_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_error, show_json, show_line
from admin_api.cli.progress import progress
from admin_api.cli.wishes import secret_file
from admin_api.thingsboard import TIMEOUT_S, ThingsBoard, ThingsBoardAnswer, ThingsBoardAway
from common.errors import Hopeless
from common.secret import Secret

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import Meter, MeterWish

MQTT_PORT: Final = 1883


@dataclass(frozen=True, slots=True)
class Target:
    """Where the meters' readings go afterwards, and of what profile new devices are."""

    host: str
    port: int
    profile: str
    dry_run: bool


@click.command()
@any_meters_argument
@click.option("--url", required=True, help="The server: https://HOST[:PORT].")
@click.option("--user", required=True, help="A tenant administrator, mostly an e-mail address.")
@click.option("--password-file", metavar="FILE", help="Its first line is the password; else it is asked for.")
@click.option("--profile", default="default", show_default=True, help="The device profile of new devices.")
@click.option("--mqtt-host", help="Where devices speak MQTT; else the server's host.")
@click.option("--mqtt-port", type=click.IntRange(1, 65_535), default=MQTT_PORT, show_default=True, help="Its port.")
@click.option("--insecure", is_flag=True, help="Send the password over http to another machine.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@timeout_option(TIMEOUT_S)
@shared_options
def provision(
    *,
    ids: tuple[str, ...],
    url: str,
    user: str,
    password_file: str | None,
    profile: str,
    mqtt_host: str | None,
    mqtt_port: int,
    insecure: bool,
    dry_run: bool,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Make a device in ThingsBoard for each meter named, or for all, and give the meter its access token.

    The readings of these meters then go there instead of to the broker of [mqtt]. What is there is taken as it is.
    """
    with closing(ThingsBoard(url, insecure=insecure, timeout_s=timeout_s)) as server:
        server.log_in(user, _password(password_file))
        target = Target(mqtt_host or server.host, mqtt_port, profile, dry_run)
        return _provision(ids, server, target, as_json=as_json)


def _provision(ids: Sequence[str], server: ThingsBoard, target: Target, *, as_json: bool) -> int:
    failed = 0
    with opened() as store:
        meters = [store.meters.find(text) for text in ids] if ids else store.meters.list()
        with progress("provisioning", len(meters), quiet=as_json) as tell:
            for number, meter in enumerate(meters, 1):
                failed += not _provisioned(store, meter, server, target, as_json=as_json)
                tell(number)
    return Outcome.FAILED if failed else Outcome.DONE


def _provisioned(store: "Store", meter: "Meter", server: ThingsBoard, target: Target, *, as_json: bool) -> bool:
    """Provision one meter and say so; return whether it was done."""
    name = meter.wish.tb_device_name or meter.wish.name
    try:
        device = server.device(name)
        outcome = "found" if device else "would be created" if target.dry_run else "created"
        if device is None and not target.dry_run:
            device = server.create(name, target.profile)
        changed = False
        if device is not None:
            change = _with(target, name, server.access_token(device))
            changed = change(meter.wish) != meter.wish
            if changed and not target.dry_run:
                store.meters.edit(meter.id, change, actor())
    except (ThingsBoardAnswer, ThingsBoardAway, Hopeless) as error:
        show_error(error, as_json=as_json)
        return False
    told = {"meter": meter.wish.name, "device": name, "device_id": device.id if device else None}
    if as_json:
        show_json({**told, "outcome": outcome, "changed": changed, "dry_run": target.dry_run})
    else:
        show_line(f"{meter.wish.name}: device {name!r} {outcome}{', token written' if changed else ''}")
    return True


def _with(target: Target, name: str, token: Secret) -> "Callable[[MeterWish], MeterWish]":
    """Return the change that sends a meter's readings to its device."""

    def change(wish: "MeterWish") -> "MeterWish":
        return replace(
            wish, tb_enabled=True, tb_host=target.host, tb_port=target.port, tb_token=token, tb_device_name=name
        )

    return change


def _password(file: str | None) -> Secret:
    if file is not None:
        return secret_file(Path(file))
    return Secret(str(click.prompt("Password of ThingsBoard", hide_input=True, err=True)))
