"""Values of the store to the JSON documents that the API answers; secrets only as whether they are set. Pure.

Times are ISO 8601 in UTC with milliseconds, null where unknown; durations in seconds; rates in per cent.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from common.store.model import (
    LAST_ERROR_MS,
    SECRETS,
    AlarmRow,
    CommandRow,
    ComponentRow,
    LatestRow,
    MeasurementWish,
    Meter,
    MeterStateRow,
    MeterWish,
    TokenRow,
    UserRow,
)

Document = dict[str, object]
_PLAIN: Final = tuple(item.name for item in fields(MeterWish) if item.name not in {*SECRETS, "measurements"})


def iso(ms: int | None) -> str | None:
    """Return a time as text."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def meter_document(meter: Meter, state: MeterStateRow) -> Document:
    """Return a meter: wishes, identity, state."""
    wish = meter.wish
    document: Document = {
        "id": meter.id,
        "uid": meter.uid.hex(),
        "revision": meter.revision,
        "created_at": iso(meter.created_at),
        "updated_at": iso(meter.updated_at),
    }
    document |= {name: getattr(wish, name) for name in _PLAIN}
    document |= {f"{name}_set": bool(getattr(wish, name)) for name in SECRETS}
    document |= {"limits": dict(wish.limits), "measurements": [measurement_document(i) for i in wish.measurements]}
    return document | {"state": state_document(state)}


def measurement_document(item: MeasurementWish) -> Document:
    """Return one quantity that is to be read."""
    return {
        "measurement_name": item.measurement_name,
        "obis_code": item.obis_code,
        "class": item.class_id,
        "attribute": item.attribute,
        "enabled": item.enabled,
        "sampling_interval": item.sampling_interval,
        "tb_key": item.tb_key,
    }


def state_document(state: MeterStateRow) -> Document:
    """Return what is known of a meter now, without its counters."""
    return {
        "status": str(state.status),
        "cause": state.cause,
        "detail": state.detail,
        "revision": state.revision,
        "last_seen": iso(state.last_seen_ms),
        "last_error": state.last_error,
        "last_error_at": iso(int(state.facts.get(LAST_ERROR_MS, "0")) or None),
        "error_count": state.error_count,
        "process_id": state.process_id,
        "serial_number": state.serial_number,
        "firmware_version": state.firmware_version,
        "last_read": iso(state.last_read_ms),
        "last_taken": iso(state.last_taken_ms),
        "last_acknowledged": iso(state.last_acknowledged_ms),
    }


def status_document(meter: Meter, state: MeterStateRow, latest: LatestRow | None, now_ms: int) -> Document:
    """Return a meter's state, its three ages and its latest values."""
    document = {"meter_id": meter.id, "uid": meter.uid.hex(), "name": meter.wish.name}
    document |= {"desired_state": str(meter.wish.desired_state), "wished_revision": meter.revision}
    document |= state_document(state)
    ages = {
        "read_s": age_s(state.last_read_ms, now_ms),
        "taken_s": age_s(state.last_taken_ms, now_ms),
        "acknowledged_s": age_s(state.last_acknowledged_ms, now_ms),
    }
    return document | {"ages": ages, "facts": dict(state.facts), "latest": latest_document(latest)}


def latest_document(latest: LatestRow | None) -> Document | None:
    """Return a meter's last reading."""
    if latest is None:
        return None
    return {
        "at": iso(latest.ts_ms),
        "epoch": latest.epoch.hex(),
        "seq": latest.seq,
        "values": dict(latest.values),
        "units": dict(latest.units),
        "quality": list(latest.quality),
        "failed": dict(latest.failed),
    }


def age_s(at_ms: int | None, now_ms: int) -> float | None:
    """Return how long ago a time is; a time in the future is no age at all but 0."""
    return None if at_ms is None else max(0, now_ms - at_ms) / 1000


