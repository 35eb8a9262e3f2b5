"""The values that go into the store and come out of it: frozen, plain, free of SQLAlchemy.

Every time is UTC in milliseconds since 1970 and ends in ``_ms`` or ``_at``; None is unknown or never. Bounds of a wish
are in ``common.store.rules``, which the store applies to whatever is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from common.meter_state import DesiredState, MeterState
from common.secret import Secret

NO_SECRET: Final = Secret("")
SECRETS: Final = ("password", "encryption_key", "authentication_key", "tb_token")
"""The fields of a wish that are sealed in the store and never answered."""
Plain = Mapping[str, object]
PERIOD_MS: Final = 300_000  # what is measured is added up in periods of this length, which begin at multiples of it
LAST_ERROR_MS: Final = "last_error_ms"
"""The fact of a meter's state that says when ``last_error`` began."""


class Severity(StrEnum):
    """How bad an alarm is, rising."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Role(StrEnum):
    """What the bearer of a token may do: look, operate meters, change them and the system."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class CommandState(StrEnum):
    """The life of a command; the last four are final."""

    PENDING = "pending"
    DISPATCHED = "dispatched"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class MeasurementWish:
    """One quantity to read. ``sampling_interval`` in seconds, None: the meter's; ``tb_key`` empty: the name."""

    measurement_name: str
    obis_code: str
    class_id: int = 3
    attribute: int = 2
    enabled: bool = True
    sampling_interval: float | None = None
    tb_key: str = ""


@dataclass(frozen=True, slots=True)
class MeterWish:
    """What people want of one meter. ``ip_address`` may be a host name; ``limits`` are fields of worker_file.Limits.

    ``backfill``: what was missed while the meter was away is read afterwards from ``load_profile``, an OBIS code;
    empty: the one that its model has. ``password`` is that of low-level security, or the secret of HLS with a digest;
    keys and titles are hexadecimal.
    """

    name: str
    ip_address: str
    port: int = 3333
    transport: str = "hdlc"
    client_id: int = 16
    server_logical: int = 1
    server_physical: int | None = None
    address_size: int | None = 1
    authentication: str = "none"
    password: Secret = NO_SECRET
    security: str = "none"
    security_suite: int = 0
    encryption_key: Secret = NO_SECRET
    authentication_key: Secret = NO_SECRET
    client_title: str = ""
    server_title: str = ""
    dedicated_key: bool = False
    general_ciphering: bool = False
    referencing: str = "ln"
    model: str = "microstar"
    interval_s: float = 2.0
    desired_state: DesiredState = DesiredState.RUNNING
    line_mode: str = "exclusive"
    tb_enabled: bool = False
    tb_host: str = ""
    tb_port: int = 1883
    tb_token: Secret = NO_SECRET
    tb_device_name: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    backfill: bool = True
    load_profile: str = ""
    measurements: tuple[MeasurementWish, ...] = ()


@dataclass(frozen=True, slots=True)
class Meter:
    """A wish with its identity. ``uid``: 16 random octets, never reused; ``id`` and name are labels.

    ``revision`` rises with every wish. ``deleted_at`` set: a tombstone, its journal drains; with ``purge`` what still
    waits is dropped. ``purged`` of the store ends it.
    """

    id: int
    uid: bytes
    revision: int
    created_at: int
    updated_at: int
    deleted_at: int | None
    purge: bool
    wish: MeterWish


@dataclass(frozen=True, slots=True)
class Draft:
    """A wish that is to be written with others at once; ``uid`` None: of a new meter."""

    uid: bytes | None
    wish: MeterWish


@dataclass(frozen=True, slots=True)
class MeterStateRow:
    """What is known of one meter; written by supervisor_qos alone.

    ``metrics``: counters and gauges of its worker's heartbeat by their names, ``starts`` (of its process, ever) and the
    fields of the publisher's Delivery with the prefix ``delivery_``. ``network``: the worker's counters of its line
    (connects, reconnects, frames, octets). ``revision``: the wish that the worker obeys by now.
    """

    uid: bytes
    status: MeterState = MeterState.INACTIVE
    cause: str = ""
    detail: str = ""
    revision: int = 0
    last_seen_ms: int | None = None
    last_error: str = ""
    error_count: int = 0
    process_id: int | None = None
    serial_number: str = ""
    firmware_version: str = ""
    last_read_ms: int | None = None
    last_taken_ms: int | None = None
    last_acknowledged_ms: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    network: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    updated_ms: int = 0


