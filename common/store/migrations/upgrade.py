"""Brings a database to the newest schema, in one transaction. The only module of the product that starts Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from common.store.database import Database, Way
from common.store.errors import StoreDamaged


def upgrade(database: Database) -> None:
    """Apply what is missing; several processes may do this at once, one after the other finds nothing to do."""
    database.prepare()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.begin(Way.WISH) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreDamaged(f"the store's schema is not one of this version's: {error}") from error
