"""Alembic's hook: runs migrations on the connection that ``upgrade`` brings, inside its transaction."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

from common.store.tables import metadata

connection = cast("Connection", context.config.attributes["connection"])
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
