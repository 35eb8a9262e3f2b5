"""Which schema this program works on: the newest of ``common.store.migrations``, to be read without Alembic."""

from typing import Final

REVISION: Final = "0004"
