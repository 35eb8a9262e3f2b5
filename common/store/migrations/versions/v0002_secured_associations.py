"""Secured associations: security, keys and titles of a meter, and short names."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW: tuple[sa.Column[object], ...] = (
    sa.Column("security", sa.String(length=16), nullable=False, server_default="none"),
    sa.Column("security_suite", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("encryption_key", sa.LargeBinary(), nullable=False, server_default=sa.text("''")),
    sa.Column("authentication_key", sa.LargeBinary(), nullable=False, server_default=sa.text("''")),
    sa.Column("client_title", sa.String(length=16), nullable=False, server_default=""),
    sa.Column("server_title", sa.String(length=16), nullable=False, server_default=""),
    sa.Column("dedicated_key", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("general_ciphering", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.Column("referencing", sa.String(length=2), nullable=False, server_default="ln"),
)


def upgrade() -> None:
    """Add the columns; meters that are there stay without security.

    The defaults stay: SQLite can take them away only by making the table anew, and its DROP would take the
    measurements of all meters along.
    """
    for column in _NEW:
        op.add_column("meters", column)


def downgrade() -> None:
    """Take away what 0.1.0 does not know. Meters that it cannot read without their keys are stopped."""
    names = ("desired_state", "revision", "security", "referencing", "authentication")
    meters = sa.table("meters", *(sa.column(name) for name in names))
    kept = sa.and_(meters.c.security == "none", meters.c.referencing == "ln", meters.c.authentication != "hls-gmac")
    op.execute(sa.update(meters).where(sa.not_(kept)).values(desired_state="stopped", revision=meters.c.revision + 1))
    for column in reversed(_NEW):
        op.drop_column("meters", column.name)
