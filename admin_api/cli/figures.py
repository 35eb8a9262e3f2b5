"""How report and diagnosis print a figure: over what it is made, and its answer as cells of a table."""

from typing import TYPE_CHECKING

from admin_api.cli.output import time_text

if TYPE_CHECKING:
    from admin_api.report import Answer, OfWindow


def span_text(item: "OfWindow") -> str:
    """Return over what the figures of a window are made."""
    window = item.window
    if window.since_ms is None:
        return f"last {window.name}: nothing was measured"
    minutes = window.system.measured_ms / 60_000
    short = "" if window.is_complete else "; before that nothing was measured"
    return f"last {window.name}: {minutes:.1f} min measured, since {time_text(window.since_ms)}{short}"


def cells(answer: "Answer") -> tuple[str, ...]:
    """Return an answer as cells of a table."""
    target = answer.target
    time = f"{answer.measured_s / 60:.1f} min"
    return target.title, target.text, answer.text, str(answer.verdict), str(answer.samples), time
