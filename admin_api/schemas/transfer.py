"""Import and export: what a file may do, in which form it is asked for, and what became of its rows."""

from typing import Literal

from flask_openapi3.models import RawModel

from admin_api.schemas.shape import Answer, Field, Flag, Query


class ImportQuery(Query):
    """What a file may do."""

    dry_run: Flag = Field(False, description="Only say what would become of each row.")
    mode: Literal["create", "upsert"] = Field("upsert", description="Only add meters, or change those that are there.")


class ImportedFile(RawModel):
    """A list of meters."""


ImportedFile.mimetypes = ["text/csv", "application/yaml", "application/json"]


class ExportQuery(Query):
    """In which form."""

    form: Literal["csv", "yaml", "json"] | None = Field(None, alias="format", description="Else what Accept says; csv.")


class ImportedRow(Answer):
    """What became of a row, counted from 1."""

    row: int
    name: str
    meter_id: int | None
    outcome: Literal["created", "updated", "unchanged", "refused"]
    changed: list[str]
    field: str | None
    detail: str | None


class ImportReport(Answer):
    """What became of a file."""

    mode: Literal["create", "upsert"]
    dry_run: bool
    applied: bool
    created: int
    updated: int
    unchanged: int
    refused: int
    rows: list[ImportedRow]
