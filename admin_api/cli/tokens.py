"""meterctl token: who may use the API. A token's text is shown once, when it is made."""

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table, time_text

ROLES = ("viewer", "operator", "admin")


@click.group()
def token() -> None:
    """Make, list and revoke tokens of the API."""


@token.command()
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What its bearer may do.")
@click.option("--label", default="", help="Whose it is; for the list.")
@shared_options
def create(role: str, label: str, as_json: bool) -> int:
    """Make a token and show it, this once."""
    from common.store.model import Role

    with opened() as store:
        number, text = store.tokens.create(Role(role), label, actor())
    if as_json:
        show_json({"id": number, "role": role, "label": label, "token": text.reveal()})
    else:
        show_line(text.reveal())
    return Outcome.DONE


@token.command("list")
@shared_options
def list_tokens(as_json: bool) -> int:
    """List all tokens, without their texts."""
    with opened() as store:
        rows = store.tokens.list()
    if as_json:
        show_json([
            {
                "id": row.id,
                "role": row.role,
                "label": row.label,
                "created_at": row.created_at,
                "revoked_at": row.revoked_at,
            }
            for row in rows
        ])
        return Outcome.DONE
    cells = [(str(row.id), row.role, row.label, time_text(row.created_at), time_text(row.revoked_at)) for row in rows]
    show_table(("id", "role", "label", "made", "revoked"), cells)
    return Outcome.DONE


@token.command()
@click.argument("number", metavar="ID", type=int)
@shared_options
def revoke(number: int, as_json: bool) -> int:
    """Make a token worthless from now on."""
    with opened() as store:
        store.tokens.revoke(number, actor())
    if as_json:
        show_json({"id": number, "revoked": True})
    return Outcome.DONE
