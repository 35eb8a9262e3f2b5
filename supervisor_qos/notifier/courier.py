"""Letters to one URL, through apprise: the only module that knows it, and it is imported with the first letter.

In: a URL, title and text. Out: nothing when it was delivered, else why not. apprise's own log may quote URLs, so it is
kept silent; of its last warning what is part of a URL is taken out before anybody sees it.
"""

import hashlib
import logging
import re
import signal
import warnings
from types import FrameType
from typing import Final, Protocol
from urllib.parse import unquote

from common.secret import Secret

DEADLINE_S: Final = 60.0  # of one letter, whatever name server, proxy or mail server does
SHORTEST: Final = 3  # characters of a URL's part that may be a secret
MAX_ERROR: Final = 200
_PARTS: Final = re.compile(r"[^\w.%+-]+")
_LOG: Final = "apprise"


class Courier(Protocol):
    """What delivers letters."""

    def deliver(self, url: Secret, title: str, text: str) -> str:
        """Return nothing when it was delivered, else why not."""


class _Words(logging.Handler):
    """Keeps the last warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


class AppriseCourier:
    """See the module's text. Works in the main thread: a deadline is a signal."""

    def deliver(self, url: Secret, title: str, text: str) -> str:
        """Return nothing when it was delivered, else why not."""
        words, log = _Words(), logging.getLogger(_LOG)
        log.handlers, log.propagate = [words], False
        before = signal.signal(signal.SIGALRM, _too_late)
        signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
        try:
            return _notify(url, title, text, words)
        except TimeoutError:
            return f"not delivered within {DEADLINE_S:.0f} s"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)


def _notify(url: Secret, title: str, text: str, words: _Words) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python is going to drop
        import apprise

        post = apprise.Apprise()
        if not post.add(url.reveal()):
            return "a URL that apprise does not know"
        if post.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT):
            return ""
    return redacted(words.last, url) or "not delivered"


def redacted(text: str, url: Secret) -> str:
    """Return a text without any part of a URL but its scheme, as it is written there or as it is meant (%40)."""
    secret = url.reveal().partition("://")[2]
    parts = {part for form in (secret, unquote(secret)) for part in _PARTS.split(form)}
    parts |= {unquote(part) for part in parts}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = text.replace(part, "***")
    return " ".join(text.split())[:MAX_ERROR]


def channel_name(url: Secret) -> str:
    """Return what a URL is called in logs and in the store: its scheme and a digest."""
    scheme = url.reveal().partition("://")[0][:20]
    return f"{scheme}#{hashlib.sha256(url.reveal().encode()).hexdigest()[:8]}"


def _too_late(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError
