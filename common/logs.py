"""One event is one line on standard error; supervisord keeps and rotates it. ``common.redaction`` takes secrets out.

    2026-11-21T22:30:00.123Z INFO poller.loop [sim-1] connected host=127.0.0.1 port=33330

Only ``start`` configures anything, and only ``main.py`` calls it.
"""

import logging
import sys
import time
from collections.abc import Iterable
from typing import Final

from common.redaction import Hidden, redact

MAX_LINE: Final = 4096  # characters; a longer event is cut, so that no input can flood the log

_hidden: Final = Hidden()


def hide(secrets: Iterable[bytes]) -> None:
    """Let no line hold these, in whatever form: for a program that knows secrets which its errors could quote."""
    _hidden.learn(secrets)


class _Lines(logging.Formatter):
    """Time in UTC, level, logger, message; a traceback follows in the same event."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = f"{at}.{int(record.msecs):03d}Z {record.levelname} {record.name} {_visible(record.getMessage())}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return _hidden.hide(redact(text))[:MAX_LINE]


def _visible(message: str) -> str:
    """Return a message in one line: a path or a meter's name with a line break in it would forge an event."""
    if message.isprintable():
        return message
    shown = (each if each.isprintable() else each.encode("unicode_escape").decode() for each in _hidden.hide(message))
    return "".join(shown)


def start(level: str = "INFO") -> None:
    """Send events of ``level`` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
