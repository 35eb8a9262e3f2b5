"""What went wrong on a meter's line, with the frames around it: body of the DIAGNOSTIC envelope.

In: plain msgpack data. Out: frozen, bounded values, or BadDiagnostic that names the field at fault. Nothing secret may
enter: a worker removes it before it makes one (``poller.diagnosing``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from common.errors import Skip

SENT: Final = "sent"
RECEIVED: Final = "received"
MAX_FRAMES: Final = 16
MAX_OCTETS: Final = 512  # of one frame; the rest is cut off
MAX_MESSAGE: Final = 300  # characters
MAX_KIND: Final = 64
MAX_CATEGORY: Final = 32
SEVERITIES: Final = frozenset({"info", "warning", "error", "critical"})


class BadDiagnostic(Skip):
    """The body is not a diagnostic; names the field at fault."""


@dataclass(frozen=True, slots=True)
class LineFrame:
    """Octets that passed at once, ``before_ms`` before the event; no octets: their content is withheld."""

    way: str
    before_ms: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One event. ``category`` is one of the alarms', ``kind`` that of the error or the cause.

    ``suppressed``: events of this kind since the last one that was told.
    """

    at_ms: int
    severity: str
    category: str
    kind: str
    message: str
    frames: tuple[LineFrame, ...] = ()
    suppressed: int = 0

    def to_body(self) -> dict[str, object]:
        """Return plain data, for msgpack."""
        return {
            "at_ms": self.at_ms,
            "severity": self.severity,
            "category": self.category[:MAX_CATEGORY],
            "kind": self.kind[:MAX_KIND],
            "message": self.message[:MAX_MESSAGE],
            "frames": [[item.way, item.before_ms, item.octets[:MAX_OCTETS]] for item in self.frames[-MAX_FRAMES:]],
            "suppressed": self.suppressed,
        }

    @classmethod
    def from_body(cls, body: object) -> "Diagnostic":
        """Return the diagnostic that a body holds; raise BadDiagnostic."""
        if not isinstance(body, Mapping):
            raise BadDiagnostic("a diagnostic's body is a map")
        severity = _text(body, "severity", MAX_CATEGORY)
        if severity not in SEVERITIES:
            raise BadDiagnostic("severity: one of info, warning, error, critical was expected")
        return cls(
            at_ms=_count(body.get("at_ms"), "at_ms"),
            severity=severity,
            category=_text(body, "category", MAX_CATEGORY),
            kind=_text(body, "kind", MAX_KIND),
            message=_text(body, "message", MAX_MESSAGE),
            frames=_frames(body.get("frames")),
            suppressed=_count(body.get("suppressed"), "suppressed"),
        )


def _text(body: Mapping[str, object], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise BadDiagnostic(f"{name}: at most {longest} characters were expected")
    return value


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise BadDiagnostic(f"{name}: a whole number from 0 was expected")
    return value


def _frames(value: object) -> tuple[LineFrame, ...]:
    if not isinstance(value, list) or len(value) > MAX_FRAMES:
        raise BadDiagnostic(f"frames: at most {MAX_FRAMES} were expected")
    return tuple(map(_frame, value))


def _frame(row: object) -> LineFrame:
    match row:
        case [("sent" | "received") as way, before_ms, bytes(octets)] if len(octets) <= MAX_OCTETS:
            return LineFrame(way, _count(before_ms, "frames"), octets)
        case _:
            raise BadDiagnostic("frames: rows of [sent or received, milliseconds, octets] were expected")
