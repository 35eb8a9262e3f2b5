"""meterctl init: a state directory that everything else can start from. Doing it twice changes nothing.

In: the state directory. Out: its directories, the master key, the store at this program's schema, a settings file that
names every default, and, when the store knows no token yet, the first admin token, which is shown once.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_pairs
from admin_api.cli.parts import source_of
from common import settings as configuration
from common.clock import SystemClock
from common.errors import BridgeError
from common.paths import Paths
from common.secret import Secret
from common.settings import CONFIG_NAME, PREFIX, Settings
from common.store.engine import Store, open_store
from common.store.model import Role
from common.store.upgrading import save_before
from common.vault import Vault

BACKUPS: Final = "backups"
FIRST_TOKEN: Final = "first token, made by meterctl init"  # noqa: S105  # a label


@dataclass(frozen=True, slots=True)
class Prepared:
    """A state directory ready for use. ``token``: made just now, None when there was one.

    ``saved``: where the store is as it was before it was upgraded, or why it is not; empty where it was not upgraded.
    """

    settings: Settings
    store: Store
    token: Secret | None
    saved: str = ""


def prepare(state: str | None) -> Prepared:
    """Make what is missing of a state directory; raise BadSettings, BadKey, UnsafeDirectory, StoreUnavailable …"""
    settings = configuration.load(state)
    settings.paths.make()
    vault = Vault.create(settings.paths.master_key)
    saved = _saved(settings)
    store = open_store(settings.store_url, vault)
    store.upgrade()
    config = settings.paths.root / CONFIG_NAME
    if not config.exists():
        config.write_text(template(), encoding="utf-8")
        config.chmod(0o600)
    token = None if any(found.revoked_at is None for found in store.tokens.list()) else _first_token(store)
    return Prepared(settings, store, token, saved)


def _saved(settings: Settings) -> str:
    """Keep what an upgrade is about to change. One that cannot be kept is no reason to read no meters."""
    try:
        with source_of(settings) as source:
            path = save_before(source, settings.paths.root / BACKUPS, SystemClock().wall_ms())
    except (BridgeError, OSError) as error:
        return f"the store was upgraded without a backup: {error}"
    return "" if path is None else f"the store was upgraded; as it was before: {path}"


def _first_token(store: Store) -> Secret:
    _, token = store.tokens.create(Role.ADMIN, FIRST_TOKEN, actor="meterctl init")
    return token


def template() -> str:
    """Return the settings file of a new installation: every setting with its default, as a comment."""
    return "\n".join(_template_lines()) + "\n"


def _template_lines() -> Iterator[str]:
    yield "# Settings of dlms-bridge. A line that is not commented out replaces the default it shows."
    yield f"# Variables {PREFIX}<SECTION>_<KEY> replace both. `meterctl config check` tells whether all is well."
    model = Settings(Paths(Path()))
    for section in fields(Settings):
        if section.name == "paths":
            continue
        part = getattr(model, section.name)
        yield f"\n# [{section.name}]"
        for item in fields(part):
            words = item.metadata.get("words")
            choice = f"  # {' | '.join(words)}" if words else ""
            yield f"# {item.name} = {_toml(getattr(part, item.name))}{choice}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else '""' if isinstance(value, Secret) else f'"{value}"'


def main(argv: Sequence[str] | None = None) -> int:
    """Serve `meterctl init`."""
    parser = argparse.ArgumentParser(prog="meterctl init", description="Prepare a state directory.")
    parser.add_argument("--state", metavar="DIR", help="state directory (else DLMS_BRIDGE_STATE, else ./state)")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    words = parser.parse_args(argv)
    prepared = prepare(words.state)
    prepared.store.close()
    if prepared.saved:
        sys.stderr.write(f"{prepared.saved}\n")
    root = prepared.settings.paths.root
    config = os.environ.get(f"{PREFIX}CONFIG") or str(root / CONFIG_NAME)
    token = None if prepared.token is None else prepared.token.reveal()
    if words.json:
        show_json({"state": str(root), "settings": config, "token": token})
        return Outcome.DONE
    made = "made before (`meterctl token create` makes another)" if token is None else f"{token}   (shown this once)"
    show_pairs({"state directory": str(root), "settings": config, "admin token": made})
    return Outcome.DONE
