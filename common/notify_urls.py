"""Whom alarms are told beside the broker: URLs of apprise, from the settings and from a file of their own.

In: the `[notify]` settings. Out: one secret per URL; a URL holds passwords and tokens. The file has one URL a line;
empty lines and those that begin with ``#`` are passed over; only its owner may read it. Nothing here knows apprise.
"""

import stat
from pathlib import Path
from typing import Final

from common.secret import Secret
from common.settings import BadSettings, Settings

MAX_URLS: Final = 20
MAX_FILE: Final = 64 << 10  # octets


def is_configured(settings: Settings) -> bool:
    """Return whether anybody is to be told."""
    return bool(settings.notify.urls) or bool(settings.notify.urls_file)


def urls(settings: Settings) -> list[Secret]:
    """Return the URLs; raise BadSettings that names what is wrong, and never a URL."""
    lines = settings.notify.urls.reveal().split()
    if settings.notify.urls_file:
        lines += _lines(settings.paths.root / settings.notify.urls_file)
    if len(lines) > MAX_URLS:
        raise BadSettings(f"[notify]: {len(lines)} URLs are more than {MAX_URLS}")
    for number, line in enumerate(lines, 1):
        if "://" not in line:
            raise BadSettings(f"[notify]: the {number}. URL has no scheme; mailto://…, json://…")
    return [Secret(line) for line in dict.fromkeys(lines)]


def _lines(path: Path) -> list[str]:
    where = f"[notify] urls_file {path}"
    try:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise BadSettings(f"{where}: others may read it; chmod 0600")
        if status.st_size > MAX_FILE:
            raise BadSettings(f"{where}: larger than {MAX_FILE} octets")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"{where}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{where}: not UTF-8") from None
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]
