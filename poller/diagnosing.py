"""What went wrong on the line, with the frames around it: a small ring of them, and diagnostics that are told seldom.

In: octets as they pass, events of link and loop. Out: diagnostics for the feed. Bounded in all: 16 pieces of at most
512 octets; one diagnostic per kind and minute, then ever fewer while it goes on; what is suppressed is counted in the
next. Nothing secret leaves: ``withholding`` says what may be shown.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common import logs
from common.clock import Clock
from common.diagnostic import MAX_FRAMES, MAX_MESSAGE, MAX_OCTETS, RECEIVED, SENT, Diagnostic, LineFrame
from common.errors import Barred, BridgeError
from common.redaction import Hidden, without_credentials
from poller.passed import OUT, UNKNOWN, Passed, Secrecy, tag_of
from poller.recovery import HDLC_ERRORS

if TYPE_CHECKING:
    from poller.dlms.conversation import Profile
    from poller.session import Session

PAUSE_S: Final = 60.0  # at least, between two of a kind
MAX_PAUSE_S: Final = 3600.0  # a meter that is away for a day would else fill its 200 rows in three hours
FORGOTTEN_S: Final = 600.0  # a kind that was not seen for so long begins anew
MAX_KINDS: Final = 64
MAX_WAITING: Final = 16  # events between two turns of the loop
SHOWN_S: Final = 300.0  # older frames have nothing to do with an event
WARNING: Final = "warning"
_CATEGORIES: Final = ((HDLC_ERRORS, "hdlc"), (Barred, "auth"))


@dataclass(slots=True)
class _Told:
    """When a kind may be told again, how long it is silent after that, and how often it was not told."""

    next: float
    pause_s: float
    suppressed: int = 0


class Diagnosing:
    """See the module's text. ``waiting`` is emptied by whoever tells it."""

    def __init__(self, clock: Clock) -> None:
        self.waiting: list[Diagnostic] = []
        self._clock = clock
        self._ring: deque[Passed] = deque(maxlen=MAX_FRAMES)
        self._told: dict[str, _Told] = {}
        self._session: Session | None = None
        self._secrecy = Secrecy()
        self._request = UNKNOWN

    def watch(self, session: "Session", profile: "Profile") -> None:
        """Listen to a session from now on; what passed before belongs to other secrets and is forgotten."""
        self._ring.clear()
        self._session, self._request = session, UNKNOWN
        security = profile.security
        secrets = (profile.secret, security.encryption_key, security.authentication_key)
        encrypted = security.level in {"encrypt", "both"}
        self._secrecy = Secrecy(
            hdlc=profile.transport == "hdlc",
            secrets=tuple(secret for secret in secrets if secret),
            encrypted=encrypted,
            bare_key=security.dedicated and not encrypted,
        )
        logs.hide(self._secrecy.secrets)
        session.tap = self.tap

    def tap(self, way: str, octets: bytes) -> None:
        """Keep octets as they pass."""
        if way == OUT and (tag := tag_of(octets, hdlc=self._secrecy.hdlc)) != UNKNOWN:
            self._request = tag
        associated = self._session is not None and self._session.is_open
        cut = len(octets) > MAX_OCTETS
        kept = octets[:MAX_OCTETS] if cut else octets
        self._ring.append(Passed(self._clock.monotonic(), way, kept, associated, self._request, cut))

    def error(self, error: BridgeError) -> None:
        """An error ended an exchange or an attempt."""
        category = next((name for family, name in _CATEGORIES if isinstance(error, family)), "connection")
        self.event(category, error.kind, error.detail, "error" if category == "auth" else WARNING)

    def event(self, category: str, kind: str, message: str, severity: str = WARNING) -> None:
        """Something went wrong: tell it with the frames before it, unless its kind was told a moment ago."""
        now = self._clock.monotonic()
        told = self._told.get(kind)
        if told is not None and now < told.next:
            told.suppressed += 1
            return
        if len(self.waiting) >= MAX_WAITING or (told is None and len(self._told) >= MAX_KINDS):
            return
        anew = told is None or now - told.next > FORGOTTEN_S
        pause = PAUSE_S if told is None or anew else min(2 * told.pause_s, MAX_PAUSE_S)
        self._told[kind] = _Told(now + pause, pause)
        frames, withheld = self._frames(now)
        message = self._safe(message + (f"; the content of {withheld} frames is withheld" if withheld else ""))
        suppressed = told.suppressed if told else 0
        at_ms = self._clock.wall_ms()
        self.waiting.append(Diagnostic(at_ms, severity, category, kind, message, frames, suppressed))

    def take(self) -> Sequence[Diagnostic]:
        """Return what is to be told."""
        found, self.waiting = self.waiting, []
        return found

    def _frames(self, now: float) -> tuple[tuple[LineFrame, ...], int]:
        """Return the frames of the last minutes, and of how many the content is withheld."""
        from poller.withholding import presentable  # a worker without trouble never needs it

        pieces = [piece for piece in self._ring if now - piece.at <= SHOWN_S]
        shown = presentable(pieces, self._secrecy)
        frames = tuple(
            LineFrame(SENT if piece.way == OUT else RECEIVED, round((now - piece.at) * 1000), octets)
            for piece, octets in zip(pieces, shown, strict=True)
        )
        return frames, sum(not octets for octets in shown)

    def _safe(self, message: str) -> str:
        """Return a message that holds no secret, in whatever form."""
        if self._secrecy.secrets:
            hidden = Hidden(shortest=1)
            hidden.learn(self._secrecy.secrets)
            message = hidden.hide(message)
        return without_credentials(message)[:MAX_MESSAGE]
