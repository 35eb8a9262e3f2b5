"""The dashboards of deploy/grafana, from three tables of panels: ``python -m tests.house.dashboards``.

A panel says what it shows, in which unit and from where on it is not well; places, ids and the data source follow.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.house.dashboard_fleet import FLEET
from tests.house.dashboard_meter import METER
from tests.house.dashboard_model import BAD, GOOD, Board, Panel
from tests.house.dashboard_pipeline import PIPELINE

DIRECTORY: Final = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "dlms-bridge-prometheus"}
COLUMNS: Final = 24
SCHEMA: Final = 38  # of Grafana 10
BOARDS: Final = (FLEET, METER, PIPELINE)


def document(board: Board) -> dict[str, Any]:
    """Return a dashboard as Grafana's JSON model has it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["dlms-bridge"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [_link(other) for other in BOARDS if other is not board],
        "templating": {"list": _variables(per_meter=board.per_meter)},
        "panels": _placed(board),
    }


def _link(other: Board) -> dict[str, Any]:
    return {
        "type": "link",
        "title": other.title,
        "tooltip": other.description,
        "url": f"/d/{other.uid}",
        "keepTime": True,
        "includeVars": True,
        "targetBlank": False,
    }


def _variables(*, per_meter: bool) -> list[dict[str, Any]]:
    found = [_variable("instance", "Installation", "label_values(dlms_bridge_build_info, instance)", many=True)]
    if per_meter:
        query = 'label_values(dlms_meter_info{instance=~"$instance"}, meter)'
        found.append(_variable("meter", "Meter", query, many=False))
    return found


def _variable(name: str, label: str, query: str, *, many: bool) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        **({"current": {"text": "All", "value": "$__all"}} if many else {}),
    }


def _placed(board: Board) -> list[dict[str, Any]]:
    """Return the panels one beside the other, row by row; a row is as high as its highest panel."""
    left = top = height = 0
    found = []
    for number, panel in enumerate(board.panels, 1):
        if left + panel.width > COLUMNS:
            left, top, height = 0, top + height, 0
        place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
        found.append(_panel(panel, number, place, per_meter=board.per_meter))
        left, height = left + panel.width, max(height, panel.height)
    return found


def _panel(panel: Panel, number: int, place: dict[str, int], *, per_meter: bool) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            _target(expression, legend, "ABCDEFG"[index], panel.kind, per_meter=per_meter)
            for index, (expression, legend) in enumerate(panel.targets)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
        **({"transformations": [{"id": "merge", "options": {}}]} if panel.kind == "table" else {}),
        **_links(panel, per_meter=per_meter),
    }


def _links(panel: Panel, *, per_meter: bool) -> dict[str, Any]:
    """Lead from a list of meters to the dashboard of one."""
    if per_meter or not any(legend == "{{meter}}" for _, legend in panel.targets):
        return {}
    url = f"/d/{METER.uid}?var-meter=${{__field.labels.meter}}&var-instance=${{__field.labels.instance}}"
    return {"links": [{"title": "Open the meter", "url": url, "targetBlank": False}]}


def _target(expression: str, legend: str, ref: str, kind: str, *, per_meter: bool) -> dict[str, Any]:
    selector = 'instance=~"$instance"' + (', meter="$meter"' if per_meter else "")
    made = expression.replace("{sel}", f"{{{selector}}}").replace("{sel,", f"{{{selector},")
    instant = kind != "timeseries"
    return {
        "refId": ref,
        "datasource": SOURCE,
        "expr": made,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        **({"format": "table"} if kind == "table" else {}),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    below = BAD if panel.limits and panel.limits[-1][1] == GOOD else GOOD
    steps = [{"color": below, "value": None}, *({"color": colour, "value": value} for value, colour in panel.limits)]
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.unit == "percentunit":
        found |= {"min": 0, "max": 1}
    elif panel.kind == "timeseries":
        found["min"] = 0
    return found


def _options(kind: str) -> dict[str, Any]:
    match kind:
        case "stat":
            return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}
        case "table":
            return {"showHeader": True, "cellHeight": "sm"}
        case _:
            return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def text(board: Board) -> str:
    """Return the file of a dashboard."""
    return json.dumps(document(board), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the three files."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    for board in BOARDS:
        (directory / f"{board.uid}.json").write_text(text(board), encoding="utf-8")


if __name__ == "__main__":
    main()
