"""meterctl migrate: the store's schema to another version's, where nothing runs; a backup is made first.

In: a revision, else the newest. Out: what was done, step by step. `meterctl run` does the way up by itself; this
command shows it beforehand, and goes down for who returns to an older version.
"""

from typing import TYPE_CHECKING

import click

from admin_api.cli.access import actor, shared_options
from admin_api.cli.access import settings as load_settings
from admin_api.cli.alone import alone
from admin_api.cli.flags import confirmed, yes_option
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.parts import source_of
from common.clock import SystemClock
from common.errors import Hopeless

if TYPE_CHECKING:
    from common.store.backup import Source
    from common.store.migrations.upgrade import Plan


class NothingToMigrate(Hopeless):
    """There is no store here yet."""


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="A revision; 0003 is that of 0.3.0.")
@click.option("--check", is_flag=True, help="Do nothing; exit code 1 where something would be done.")
@click.option("--dry-run", is_flag=True, help="Do nothing; show what would be done.")
@yes_option
@shared_options
def migrate(revision: str, check: bool, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Bring the store to this version's schema, or to another one's; a backup is made first."""
    from common.store.migrations.upgrade import NOTHING, plan

    found = load_settings()
    with source_of(found) as source:
        wanted = plan(source.database, revision)
        if wanted.current == NOTHING:
            raise NothingToMigrate(f"{found.paths.root}: no store yet; `meterctl init` makes one")
        if check or dry_run or not wanted.steps:
            _show(wanted, as_json, done=False, backup=None)
            return Outcome.FAILED if check and wanted.steps else Outcome.DONE
        if wanted.is_downward and not confirmed(f"Go down to {wanted.target}? What it does not know is lost.", yes=yes):
            return Outcome.FAILED
        with alone(found.paths):
            backup = _do(source, revision)
    _show(wanted, as_json, done=True, backup=backup)
    return Outcome.DONE


def _do(source: "Source", revision: str) -> str:
    from common.store.backup import write
    from common.store.migrations.upgrade import migrate as move
    from common.store.migrations.upgrade import plan

    now_ms = SystemClock().wall_ms()
    current = plan(source.database, revision).current
    path = source.key.with_name(f"before-migrate-{current}-{now_ms}.tar")
    write(source, path, now_ms)
    move(source.database, revision, actor())
    return str(path)


def _show(plan: "Plan", as_json: bool, *, done: bool, backup: str | None) -> None:
    if as_json:
        steps = [{"revision": name, "about": about} for name, about in plan.steps]
        way = "down" if plan.is_downward else "up"
        show_json({"from": plan.current, "to": plan.target, "way": way, "steps": steps, "done": done, "backup": backup})
        return
    if not plan.steps:
        show_line(f"the schema is {plan.current}: nothing to do")
        return
    show_line(f"{'done' if done else 'would be done'}: from {plan.current} to {plan.target}")
    for name, about in plan.steps:
        show_line(f"  {'undo' if plan.is_downward else 'do'} {name}  {about}")
    if backup:
        show_line(f"backup made before: {backup}")
