"""Reliability: backfill from load profiles, diagnostics of the line, measured periods, notices of alarms."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PERIOD = (
    *("measured_ms", "up_ms", "cycles", "cycles_slow", "cycle_ms"),
    *("reads_ok", "reads_failed", "connect_failures", "reconnects", "hdlc_errors", "starts"),
    *("taken", "delivered", "dropped", "backfilled", "overdue"),
)
_SYSTEM = ("measured_ms", "mqtt_disconnects", "mqtt_sessions", "unplanned_starts", "publisher_silent_ms")


def upgrade() -> None:
    """Add what is new; meters that are there are backfilled from the profile that their model has."""
    op.add_column("meters", sa.Column("backfill", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("meters", sa.Column("load_profile", sa.String(length=32), nullable=False, server_default=""))
    _diagnostics()
    op.create_table(
        "meter_periods",
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _PERIOD),
        sa.PrimaryKeyConstraint("at_ms", "uid", name=op.f("pk_meter_periods")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "system_periods",
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SYSTEM),
        sa.PrimaryKeyConstraint("at_ms", name=op.f("pk_system_periods")),
    )
    _notices()


def _diagnostics() -> None:
    op.create_table(
        "dlms_diagnostics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meter_uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=False),
        sa.Column("frames", sa.JSON(), nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dlms_diagnostics")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dlms_diagnostics_meter_uid_at_ms", "dlms_diagnostics", ["meter_uid", "at_ms"])


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alarm_id", sa.Integer(), nullable=False),
        sa.Column("change", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("alarm_id", "change", "channel", name=op.f("uq_notices_alarm_id")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Take away what 0.2.0 does not know."""
    for table in ("notices", "system_periods", "meter_periods", "dlms_diagnostics"):
        op.drop_table(table)
    for column in ("load_profile", "backfill"):
        op.drop_column("meters", column)
