"""The routes file as it changes: looked at twice a second, read when it was replaced.

In: the path. Out: new routes, once each. A file that is missing or bad changes nothing: the last good routes stay, and
``fault`` says what is wrong with the present file.
"""

import logging
from pathlib import Path

from common.json_record import BadFile
from common.routes import Routes

_log = logging.getLogger(__name__)


class RouteFile:
    """See the module's text."""

    def __init__(self, path: Path) -> None:
        self.fault = ""
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> Routes | None:
        """Return the routes if the file was replaced since the last look and is good."""
        mark = self._mark()
        if mark is None or mark == self._seen:
            return None
        self._seen = mark
        try:
            routes = Routes.load(self._path)
        except BadFile as error:
            self.fault = error.detail
            _log.error("bad routes file, the last good one stays: %s", error.detail)  # no traceback
            return None
        self.fault = ""
        _log.info("routes targets=%d meters=%d", len(routes.targets), len(routes.routes))
        return routes

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError as error:
            self.fault = f"{self._path}: {error.strerror}"
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
