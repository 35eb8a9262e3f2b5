"""A meter's history over HTTP: what it measured, by the minute, the quarter of an hour or the day; as JSON or CSV."""

from collections.abc import Iterator, Sequence
from typing import Final

from flask import Response, request

from admin_api.answers import answer, meant, window
from admin_api.context import Area, Route, services
from admin_api.documents import Document, iso, latest_document
from admin_api.schemas.history import Readings, ReadingsQuery
from admin_api.schemas.meters import MeterPath
from admin_api.transfer.csv_form import csv_text, quoted
from common.store.model import Role
from common.store.summary import HistoryRow, Summary

CSV: Final = "text/csv"
_STATISTICS: Final = ("lowest", "mean", "highest", "last")
_TITLES: Final = ("min", "mean", "max", "last")


def list_readings(path: MeterPath, query: ReadingsQuery) -> Response:
    """Show what a meter measured, by periods.

    Without a resolution it is the finest that is kept for so long and fits the limit.
    """
    meter, store = meant(path.meter), services().store
    from_ms, to_ms = window(query.since, query.to)
    wanted = None if query.resolution is None else int(query.resolution)
    rows = store.history.between(meter.uid, from_ms, to_ms, wanted, query.limit)
    if _is_csv(query):
        return Response(csv_text(*table(rows)), mimetype=CSV)
    more = rows[-1].at_ms + 1000 * rows[-1].resolution_s if len(rows) == query.limit else None
    return answer({
        "meter_id": meter.id,
        "uid": meter.uid.hex(),
        "name": meter.wish.name,
        "from": iso(from_ms),
        "to": iso(to_ms),
        "resolution_s": rows[0].resolution_s if rows else wanted,
        "items": [period(row) for row in rows],
        "next_from": iso(more),
        "latest": latest_document(store.states.latest(meter.uid)),
    })


def period(row: HistoryRow) -> Document:
    """Return a row of the history as a document."""
    return {
        "at": iso(row.at_ms),
        "last_at": iso(row.last_ms),
        "readings": row.readings,
        "values": {key: _numbers(summary) for key, summary in row.values.items()},
        "texts": dict(row.texts),
        "read_ms": None if row.read_ms is None else _numbers(row.read_ms),
    }


def table(rows: Sequence[HistoryRow]) -> tuple[list[str], Iterator[list[str]]]:
    """Return a header and lines of cells: four columns of each key that any row has."""
    keys = sorted({key for row in rows for key in row.values})
    header = ["at", "resolution_s", "readings", *(quoted(f"{key}_{title}") for key in keys for title in _TITLES)]
    return header, (_cells(row, keys) for row in rows)


def _cells(row: HistoryRow, keys: Sequence[str]) -> list[str]:
    found = [str(iso(row.at_ms)), str(row.resolution_s), str(row.readings)]
    for key in keys:
        summary = row.values.get(key)
        found += ["" if summary is None else repr(getattr(summary, name)) for name in _STATISTICS]
    return found


def _numbers(summary: Summary) -> Document:
    return {
        "min": summary.lowest,
        "mean": summary.mean,
        "max": summary.highest,
        "last": summary.last,
        "count": summary.count,
    }


def _is_csv(query: ReadingsQuery) -> bool:
    if query.form is not None:
        return query.form == "csv"
    return request.accept_mimetypes.best_match(["application/json", CSV]) == CSV


AREA: Final = Area(
    "readings",
    (
        Route(
            *("GET", "/meters/<meter>/readings", Role.VIEWER, list_readings),
            answers={200: Readings},
            also=(CSV,),
        ),
    ),
    about="What meters measured: a rolling history.",
)
