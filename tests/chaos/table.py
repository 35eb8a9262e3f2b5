"""The table of a run: for the terminal, and as Markdown for docs/RELIABILITY.md. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.chaos.outcome import NOT_RUN, Outcome, summed
from tests.chaos.row import Listed, Row

HEAD: Final = (
    "row",
    "fault",
    "rounds",
    "recovered after s (median / max)",
    "bound s",
    "lost",
    "repeated",
    "others disturbed",
    "alarms raised / cleared",
    "verdict",
)
FAULT_WIDTH: Final = 44
HIDDEN: Final = frozenset({"alarms"})


def cells(outcome: Outcome) -> tuple[str, ...]:
    """Return a row of the table."""
    if outcome.verdict == NOT_RUN:
        return (outcome.id, outcome.fault, "", "", "", "", "", "", "", f"{NOT_RUN}: {outcome.not_run}")
    times = f"{outcome.median_s:.1f} / {outcome.max_s:.1f}" if outcome.recoveries else ""
    raised, cleared = sum(outcome.raised.values()), sum(outcome.cleared.values())
    alarms = f"{raised} / {cleared}" + (f" ({', '.join(sorted(outcome.raised))})" if raised else "")
    return (
        outcome.id,
        outcome.fault,
        str(len(outcome.recoveries)),
        times,
        f"{outcome.bound_s:g}",
        str(outcome.lost),
        str(outcome.repeated),
        str(outcome.disturbed),
        alarms,
        outcome.verdict,
    )


def as_text(outcomes: Sequence[Outcome]) -> str:
    """Return the table for a terminal, what was wrong below it."""
    rows = [HEAD, *(_narrow(cells(outcome)) for outcome in outcomes)]
    widths = [min(FAULT_WIDTH, max(len(row[column]) for row in rows)) for column in range(len(HEAD) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    return "\n".join([*lines, "", *_remarks(outcomes), summed(outcomes)])


def _narrow(row: tuple[str, ...]) -> tuple[str, ...]:
    fault = row[1] if len(row[1]) <= FAULT_WIDTH else row[1][: FAULT_WIDTH - 1] + "…"
    return (row[0], fault, *row[2:])


def _remarks(outcomes: Iterable[Outcome]) -> list[str]:
    lines = []
    for outcome in outcomes:
        shown = _figures(outcome)
        lines += [f"{outcome.id}: {shown}"] if shown else []
        lines += [f"{outcome.id}: WRONG: {text}" for text in outcome.wrong]
    return [*lines, ""] if lines else []


def _figures(outcome: Outcome) -> str:
    shown = {name: value for name, value in outcome.figures.items() if name not in HIDDEN}
    if outcome.untaken:
        shown["cycles cut by the kill, not taken"] = outcome.untaken
    return ", ".join(f"{name} {_number(value)}" for name, value in shown.items())


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def as_markdown(found: Sequence[tuple[Mapping[str, object], Outcome]]) -> str:
    """Return the table for a document, with the conditions of each row that has others than the first below it."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(cells(outcome)) for _, outcome in found]
    outcomes = [outcome for _, outcome in found]
    remarks = [f"- {outcome.id}: {shown}" for outcome in outcomes if (shown := _figures(outcome))]
    remarks += [f"- {outcome.id}: wrong: {text}" for outcome in outcomes for text in outcome.wrong]
    return "\n".join([_conditions(found), "", *lines, "", *remarks, "", summed(outcomes) + ".", ""])


def as_list(found: Iterable[Listed]) -> str:
    """Return all rows as a table for a document: what is broken, how often, on what."""
    lines = [_line(("row", "fault", "rounds, short / long", "on")), _line(["---"] * 4)]
    for row in found:
        stage = f"the system `{row.stage.name}`" if isinstance(row, Row) else "a stand of its own"
        named = "; only by name" if row.by_name_only else ""
        lines.append(_line((row.id, row.fault, f"{row.rounds.short} / {row.rounds.long}", stage + named)))
    return "\n".join([*lines, ""])


def _conditions(found: Sequence[tuple[Mapping[str, object], Outcome]]) -> str:
    days = sorted({str(line.get("date", ""))[:10] for line, _ in found})
    commits = sorted({str(line.get("commit", "")) for line, _ in found})
    plants = sorted({f"{line.get('meters')} meters at {line.get('interval_s'):g} s" for line, _ in found})
    minutes = sum(outcome.took_s for _, outcome in found) / 60
    return f"{', '.join(plants)}; {minutes:.0f} minutes in all; {', '.join(days)}; commit {', '.join(commits)}."


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
