"""The metrics page of one API process, from a cache: nobody who scrapes waits for it to be made.

In: the collector. Out: the page's octets, packed with gzip for those who take that. The first scrape makes the page.
From then on a thread of this process (begun after the fork, by that scrape) makes it anew every two seconds, until
nobody has scraped for a minute. A store that cannot be read leaves the page as it was for at most ten seconds; then
that is the answer. A page that nobody keeps fresh (``background`` false) is made by who asks after two seconds.
"""

import gc
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from admin_api.exposition import StoreCollector, go_on, text
from common.clock import Clock
from common.errors import BridgeError
from common.store.errors import StoreUnavailable

FRESH_S: Final = 2.0  # between the beginnings of two makings
OLD_S: Final = 10.0  # a page older than this is not given away: Prometheus would take silence for news
IDLE_S: Final = 60.0  # nobody scrapes any more; four of the usual intervals of 15 s
TURN_S: Final = 5.0  # how long a scrape waits for another that makes the first page; SQLite's patience is as long
SWITCH_S: Final = (
    0.0005  # while a page is made, others who want the interpreter wait for it this long, not 5 ms each time
)
PAUSE_S: Final = 0.001  # rests while a page is made that nobody waits for: who is served meanwhile goes first
_GZIP: Final = 31  # zlib's window with gzip's header
_LEVEL: Final = 1  # 3 MB in some 10 ms; more takes longer and saves little of what repeats itself so much


@dataclass(frozen=True, slots=True)
class Page:
    """One making: text, the same packed, and when it was begun, by the monotonic clock."""

    plain: bytes
    packed: bytes
    begun: float


class MetricsPage:
    """See the module's text."""

    def __init__(self, collector: StoreCollector, clock: Clock) -> None:
        self.background = False
        self._collector = collector
        self._clock = clock
        self._turn = threading.Lock()
        self._page = Page(b"", b"", float("-inf"))
        self._trouble: BridgeError | None = None
        self._asked = float("-inf")
        self._keeper: threading.Thread | None = None

    def read(self) -> Page:
        """Return the page; raise StoreUnavailable or StoreDamaged."""
        self._asked = self._clock.monotonic()
        page, kept = self._page, self._keeper is not None and self._keeper.is_alive()
        if self._asked - page.begun <= (OLD_S if kept else FRESH_S):
            return page
        if kept:
            raise self._trouble or StoreUnavailable(f"the metrics page could not be made for {OLD_S:.0f} s")
        return self._first()

    def _first(self) -> Page:
        """Make a page for a scrape that has to wait for it; others who come meanwhile get the same."""
        if not self._turn.acquire(timeout=TURN_S):
            raise StoreUnavailable(f"the metrics page could not be made for {TURN_S:.0f} s")
        try:
            if self._clock.monotonic() - self._page.begun > FRESH_S:
                self._make(go_on)
            if self.background and not (self._keeper and self._keeper.is_alive()):
                self._keeper = threading.Thread(target=self._keep, name="metrics-page", daemon=True)
                self._keeper.start()
            return self._page
        finally:
            self._turn.release()

    def _keep(self) -> None:
        while self._clock.monotonic() - self._asked < IDLE_S:
            self._clock.sleep(max(0.0, self._page.begun + FRESH_S - self._clock.monotonic()) or FRESH_S)
            try:
                self._make(lambda: self._clock.sleep(PAUSE_S))
            except BridgeError as error:
                self._trouble = error  # told to those who ask when the page has become too old

    def _make(self, pause: Callable[[], None]) -> None:
        begun = self._clock.monotonic()
        switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.disable()  # what is made here goes without it; looking through everything that lives stops all threads
        try:
            plain = text(self._collector.collect(pause), pause).encode()
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
            packed = packer.compress(plain) + packer.flush()
        finally:
            gc.enable()
            sys.setswitchinterval(switch)
        self._collector.took_s = self._clock.monotonic() - begun
        self._page, self._trouble = Page(plain, packed, begun), None
