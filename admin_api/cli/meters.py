"""meterctl add, edit, remove: the meters of this installation, as wishes."""

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import confirmed, yes_option
from admin_api.cli.named import meter_argument, meters_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.wishes import body, wish_options
from admin_api.completing import changed_meter, new_meter
from admin_api.documents import meter_document
from admin_api.schemas.meters import MeterChange, NewMeter
from common.errors import Hopeless
from common.meter_state import DesiredState


class NothingToChange(Hopeless):
    """An edit that says nothing."""


@click.command()
@click.argument("name")
@wish_options
@click.option("--paused", is_flag=True, help="Add it, but leave the meter alone until it is resumed.")
@shared_options
def add(name: str, paused: bool, as_json: bool, **options: object) -> int:
    """Add a meter; its readings are at the broker within five seconds.

    Without further options it is read as a Microstar meter's public client: HDLC, port 3333, no password.
    """
    if options["ip_address"] is None:
        raise click.MissingParameter(param_hint="--host", param_type="option")
    desired = DesiredState.PAUSED if paused else DesiredState.RUNNING
    wish = new_meter(NewMeter.read({"name": name, "desired_state": desired, **body(options)}))
    with opened() as store:
        meter = store.meters.add(wish, actor())
        state = store.states.get(meter.uid)
    if as_json:
        show_json(meter_document(meter, state))
    else:
        show_line(f"{name}: added as number {meter.id}, uid {meter.uid.hex()}")
    return Outcome.DONE


@click.command()
@meter_argument
@click.option("--name", help="Call it so from now on; readings on their way keep the old name.")
@wish_options
@click.option("--revision", type=int, help="Only if the meter still has this revision.")
@shared_options
def edit(meter_id: str, name: str | None, revision: int | None, as_json: bool, **options: object) -> int:
    """Change what is wished of a meter; what is not named stays."""
    if name is None and all(value is None or value == () for value in options.values()):
        raise NothingToChange("name at least one option; `meterctl edit --help` lists them")

    with opened() as store:
        found = store.meters.find(meter_id)
        options["model"] = options["model"] or found.wish.model
        changes = MeterChange.read(body(options) | ({} if name is None else {"name": name}))
        meter = store.meters.edit(
            found.id, lambda wish: changed_meter(changes, wish), actor(), expected_revision=revision
        )
        state = store.states.get(meter.uid)
    if as_json:
        show_json(meter_document(meter, state))
    else:
        show_line(f"{meter.wish.name}: revision {meter.revision}")
    return Outcome.DONE


@click.command()
@meters_argument
@click.option("--purge", is_flag=True, help="Drop what still waits to be delivered; it is counted as dropped.")
@yes_option
@shared_options
def remove(ids: tuple[str, ...], purge: bool, yes: bool, as_json: bool) -> int:
    """Remove meters; what they have read is delivered first, unless it is purged."""
    with opened() as store:
        found = [store.meters.find(text) for text in ids]
        names = ", ".join(meter.wish.name for meter in found)
        if not confirmed(f"Remove {names}{' and drop what waits of them' if purge else ''}?", yes=yes):
            return Outcome.FAILED
        for meter in found:
            store.meters.remove(meter.id, actor(), purge=purge)
            if as_json:
                show_json({"id": meter.id, "uid": meter.uid.hex(), "name": meter.wish.name, "removed": True})
            else:
                show_line(f"{meter.wish.name}: removed")
    return Outcome.DONE
