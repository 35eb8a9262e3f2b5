"""What a file of meters is made of: rows, each the body of one meter or what is wrong with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from admin_api.schemas.shape import BadPayload
from common.store.errors import BadWish

MAX_ROWS: Final = 1000  # meters of one file: they are written in one transaction, and all others wait for it
MAX_OCTETS: Final = 4 << 20  # of one file; a thousand meters with all their measurements named have some 400 kB


class BadImport(BadPayload):
    """A file as a whole is not what it should be; ``field`` names the part at fault."""


@dataclass(frozen=True, slots=True)
class Row:
    """One meter of a file, counted from 1. ``fields``: as the body of POST /meters; ``error``: what it is not."""

    number: int
    fields: Mapping[str, object] = field(default_factory=dict)
    uid: str = ""
    error: BadWish | None = None

    @property
    def name(self) -> str:
        """The meter's name, as far as the file says one."""
        name = self.fields.get("name", "")
        return name[:64] if isinstance(name, str) else ""


def refuse_too_many(count: int) -> None:
    """Raise BadImport for a file with more meters than are taken at once."""
    if count > MAX_ROWS:
        raise BadImport("rows", f"a file may hold {MAX_ROWS} meters; this one holds more")