def command_document(command: CommandRow) -> Document:
    """Return a command and what became of it."""
    failed = {"kind": command.error_kind, "detail": command.error_detail} if command.error_kind else None
    return {
        "id": command.id,
        "meter_uid": command.meter_uid.hex(),
        "verb": command.verb,
        "arguments": dict(command.arguments),
        "actor": command.actor,
        "state": str(command.state),
        "progress": command.progress,
        "result": dict(command.result),
        "error": failed,
        "created_at": iso(command.created_ms),
        "deadline": iso(command.deadline_ms),
        "finished_at": iso(command.finished_ms),
    }


def alarm_document(alarm: AlarmRow) -> Document:
    """Return an alarm."""
    return {
        "id": alarm.id,
        "meter_id": alarm.meter_id,
        "meter_uid": None if alarm.meter_uid is None else alarm.meter_uid.hex(),
        "severity": str(alarm.severity),
        "category": alarm.category,
        "message": alarm.message,
        "details": dict(alarm.details),
        "dedup_key": alarm.dedup_key,
        "count": alarm.count,
        "active": alarm.cleared_at is None,
        "acknowledged": alarm.acknowledged_at is not None,
        "raised_at": iso(alarm.raised_at),
        "updated_at": iso(alarm.updated_at),
        "cleared_at": iso(alarm.cleared_at),
        "acknowledged_at": iso(alarm.acknowledged_at),
        "acknowledged_by": alarm.acknowledged_by or None,
    }


def component_document(component: ComponentRow, now_ms: int) -> Document:
    """Return what a part of the system last said, and when."""
    return {"age_s": age_s(component.updated_ms, now_ms), "at": iso(component.updated_ms), **component.state}


def page_document(items: list[Document], total: int, limit: int, offset: int) -> Document:
    """Return a page of a list."""
    following = offset + len(items)
    return {
        "items": items,
        "total": total,
        "limit": limit,
        "offset": offset,
        "next_offset": following if following < total else None,
    }


def rate(part: float, whole: float) -> float | None:
    """Return a share in per cent, None of nothing."""
    return round(100 * part / whole, 3) if whole else None


def metrics_document(meter: Meter, state: MeterStateRow) -> Document:
    """Return a meter's counters since its worker's start, under the names that dashboards know."""
    found = state.metrics
    ok, failed = found.get("reads_ok", 0), found.get("reads_failed", 0)
    hits, misses = found.get("scaler_hits", 0), found.get("scaler_misses", 0)
    return {
        "meter_id": meter.id,
        "name": meter.wish.name,
        "avg_read_time": _seconds(found, "cycle_ms_avg"),
        "min_read_time": _seconds(found, "cycle_ms_min"),
        "max_read_time": _seconds(found, "cycle_ms_max"),
        "reads_total": ok + failed,
        "reads_ok": ok,
        "reads_failed": failed,
        "success_rate": rate(ok, ok + failed),
        "messages_sent": found.get("delivery_delivered", 0),
        "messages_buffered": found.get("delivery_waiting", 0),
        "messages_dropped": found.get("delivery_dropped", 0) + found.get("dropped_disk_full", 0),
        "cache_hits": hits,
        "cache_misses": misses,
        "cache_hit_rate": rate(hits, hits + misses),
        "counters": dict(found),
        "network": dict(state.network),
    }


def _seconds(found: Mapping[str, float], name: str) -> float | None:
    return None if name not in found else found[name] / 1000


def token_document(row: TokenRow, now_ms: int) -> Document:
    """Return a token, without its text."""
    return {
        "id": row.id,
        "role": row.role,
        "label": row.label,
        "state": row.state(now_ms),
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "last_used_at": iso(row.last_used_at),
    }


def user_document(row: UserRow) -> Document:
    """Return somebody who may log in."""
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "disabled": row.disabled_at is not None,
        "created_at": iso(row.created_at),
        "changed_at": iso(row.changed_at),
    }
