"""meterctl: a thin, lazy dispatcher. A table says where each command lives; only the one that is called is imported.

In: the command line. Out: an exit code of ``Outcome``, results on standard output, one line per error on standard
error. What belongs to the meter's side (``read --host``, ``simulate``) lives with the poller and is reached by the name
of its entry point: nothing here imports a module of the poller.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

import click

from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_error
from admin_api.cli.refusal import refused
from common.errors import BridgeError, Hopeless

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ENTRY_POINTS: Final = "dlms_bridge.meter_commands"
STATE: Final = "state"  # in the context's meta: the state directory that the command line names

DIRECTLY: Final = {"--host", "--line"}  # options of `read` that name the meter itself, not one of the store
COMPLETE: Final = "_METERCTL_COMPLETE"  # the variable by which a shell asks what may follow
Foreign = Callable[[list[str]], int]


class MissingCommand(Hopeless):
    """The installation lacks a command of the meter's side."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and the line that ``meterctl --help`` shows of it."""

    where: str
    help: str


COMMANDS: Final[Mapping[str, Entry]] = {
    "run": Entry("run:main", "Start everything and watch it; --embedded brings a broker and simulated meters."),
    "init": Entry("init:main", "Prepare a state directory: keys, store, settings, first token."),
    "add": Entry("meters:add", "Add a meter; its worker starts by itself."),
    "edit": Entry("meters:edit", "Change a meter; nothing is restarted but its own worker, if that."),
    "remove": Entry("meters:remove", "Remove meters; what they have read is still delivered."),
    "list": Entry("listing:list_meters", "List the meters and how they are."),
    "status": Entry("status:status", "Show all that is known of one meter."),
    "follow": Entry("follow:follow", "Print readings as they come."),
    "logs": Entry("logs:logs", "Show the log of a meter's worker, or of a program of the system."),
    "read": Entry("orders:read", "Read a meter now, through its worker; with --host directly."),
    "backfill": Entry("backfill:backfill", "Read a range from a meter's load profile, through its worker."),
    "discover": Entry("discover:discover", "Ask a meter what it has, through its worker; --apply takes it."),
    "scan": Entry("scan:scan", "Look for meters in ranges of addresses that the settings allow."),
    "jobs": Entry("jobs:jobs", "List, show and cancel long work: backfill, discover, scan."),
    "test": Entry("orders:test", "Test a meter: link, association, one read."),
    "restart": Entry("orders:restart", "Restart the workers of meters."),
    "pause": Entry("orders:pause", "Let go of meters; their workers stay and deliver what they hold."),
    "resume": Entry("orders:resume", "Read paused meters again."),
    "stop": Entry("orders:stop", "End the workers of meters."),
    "start": Entry("orders:start", "Start the workers of stopped meters."),
    "health": Entry("health:health", "Tell whether the system does its work."),
    "alarms": Entry("alarms:alarms", "List and acknowledge alarms."),
    "report": Entry("report:report", "Hold what was measured against the QoS targets."),
    "diagnose": Entry("diagnose:diagnose", "Say what is the matter with one meter."),
    "action-plan": Entry("action_plan:action_plan", "Say what is to be done, the most urgent first."),
    "audit": Entry("audit:audit", "Check that nothing was lost, repeated or disturbed."),
    "outbox": Entry("outbox:outbox", "Readings that the broker never takes: list, send again, drop."),
    "token": Entry("tokens:token", "Make, list and revoke tokens of the API."),
    "user": Entry("users:user", "Add, list, change and remove people who log in to the API."),
    "import": Entry("transfer:import_", "Add or change meters from a file: CSV, YAML, JSON, an earlier admin.db."),
    "export": Entry("transfer:export", "Print meters as such a file, without secrets."),
    "provision": Entry("provision:provision", "Make a device in ThingsBoard for each meter, and take its token."),
    "completion": Entry("completion:completion", "Print what a shell needs to complete commands and names."),
    "backup": Entry("backup:backup", "Write all that the store holds to one file, while everything runs."),
    "restore": Entry("restore:restore", "Make a store from a backup."),
    "migrate": Entry("migrate:migrate", "Bring the store's schema to this version's, or to another one's."),
    "rotate-key": Entry("rotate_key:rotate_key", "Make a new master key; all secrets are sealed anew."),
    "config": Entry("config:config", "Check the settings."),
    "objects": Entry("", "List what a meter has, directly: classes, names, rights, values."),
    "profile": Entry("", "Show rows of a meter's load profile, directly."),
    "clock": Entry("", "Show a meter's clock, directly; with --sync set it."),
    "set": Entry("", "Write an attribute of a meter, directly."),
    "action": Entry("", "Invoke a method of a meter, directly."),
    "capture": Entry("", "Record an exchange with a meter, without secrets."),
    "decode": Entry("", "Show what octets of a line mean, as a protocol analyser does."),
    "listen": Entry("", "Listen for what meters push."),
    "simulate": Entry("", "Simulate meters."),
}