@dataclass(frozen=True, slots=True)
class LatestRow:
    """A meter's last reading. ``values``: key to number, text or boolean; ``units``: key to its unit's sign."""

    uid: bytes
    ts_ms: int
    epoch: bytes
    seq: int
    values: Plain
    units: Mapping[str, str] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """What a part of the system last said of itself; names: ``supervisor``, ``publisher``."""

    name: str
    state: Plain
    updated_ms: int


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One on-demand verb; ``id`` is a UUID's text, ``result`` what the worker answered.

    ``cancelled_ms``: when somebody wished that it end; the state says whether it did.
    """

    id: str
    meter_uid: bytes
    verb: str
    arguments: Plain
    actor: str
    created_ms: int
    deadline_ms: int
    state: CommandState
    progress: str
    result: Plain
    error_kind: str
    error_detail: str
    finished_ms: int | None
    cancelled_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One episode: raised, seen ``count`` times, cleared. ``meter_id`` None: of the system, or of a meter gone."""

    id: int
    meter_id: int | None
    meter_uid: bytes | None
    severity: Severity
    category: str
    message: str
    details: Plain
    dedup_key: str
    count: int
    raised_at: int
    updated_at: int
    cleared_at: int | None
    acknowledged_at: int | None
    acknowledged_by: str


class Change(StrEnum):
    """What happens to an alarm without a person."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class AlarmStep:
    """One change of one alarm. ``count``: how often its condition came within the episode, so far."""

    change: Change
    dedup_key: str
    severity: Severity
    category: str
    message: str
    count: int = 1
    meter_uid: bytes | None = None


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms to list; None leaves a question open. ``since_ms``: raised since; ``before_ms``: over before."""

    acknowledged: bool | None = None
    active: bool | None = None
    severity: Severity | None = None
    category: str | None = None
    meter_uid: bytes | None = None
    since_ms: int | None = None
    before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FrameRow:
    """Octets that passed at once, as hexadecimal digits; ``way``: sent or received; none: withheld as secret."""

    way: str
    before_ms: int
    octets: str


@dataclass(frozen=True, slots=True)
class DiagnosticRow:
    """What went wrong on a meter's line once, with the frames before it, oldest first.

    ``category`` is an alarm's, ``kind`` the error's; ``suppressed``: so many of this kind since the one before.
    """

    id: int
    meter_uid: bytes
    at_ms: int
    severity: Severity
    category: str
    kind: str
    message: str
    frames: tuple[FrameRow, ...]
    suppressed: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token without its text, of which only the SHA-256 is kept."""

    id: int
    role: Role
    label: str
    created_at: int
    revoked_at: int | None = None
    expires_at: int | None = None
    last_used_at: int | None = None

    def state(self, now_ms: int) -> str:
        """Return ``revoked``, ``expired`` or ``active``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now_ms else "active"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person who logs in by name, without the hash of the password."""

    id: int
    name: str
    role: Role
    created_at: int
    changed_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What a login gave, without its text; ``expires_at``: at the latest."""

    id: int
    user: UserRow
    created_at: int
    expires_at: int
    last_used_at: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines of the audit are wanted; None or empty is all. ``action``: a name, or the part of it before a dot."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to what."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    details: Plain


@dataclass(frozen=True, slots=True)
class MeterCounts:
    """What was measured of one meter since a time, summed over periods; ``since_ms``: where the first of them begins.

    ``cycles`` are those that brought a value, ``overdue`` the readings that waited for the broker for more than a
    minute when last looked at, frames and octets those of the meter's line. The other names are explained in
    docs/OPERATIONS.md ("How the figures are made").
    """

    since_ms: int = 0
    measured_ms: int = 0
    up_ms: int = 0
    cycles: int = 0
    cycles_slow: int = 0
    cycle_ms: int = 0
    reads_ok: int = 0
    reads_failed: int = 0
    connect_failures: int = 0
    reconnects: int = 0
    hdlc_errors: int = 0
    starts: int = 0
    taken: int = 0
    delivered: int = 0
    dropped: int = 0
    backfilled: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    octets_sent: int = 0
    octets_received: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class SystemCounts:
    """The same of the system as a whole."""

    since_ms: int = 0
    measured_ms: int = 0
    mqtt_disconnects: int = 0
    mqtt_sessions: int = 0
    unplanned_starts: int = 0
    publisher_silent_ms: int = 0
    mqtt_messages: int = 0
    mqtt_octets: int = 0
