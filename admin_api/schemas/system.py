"""The system: health, readiness, status, counters."""

from typing import Literal

from pydantic import ConfigDict

from admin_api.schemas.shape import Answer


class HealthAnswer(Answer):
    """Whether the store can be read, and when supervisor and publisher were last heard of."""

    status: Literal["ok", "degraded"]
    store: Literal["ok"]
    supervisor_age_s: float | None
    publisher_age_s: float | None


class ReadyAnswer(Answer):
    """Whether readings can flow."""

    status: Literal["ready", "not ready"]
    supervisor_age_s: float | None
    publisher_age_s: float | None


class PartCheck(Answer):
    """Whether a part of the system is heard of."""

    ok: bool
    age_s: float | None


class AlarmCheck(Answer):
    """Whether a grave alarm is active."""

    ok: bool
    error_or_critical: int


class MeterCheck(Answer):
    """Whether every meter that should run is well; how many are in which other state."""

    ok: bool
    unwell: dict[str, int]


class Checks(Answer):
    """What was looked at."""

    supervisor: PartCheck
    publisher: PartCheck
    alarms: AlarmCheck
    meters: MeterCheck


class SystemHealth(Answer):
    """What is well and what is not."""

    status: Literal["ok", "degraded", "down"]
    checks: Checks


class Component(Answer):
    """What a part of the system last said: when, and whatever it counts."""

    model_config = ConfigDict(extra="allow")

    age_s: float | None
    at: str | None


class MeterCounts(Answer):
    """How many meters there are, by state and by wish."""

    total: int
    by_state: dict[str, int]
    by_desired_state: dict[str, int]


class SystemStatus(Answer):
    """Version, components, counts."""

    version: str
    components: dict[str, Component]
    meters: MeterCounts
    alarms: dict[str, int]


class MeterMetrics(Answer):
    """A meter's counters since its worker's start; times in seconds, rates in per cent."""

    meter_id: int
    name: str
    avg_read_time: float | None
    min_read_time: float | None
    max_read_time: float | None
    reads_total: float
    reads_ok: float
    reads_failed: float
    success_rate: float | None
    messages_sent: float
    messages_buffered: float
    messages_dropped: float
    cache_hits: float
    cache_misses: float
    cache_hit_rate: float | None
    counters: dict[str, float]
    network: dict[str, float]


class MetricsSummary(Answer):
    """Sums over all meters."""

    meters: int
    by_state: dict[str, int]
    avg_read_time: float | None
    reads_ok: float
    reads_failed: float
    success_rate: float | None
    messages_sent: float
    messages_buffered: float
    cache_hit_rate: float | None
    active_alarms: dict[str, int]