class Dispatcher(click.Group):
    """A group that imports a command when it is called, and prints its help from the table."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return the command of that name, imported now."""
        entry = COMMANDS.get(name)
        if entry is None:
            return None
        if not entry.where:
            return _foreign(name, lambda: _entry_point(name), pass_state=False)
        module_name, attribute = entry.where.split(":")
        found = getattr(import_module(f"admin_api.cli.{module_name}"), attribute)
        if isinstance(found, click.Command):
            return found
        return _foreign(name, lambda: cast("Foreign", found), pass_state=True)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Hand `read --host …` on to the meter's side, everything else to the command of that name."""
        if args[0] == "read" and any(word.split("=")[0] in DIRECTLY for word in args[1:]):
            return "read", _foreign("read", lambda: _entry_point("read"), pass_state=False), args[1:]
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete a command's name from the table; to import them all takes a second."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(context, incomplete)
        return [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the table, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _foreign(name: str, find: Callable[[], Foreign], *, pass_state: bool) -> click.Command:
    """Wrap a ``main(argv) -> int`` that reads its own arguments."""

    def call(words: tuple[str, ...]) -> int:
        state = click.get_current_context().meta.get(STATE)
        known = ["--state", state] if pass_state and state else []
        try:
            return find()([*known, *words])
        except SystemExit as end:  # argparse ends --help and wrong usage this way
            return end.code if isinstance(end.code, int) else Outcome.DONE

    return click.Command(
        name,
        callback=call,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        add_help_option=False,
    )


def _entry_point(name: str) -> Foreign:
    from importlib.metadata import entry_points  # 70 ms that the other commands need not pay

    for found in entry_points(group=ENTRY_POINTS, name=name):
        return cast("Foreign", found.load())
    raise MissingCommand(f"{name}: no installed distribution offers it in {ENTRY_POINTS}")


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # 30 ms, as above

        click.echo(f"dlms-bridge {version('dlms-bridge')}")
        context.exit()


@click.group(cls=Dispatcher, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state", metavar="DIR", help="State directory; else the variable DLMS_BRIDGE_STATE, else state in this directory."
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.pass_context
def cli(context: click.Context, state: str | None) -> None:
    """Manage the DLMS/COSEM meters of a dlms-bridge.

    An ID is a meter's name, its number, or its uid in hexadecimal. Exit codes: 0 done, 1 the answer was no, 2 not even
    asked (usage, configuration, unknown meter).
    """
    if state:
        context.meta[STATE] = state


def answer(words: list[str]) -> int:
    """Run one command line; return its exit code. Typed errors become one line, wrong usage click's own text."""
    try:
        outcome = cli.main(words, prog_name="meterctl", complete_var=COMPLETE, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Outcome.REFUSED
    except BridgeError as error:
        show_error(error, as_json="--json" in words)
        return Outcome.REFUSED
    except OSError as error:
        known = refused(error)
        if known is None:
            raise
        show_error(known, as_json="--json" in words)
        return Outcome.REFUSED
    except (KeyboardInterrupt, click.Abort):
        return Outcome.INTERRUPTED
    return outcome if isinstance(outcome, int) else Outcome.DONE


def main() -> int:
    """Serve the console script: as ``answer``, and whatever else is raised is a bug and shows its traceback."""
    try:
        return answer(sys.argv[1:])
    except BrokenPipeError:  # whoever read our output has seen enough; nothing more is to be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Outcome.DONE
    except Exception:
        import traceback

        traceback.print_exc()
        return Outcome.BUG
