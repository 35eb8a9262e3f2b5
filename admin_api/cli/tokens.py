"""meterctl token: who may use the API. A token's text is shown once, when it is made."""

import re
from typing import Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import confirmed, yes_option
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table, time_text
from admin_api.documents import iso, token_document
from common.clock import SystemClock

ROLES: Final = ("viewer", "operator", "admin")
NEVER: Final = "never"
YEAR: Final = "365d"
MAX_DAYS: Final = 3650
_UNITS_MS: Final = {"h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_LIFE: Final = re.compile(r"([1-9][0-9]{0,5})([hdw])")


def _life(_context: click.Context, _parameter: click.Parameter, text: str) -> int | None:
    """Return how long a token is good for, in milliseconds; None: for ever."""
    if text == NEVER:
        return None
    found = _LIFE.fullmatch(text)
    life = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < life <= MAX_DAYS * _UNITS_MS["d"]:
        raise click.BadParameter(f"a number with h, d or w, at most {MAX_DAYS}d; or {NEVER}")
    return life


@click.group()
def token() -> None:
    """Make, list and revoke tokens of the API."""


@token.command()
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What its bearer may do.")
@click.option("--label", default="", help="Whose it is; for the list.")
@click.option(
    "--expires", "life_ms", callback=_life, default=YEAR, show_default=True, help=f"When it ends: 12h, 90d, {NEVER}."
)
@shared_options
def create(role: str, label: str, life_ms: int | None, as_json: bool) -> int:
    """Make a token and show it, this once."""
    from common.store.model import Role

    with opened() as store:
        number, text = store.tokens.create(Role(role), label, actor(), life_ms=life_ms)
        made = store.tokens.get(number)
    if as_json:
        document = {
            "id": number,
            "role": role,
            "label": label,
            "expires_at": iso(made.expires_at),
            "token": text.reveal(),
        }
        show_json(document)
    else:
        show_line(text.reveal())
    return Outcome.DONE


@token.command("list")
@shared_options
def list_tokens(as_json: bool) -> int:
    """List all tokens, without their texts."""
    with opened() as store:
        rows = store.tokens.list()
    now = SystemClock().wall_ms()
    if as_json:
        show_json([token_document(row, now) for row in rows])
        return Outcome.DONE
    cells = [
        (
            *(str(row.id), row.role, row.label, row.state(now), time_text(row.created_at)),
            *(time_text(row.expires_at) or NEVER, time_text(row.last_used_at) or NEVER),
        )
        for row in rows
    ]
    show_table(("id", "role", "label", "state", "made", "ends", "last used"), cells)
    return Outcome.DONE


@token.command()
@click.argument("number", metavar="NUMBER", type=int)
@yes_option
@shared_options
def revoke(number: int, yes: bool, as_json: bool) -> int:
    """Make a token worthless from now on."""
    if not confirmed(f"Revoke token {number} for ever?", yes=yes):
        return Outcome.FAILED
    with opened() as store:
        store.tokens.revoke(number, actor())
    if as_json:
        show_json({"id": number, "revoked": True})
    return Outcome.DONE
