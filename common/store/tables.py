"""The schema, as SQLAlchemy Core tables. Migrations bring a database to it; a test holds the two equal.

Times are UTC milliseconds. ``uid`` columns of states, commands and alarms carry no foreign key on purpose: what is
recorded of a meter may outlive it, and a recorder must not fail because a meter was purged a moment ago.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)

from common.store.columns import String

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

WISHES: Final = "wishes"  # the row of ``versions`` that rises with every wish
PERIOD_COUNTS: Final = (
    "measured_ms",  # of the period, while supervisor_qos ran and the meter was wished running
    "up_ms",  # of these, while the meter was read as wished (no reading older than its limit of staleness)
    *("cycles", "cycles_slow", "cycle_ms"),  # that brought a value; those of 2 s and more; how long all took
    *("reads_ok", "reads_failed", "connect_failures", "reconnects", "hdlc_errors", "starts"),
    *("taken", "delivered", "dropped", "backfilled"),
    *("frames_sent", "frames_received", "octets_sent", "octets_received"),
)
PERIOD_LEVELS: Final = ("overdue",)  # readings that wait for more than a minute, at the period's last measuring
SYSTEM_COUNTS: Final = (
    *("measured_ms", "mqtt_disconnects", "mqtt_sessions", "unplanned_starts", "publisher_silent_ms"),
    *("mqtt_messages", "mqtt_octets"),
)
SEALED: Final = {"meters": ("uid", ("password", "encryption_key", "authentication_key", "tb_token"))}
"""All columns under the master key, by table: which column they are bound to, and which they are."""
_UID: Final = 16
_LIVING: Final = text("deleted_at IS NULL")
_NO_OCTETS: Final = text("''")
_ZERO: Final = text("0")

versions = Table(
    "versions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

meters = Table(
    "meters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(_UID), nullable=False, unique=True),
    Column("revision", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("purge", Boolean, nullable=False),
    Column("name", String(64), nullable=False),
    Column("ip_address", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", String(16), nullable=False),
    Column("client_id", Integer, nullable=False),
    Column("server_logical", Integer, nullable=False),
    Column("server_physical", Integer),
    Column("address_size", Integer),
    Column("authentication", String(16), nullable=False),
    Column("password", LargeBinary, nullable=False),
    Column("security", String(16), nullable=False, server_default="none"),
    Column("security_suite", Integer, nullable=False, server_default="0"),
    Column("encryption_key", LargeBinary, nullable=False, server_default=_NO_OCTETS),
    Column("authentication_key", LargeBinary, nullable=False, server_default=_NO_OCTETS),
    Column("client_title", String(16), nullable=False, server_default=""),
    Column("server_title", String(16), nullable=False, server_default=""),
    Column("dedicated_key", Boolean, nullable=False, server_default=false()),
    Column("general_ciphering", Boolean, nullable=False, server_default=false()),
    Column("referencing", String(2), nullable=False, server_default="ln"),
    Column("model", String(64), nullable=False),
    Column("interval_s", Float, nullable=False),
    Column("desired_state", String(16), nullable=False),
    Column("line_mode", String(16), nullable=False),
    Column("tb_enabled", Boolean, nullable=False),
    Column("tb_host", String(253), nullable=False),
    Column("tb_port", Integer, nullable=False),
    Column("tb_token", LargeBinary, nullable=False),
    Column("tb_device_name", String(255), nullable=False),
    Column("limits", JSON, nullable=False),
    Column("backfill", Boolean, nullable=False, server_default=true()),
    Column("load_profile", String(32), nullable=False, server_default=""),
    Index("ix_meters_living_name", "name", unique=True, sqlite_where=_LIVING, postgresql_where=_LIVING),
    sqlite_autoincrement=True,
)

meter_configs = Table(
    "meter_configs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_id", Integer, ForeignKey("meters.id", ondelete="CASCADE"), nullable=False),
    Column("measurement_name", String(64), nullable=False),
    Column("obis_code", String(32), nullable=False),
    Column("class_id", Integer, nullable=False),
    Column("attribute", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("sampling_interval", Float),
    Column("tb_key", String(64), nullable=False),
    UniqueConstraint("meter_id", "measurement_name"),
)

meter_states = Table(
    "meter_states",
    metadata,
    Column("uid", LargeBinary(_UID), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("cause", String(64), nullable=False),
    Column("detail", String(300), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("last_seen_ms", BigInteger),
    Column("last_error", String(300), nullable=False),
    Column("error_count", BigInteger, nullable=False),
    Column("process_id", Integer),
    Column("serial_number", String(64), nullable=False),
    Column("firmware_version", String(64), nullable=False),
    Column("last_read_ms", BigInteger),
    Column("last_taken_ms", BigInteger),
    Column("last_acknowledged_ms", BigInteger),
    Column("metrics", JSON, nullable=False),
    Column("network", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

latest_values = Table(
    "latest_values",
    metadata,
    Column("uid", LargeBinary(_UID), primary_key=True),
    Column("ts_ms", BigInteger, nullable=False),
    Column("epoch", LargeBinary(8), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("values", JSON, nullable=False),
    Column("units", JSON, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("failed", JSON, nullable=False),
)

component_states = Table(
    "component_states",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("state", JSON, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("meter_uid", LargeBinary(_UID), nullable=False),
    Column("verb", String(32), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("deadline_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("progress", String(300), nullable=False),
    Column("result", JSON, nullable=False),
    Column("error_kind", String(64), nullable=False),
    Column("error_detail", String(1024), nullable=False),
    Column("finished_ms", BigInteger),
    Column("cancelled_ms", BigInteger),  # somebody wished that it end; the state says whether it did
    Index("ix_commands_state_created_ms", "state", "created_ms"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_uid", LargeBinary(_UID), index=True),
    Column("severity", String(16), nullable=False),
    Column("category", String(32), nullable=False),
    Column("message", String(1024), nullable=False),
    Column("details", JSON, nullable=False),
    Column("dedup_key", String(128), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", String(64), nullable=False),
    Index(
        "ix_alarms_active",
        "dedup_key",
        unique=True,
        sqlite_where=text("cleared_at IS NULL"),
        postgresql_where=text("cleared_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

starts = Table(
    "starts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary(_UID), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Index("ix_starts_uid_at_ms", "uid", "at_ms"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("label", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
)

# People who log in by name; ``password`` is an argon2id hash.
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    sqlite_autoincrement=True,
)

# What a login gave: 256 random bits, of which the SHA-256 is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("details", JSON, nullable=False),
)

# What went wrong on a meter's line: one row per kind of trouble and episode, with the frames around it.
dlms_diagnostics = Table(
    "dlms_diagnostics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_uid", LargeBinary(_UID), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("category", String(32), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("message", String(300), nullable=False),
    Column("frames", JSON, nullable=False),
    Column("suppressed", Integer, nullable=False),
    Index("ix_dlms_diagnostics_meter_uid_at_ms", "meter_uid", "at_ms"),
    sqlite_autoincrement=True,
)


def _of_meters(name: str) -> Table:
    """The key begins with the time: a minute's batch goes to the same few pages, and what is too old is one range."""
    return Table(
        name,
        metadata,
        Column("at_ms", BigInteger, primary_key=True),
        Column("uid", LargeBinary(_UID), primary_key=True),
        *(Column(each, BigInteger, nullable=False, server_default=_ZERO) for each in (*PERIOD_COUNTS, *PERIOD_LEVELS)),
        sqlite_with_rowid=False,
    )


def _of_system(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("at_ms", BigInteger, primary_key=True),
        *(Column(each, BigInteger, nullable=False, server_default=_ZERO) for each in SYSTEM_COUNTS),
    )


# What was measured within one period of five minutes (UTC), from which the QoS figures are made, and by the hour, for
# longer: of each meter, and of the system as a whole.
meter_periods, system_periods = _of_meters("meter_periods"), _of_system("system_periods")
meter_hours, system_hours = _of_meters("meter_hours"), _of_system("system_hours")

# Which change of an alarm was told by which channel (e-mail, webhook).
notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alarm_id", Integer, nullable=False),
    Column("change", String(16), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("sent_ms", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("error", String(300), nullable=False),
    UniqueConstraint("alarm_id", "change", "channel"),
    sqlite_autoincrement=True,
)

# Live readings of a meter within one period of 60, 900 or 86400 s: ``readings`` of them, the last at ``last_ms``; the
# values as common.store.summary packs them. The key begins with the time: what is added or forgotten at once lies
# together, and one meter's rows are looked up by their times, which are multiples of the resolution.
readings_history = Table(
    "readings_history",
    metadata,
    Column("resolution_s", Integer, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("uid", LargeBinary(_UID), primary_key=True),
    Column("readings", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
