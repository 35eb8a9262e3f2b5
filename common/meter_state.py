"""The states of a meter, and the ways in which its worker may be wished."""

from enum import StrEnum


class MeterState(StrEnum):
    """What a meter is, to a person. The worker says the first five, supervisor_qos the others."""

    STARTING = "starting"
    ACTIVE = "active"
    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    PAUSED = "paused"
    INACTIVE = "inactive"
    DISCOVERING = "discovering"
    STALE = "stale"
    BLOCKED = "blocked"
    ERROR = "error"


class DesiredState(StrEnum):
    """What a person wants of a meter: read it, keep its process but let go of the meter, or no process at all."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
