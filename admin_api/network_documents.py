"""What passed on lines and to the broker, as documents: sums since workers began, periods, rates. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from admin_api.documents import Document, iso
from common.store.model import MeterCounts, MeterStateRow, SystemCounts

_LINE: Final = (
    *("frames_sent", "frames_received", "octets_sent", "octets_received", "bad_frames", "out_of_sequence", "resent"),
    *("connects", "connect_failures", "reconnects", "associations", "auth_refusals"),
)
_PERIOD: Final = (
    *("frames_sent", "frames_received", "octets_sent", "octets_received"),
    *("connect_failures", "reconnects", "hdlc_errors", "delivered"),
)


def line(states: Iterable[MeterStateRow]) -> Document:
    """Return what passed on lines since their workers began, summed up."""
    found = dict.fromkeys(("requests", "responses", *_LINE), 0)
    for state in states:
        answered = state.metrics.get("reads_ok", 0)
        found["requests"] += int(answered + state.metrics.get("reads_failed", 0))
        found["responses"] += int(answered)
        for name in _LINE:
            found[name] += int(state.network.get(name, 0))
    return dict(found)


def messages(state: MeterStateRow) -> Document:
    """Return what became of a meter's messages."""
    found = state.metrics
    return {
        "messages": int(found.get("delivery_delivered", 0)),
        "waiting": int(found.get("delivery_waiting", 0)),
        "dropped": int(found.get("delivery_dropped", 0)),
    }


def period(counts: MeterCounts) -> Document:
    """Return what was measured within a period."""
    document: Document = {"at": iso(counts.since_ms), "measured_s": counts.measured_ms / 1000}
    document |= {"requests": counts.reads_ok + counts.reads_failed, "responses": counts.reads_ok}
    return document | {name: getattr(counts, name) for name in _PERIOD}


def broker_period(counts: SystemCounts) -> Document:
    """Return what the publisher sent within a period."""
    return {
        "at": iso(counts.since_ms),
        "messages": counts.mqtt_messages,
        "octets": counts.mqtt_octets,
        "sessions": counts.mqtt_sessions,
        "disconnects": counts.mqtt_disconnects,
    }


def rates(series: Sequence[MeterCounts], measured_ms: int) -> Document:
    """Return what passed per second; ``measured_ms``: of all periods together."""
    sums: Mapping[str, int] = {
        "requests": sum(counts.reads_ok + counts.reads_failed for counts in series),
        "responses": sum(counts.reads_ok for counts in series),
        "octets_sent": sum(counts.octets_sent for counts in series),
        "octets_received": sum(counts.octets_received for counts in series),
        "messages": sum(counts.delivered for counts in series),
    }
    seconds = measured_ms / 1000
    found: Document = {"measured_s": seconds}
    return found | {f"{name}_per_s": round(count / seconds, 3) if seconds else None for name, count in sums.items()}
