"""One event is one line on standard error; supervisord keeps and rotates it. Secrets are removed by a table.

    2026-11-21T22:30:00.123Z INFO poller.loop [sim-1] connected host=127.0.0.1 port=33330

Only ``start`` configures anything, and only ``main.py`` calls it.
"""

import logging
import re
import sys
import time
from typing import Final

MAX_LINE: Final = 4096  # characters; a longer event is cut, so that no input can flood the log

REDACTIONS: Final = (
    (re.compile(r"(?i)\b(password|secret|token|key|authorization)(\s*[=:]\s*)(bearer\s+)?\S+"), r"\1\2********"),
    (re.compile(r"\bdbt_[A-Za-z0-9_-]{8,}"), "dbt_********"),
)


def redact(text: str) -> str:
    """Return the text without what the table calls a secret."""
    for pattern, replacement in REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


class _Lines(logging.Formatter):
    """Time in UTC, level, logger, message; a traceback follows in the same event."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = f"{at}.{int(record.msecs):03d}Z {record.levelname} {record.name} {record.getMessage()}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return redact(text)[:MAX_LINE]


def start(level: str = "INFO") -> None:
    """Send events of ``level`` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
