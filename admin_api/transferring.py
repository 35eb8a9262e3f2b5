"""Import and export over HTTP: a file of meters in, the report of its rows out; the meters as a file."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import Response, request

from admin_api.answers import answer
from admin_api.auth import actor
from admin_api.bodies import NotJson
from admin_api.context import Area, Route, services
from admin_api.schemas.shape import BadPayload
from admin_api.schemas.transfer import ExportQuery, ImportedFile, ImportQuery, ImportReport
from admin_api.transfer.bringing import bring
from admin_api.transfer.csv_form import dump_csv, parse_csv
from admin_api.transfer.planning import Mode, Step
from admin_api.transfer.rows import MAX_OCTETS, Row
from admin_api.transfer.yaml_form import dump_json, dump_yaml, parse_json, parse_yaml
from common.store.model import Role

Parse = Callable[[bytes], list[Row]]
PARSERS: Final[Mapping[str, Parse]] = {
    "text/csv": parse_csv,
    "application/yaml": parse_yaml,
    "application/x-yaml": parse_yaml,
    "text/yaml": parse_yaml,
    "application/json": parse_json,
}
DUMPS: Final = {
    "csv": (dump_csv, "text/csv"),
    "yaml": (dump_yaml, "application/yaml"),
    "json": (dump_json, "application/json"),
}
FORMS: Final = {media: form for form, (_, media) in DUMPS.items()}


def import_meters(query: ImportQuery, raw: ImportedFile) -> Response:
    """Import meters from a file.

    All rows or none: with one that is refused nothing is written, and the problem names every such row. What a
    row does not say stays as it is; a second import of the same file changes nothing. At most 1000 meters and 4 MiB.
    """
    parse = PARSERS.get(raw.mimetype)
    if parse is None:
        raise NotJson(f"Content-Type must be one of {', '.join(PARSERS)}")
    report = bring(services().store, parse(raw.get_data()), Mode(query.mode), actor(), dry_run=query.dry_run)
    if report.plan.refused and not query.dry_run:
        faults = [_fault(step) for step in report.plan.refused]
        raise RefusedImport(*faults[0], further=faults[1:])
    return answer(report.document())


def export_meters(query: ExportQuery) -> Response:
    """Export all meters to a file that may be imported again.

    Secrets are left out; of each there is whether it is set. An import without a secret keeps the one that is there.
    """
    media = request.accept_mimetypes.best_match(FORMS, "text/csv")
    form = query.form or FORMS[media]
    dump, media = DUMPS[form]
    headers = {"Content-Disposition": f'attachment; filename="meters.{form}"'}
    return Response(dump(services().store.meters.list()), mimetype=media, headers=headers)


class RefusedImport(BadPayload):
    """Rows of a file are refused, so that none was written; every one of them is named."""


def _fault(step: Step) -> tuple[str, str]:
    return f"rows[{step.row}].{step.field}", step.detail.removeprefix(f"{step.field}: ")


AREA: Final = Area(
    "transfer",
    (
        Route(
            *("POST", "/meters/import", Role.ADMIN, import_meters),
            answers={200: ImportReport},
            body_limit=MAX_OCTETS,
        ),
        Route(
            *("GET", "/meters/export", Role.VIEWER, export_meters),
            answers={200: None},
            media="text/csv",
            also=("application/yaml", "application/json"),
        ),
    ),
    about="Meters in files.",
)
