"""Rules, their tests, dashboards and documents keep up with the table of metrics and with one another."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from common.metric_names import ALL, MetricKind
from tests.house import dashboards, rule_cases
from tests.house.dashboard_model import Board
from tests.support.mosquitto import program

ROOT: Final = Path(__file__).parents[2]
RULES: Final = sorted((rule_cases.DEPLOY / "rules").glob("*.yml"))
SUFFIXES: Final = {MetricKind.HISTOGRAM: ("_bucket", "_sum", "_count"), MetricKind.SUMMARY: ("", "_sum", "_count")}
SAMPLES: Final = {metric.name + suffix for metric in ALL for suffix in SUFFIXES.get(metric.kind, ("",))}
ALERTS: Final = rule_cases.alerts()
PANELS: Final = [(board.uid, panel) for board in dashboards.BOARDS for panel in dashboards.document(board)["panels"]]


def _content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in _content(path)["groups"] for rule in group["rules"]]


RECORDED: Final = {rule["record"] for rule in _rules() if "record" in rule}


def _names(expression: str) -> set[str]:
    """Return the metrics and recorded series that an expression reads."""
    bare = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:[a-z]+:)?dlms_\w+(?::\w+)?", bare))


def test_rules_and_the_example_are_accepted_by_promtool() -> None:
    for words in (["check", "rules", *map(str, RULES)], ["check", "config", str(rule_cases.DEPLOY / "prometheus.yml")]):
        done = subprocess.run([program("promtool"), *words], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", rule_cases.FILE.name],
        cwd=rule_cases.DEPLOY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_and_the_file_is_made_of_the_cases() -> None:
    assert Counter(case.alert for case in rule_cases.CASES) == Counter(ALERTS.keys())
    assert _content(rule_cases.FILE) == rule_cases.document()


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_words_and_a_paragraph_where_its_runbook_leads(name: str) -> None:
    rule = ALERTS[name]
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (path, anchor) == ("docs/OPERATIONS.md", name.lower())
    chapter = (ROOT / path).read_text(encoding="utf-8").split("## Alert rules", 1)[1].split("\n## ", 1)[0]
    assert len(chapter.split(f"### {name}\n", 1)[1].split("\n### ", 1)[0].strip()) > 60
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_no_paragraph_is_of_an_alert_that_is_gone() -> None:
    chapter = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8").split("## Alert rules", 1)[1]
    assert set(re.findall(r"^### (Dlms\w+)$", chapter, re.MULTILINE)) == set(ALERTS)


def test_inhibitions_name_alerts_that_exist() -> None:
    content = _content(rule_cases.DEPLOY / "alertmanager.yml")
    matchers = [text for rule in content["inhibit_rules"] for text in rule["source_matchers"] + rule["target_matchers"]]
    for text in matchers:
        pattern = text.partition("alertname")[2].lstrip(" =~").strip('"')
        for part in pattern.split("|"):
            assert any(re.fullmatch(part, name) for name in ALERTS), part
    assert ("DlmsMetersStaleTogether", "DlmsMeterStale") in {
        (rule["source_matchers"][0].split()[-1], part)
        for rule in content["inhibit_rules"]
        for part in re.findall(r"Dlms\w+", rule["target_matchers"][0])
    }


@pytest.mark.parametrize("expression", [rule["expr"] for rule in _rules()])
def test_rules_read_what_exists(expression: str) -> None:
    assert _names(expression) <= SAMPLES | RECORDED, _names(expression) - SAMPLES - RECORDED


@pytest.mark.parametrize("board", dashboards.BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_made_of_its_table_and_no_panel_lies_on_another(board: Board) -> None:
    path = dashboards.DIRECTORY / f"{board.uid}.json"
    assert path.read_text(encoding="utf-8") == dashboards.text(board), "run `make prometheus`"
    content = json.loads(path.read_text(encoding="utf-8"))
    cells: Counter[tuple[int, int]] = Counter()
    for panel in content["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= dashboards.COLUMNS
        cells.update((x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"]))
    assert max(cells.values()) == 1
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    assert {link["url"] for link in content["links"]} == {
        f"/d/{other.uid}" for other in dashboards.BOARDS if other is not board
    }
    variables = [variable["name"] for variable in content["templating"]["list"]]
    assert variables == (["instance", "meter"] if board.per_meter else ["instance"])


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda item: item["title"] if isinstance(item, dict) else item)
def test_a_panel_has_all_that_a_reader_needs(board: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 10, board
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    assert panel["datasource"] == dashboards.SOURCE
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for target in panel["targets"]:
        assert target["datasource"] == dashboards.SOURCE
        assert _names(target["expr"]) <= SAMPLES | RECORDED, target["expr"]
        assert "{sel" not in target["expr"]


def test_the_data_source_is_the_one_that_panels_name() -> None:
    provisioning = dashboards.DIRECTORY.parent / "provisioning"
    (source,) = _content(provisioning / "datasources" / "dlms-bridge.yml")["datasources"]
    assert (source["type"], source["uid"]) == (dashboards.SOURCE["type"], dashboards.SOURCE["uid"])
    (provider,) = _content(provisioning / "dashboards" / "dlms-bridge.yml")["providers"]
    assert provider["type"] == "file"


def test_every_metric_has_its_row_in_the_api_document_and_no_other_has_one() -> None:
    chapter = (ROOT / "docs/API.md").read_text(encoding="utf-8").split("## Metrics", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in chapter.splitlines() if line.startswith("| `dlms_")]
    assert rows == [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in ALL
    ]
