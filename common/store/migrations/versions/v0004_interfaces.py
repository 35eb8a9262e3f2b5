"""Interfaces: people and their sessions, tokens that end, cancelled commands, a rolling history of readings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_METER_NETWORK = ("frames_sent", "frames_received", "octets_sent", "octets_received")
_SYSTEM_NETWORK = ("mqtt_messages", "mqtt_octets")
_METER_COUNTS = (
    *("measured_ms", "up_ms", "cycles", "cycles_slow", "cycle_ms", "reads_ok", "reads_failed", "connect_failures"),
    *("reconnects", "hdlc_errors", "starts", "taken", "delivered", "dropped", "backfilled", *_METER_NETWORK, "overdue"),
)
_SYSTEM_COUNTS = (
    *("measured_ms", "mqtt_disconnects", "mqtt_sessions", "unplanned_starts", "publisher_silent_ms"),
    *_SYSTEM_NETWORK,
)


def upgrade() -> None:
    """Add what is new; tokens that are there do not end by themselves."""
    op.add_column("tokens", sa.Column("expires_at", sa.BigInteger()))
    op.add_column("tokens", sa.Column("last_used_at", sa.BigInteger()))
    op.add_column("commands", sa.Column("cancelled_ms", sa.BigInteger()))
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
    )
    op.create_table(
        "readings_history",
        sa.Column("resolution_s", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("resolution_s", "at_ms", "uid", name=op.f("pk_readings_history")),
        sqlite_with_rowid=False,
    )
    _measured()


def _measured() -> None:
    """Count what passes the network, and keep what was measured by the hour; what was measured before is 0 there."""
    for table, names in (("meter_periods", _METER_NETWORK), ("system_periods", _SYSTEM_NETWORK)):
        for name in names:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "meter_hours",
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")) for name in _METER_COUNTS),
        sa.PrimaryKeyConstraint("at_ms", "uid", name=op.f("pk_meter_hours")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "system_hours",
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")) for name in _SYSTEM_COUNTS),
        sa.PrimaryKeyConstraint("at_ms", name=op.f("pk_system_hours")),
    )


def downgrade() -> None:
    """Take away what 0.3.0 does not know, and leave nothing that it would misread.

    A token that was to end is revoked: 0.3.0 knows no end and would honour it for ever. A cancelled command has failed.
    """
    for table, names in (("meter_periods", _METER_NETWORK), ("system_periods", _SYSTEM_NETWORK)):
        for name in names:
            op.drop_column(table, name)
    for table in ("system_hours", "meter_hours", "readings_history"):
        op.drop_table(table)
    op.drop_table("sessions")
    op.drop_table("users")
    op.execute("UPDATE tokens SET revoked_at = expires_at WHERE revoked_at IS NULL AND expires_at IS NOT NULL")
    op.execute("UPDATE commands SET state = 'failed', error_kind = 'cancelled' WHERE state = 'cancelled'")
    for table, column in (("commands", "cancelled_ms"), ("tokens", "last_used_at"), ("tokens", "expires_at")):
        op.drop_column(table, column)
