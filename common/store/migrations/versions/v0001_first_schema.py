"""The first schema: wishes, states, commands, alarms, starts, tokens, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables; the version of all wishes begins at 1."""
    _versions()
    _meters()
    _meter_configs()
    _meter_states()
    _latest_values()
    _component_states()
    _commands()
    _alarms()
    _starts()
    _tokens()
    _audit()
    op.execute("INSERT INTO versions (name, value) VALUES ('wishes', 1)")


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_versions"),
    )


def _meters() -> None:
    op.create_table(
        "meters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.Column("purge", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("ip_address", sa.String(length=253), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=16), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("server_logical", sa.Integer(), nullable=False),
        sa.Column("server_physical", sa.Integer()),
        sa.Column("address_size", sa.Integer()),
        sa.Column("authentication", sa.String(length=16), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("interval_s", sa.Float(), nullable=False),
        sa.Column("desired_state", sa.String(length=16), nullable=False),
        sa.Column("line_mode", sa.String(length=16), nullable=False),
        sa.Column("tb_enabled", sa.Boolean(), nullable=False),
        sa.Column("tb_host", sa.String(length=253), nullable=False),
        sa.Column("tb_port", sa.Integer(), nullable=False),
        sa.Column("tb_token", sa.LargeBinary(), nullable=False),
        sa.Column("tb_device_name", sa.String(length=255), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_meters"),
        sa.UniqueConstraint("uid", name="uq_meters_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_meters_living_name",
        "meters",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _meter_configs() -> None:
    op.create_table(
        "meter_configs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("measurement_name", sa.String(length=64), nullable=False),
        sa.Column("obis_code", sa.String(length=32), nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=False),
        sa.Column("attribute", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("sampling_interval", sa.Float()),
        sa.Column("tb_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.id"], name="fk_meter_configs_meter_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_meter_configs"),
        sa.UniqueConstraint("meter_id", "measurement_name", name="uq_meter_configs_meter_id"),
    )


def _meter_states() -> None:
    op.create_table(
        "meter_states",
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger()),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("process_id", sa.Integer()),
        sa.Column("serial_number", sa.String(length=64), nullable=False),
        sa.Column("firmware_version", sa.String(length=64), nullable=False),
        sa.Column("last_read_ms", sa.BigInteger()),
        sa.Column("last_taken_ms", sa.BigInteger()),
        sa.Column("last_acknowledged_ms", sa.BigInteger()),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("network", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_meter_states"),
    )


def _latest_values() -> None:
    op.create_table(
        "latest_values",
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("ts_ms", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=8), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("units", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("failed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_latest_values"),
    )


def _component_states() -> None:
    op.create_table(
        "component_states",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_component_states"),
    )


def _commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("meter_uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("deadline_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.String(length=300), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("error_kind", sa.String(length=64), nullable=False),
        sa.Column("error_detail", sa.String(length=1024), nullable=False),
        sa.Column("finished_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
    )
    op.create_index("ix_commands_state_created_ms", "commands", ["state", "created_ms"], unique=False)


def _alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meter_uid", sa.LargeBinary(length=16)),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=1024), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("dedup_key", sa.String(length=128), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger()),
        sa.Column("acknowledged_at", sa.BigInteger()),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_alarms_active",
        "alarms",
        ["dedup_key"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("ix_alarms_meter_uid", "alarms", ["meter_uid"], unique=False)


def _starts() -> None:
    op.create_table(
        "starts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_starts"),
    )
    op.create_index("ix_starts_uid_at_ms", "starts", ["uid", "at_ms"], unique=False)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def downgrade() -> None:
    """Take away all tables, the children first."""
    for table in (
        *("audit", "tokens", "starts", "alarms", "commands", "component_states", "latest_values", "meter_states"),
        *("meter_configs", "meters", "versions"),
    ):
        op.drop_table(table)
