"""meterctl config: whether the settings file and the environment are right, before anything starts."""

import json
from dataclasses import fields, is_dataclass

import click

from admin_api.addresses import networks
from admin_api.cli.access import settings, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_pairs
from admin_api.listening import check as check_listening
from common.notify_urls import urls
from common.secret import Secret


@click.group()
def config() -> None:
    """Check the settings."""


@config.command()
@shared_options
def check(as_json: bool) -> int:
    """Read settings as every program does and show them, secrets hidden; a wrong one is named."""
    found = settings()
    urls(found)
    check_listening(found)
    networks(found.api.trusted_proxies)
    names = [item.name for item in fields(found) if item.name != "paths"]
    sections = {name: _table(getattr(found, name)) for name in names}
    if as_json:
        show_json({"state": str(found.paths.root), **sections})
        return Outcome.DONE
    show_line(f"# state directory: {found.paths.root}")
    for name, table in sections.items():
        show_line(f"[{name}]")
        show_pairs({key: f"= {json.dumps(value)}" for key, value in table.items()})
    return Outcome.DONE


def _table(section: object) -> dict[str, object]:
    """Return a section's settings by name; a secret that is set shows as asterisks."""
    if not is_dataclass(section):
        return {}
    values = {item.name: getattr(section, item.name) for item in fields(section)}
    return {
        name: (str(value) if value else "") if isinstance(value, Secret) else value for name, value in values.items()
    }
