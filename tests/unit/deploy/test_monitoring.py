"""What is shipped for Prometheus and Grafana fits the metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.needs import need_program
from tidemark.exporter import FAMILIES

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = ROOT / "deploy" / "prometheus" / "alerts.test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "tidemark.json"

NAMES = {
    *FAMILIES,
    *(
        f"{name}{end}"
        for name, family in FAMILIES.items()
        if family.kind == "histogram"
        for end in ("_bucket", "_sum", "_count")
    ),
}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def _used(query: str) -> set[str]:
    """The metrics that a query names."""
    return set(re.findall(r"\btidemark_[a-z0-9_]+", query))


def _labels(query: str) -> set[str]:
    """The labels that it selects or groups by."""
    selected = {name for inside in re.findall(r"\{([^}]*)\}", query) for name in re.findall(r"(\w+)\s*[=!]", inside)}
    listed = re.findall(r"\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)", query)
    return selected | {name.strip() for inside in listed for name in inside.split(",") if name.strip()}


KNOWN_LABELS = {"job", "instance", "le"} | {label for family in FAMILIES.values() for label in family.labels}


def test_alerts_and_dashboard_name_only_metrics_and_labels_that_exist() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [rule["expr"] for rule in _rules()]
    queries += [target["expr"] for panel in _panels(board["panels"]) for target in panel.get("targets", [])]
    variables = [str(variable["query"]) for variable in board["templating"]["list"] if variable["type"] == "query"]

    assert len(queries) > 30
    for query in queries:
        assert _used(query), query
        assert _used(query) <= NAMES, query
        assert _labels(query) <= KNOWN_LABELS, query
    for query in variables:
        assert _used(query) <= NAMES, query


def test_every_alert_is_tried_has_a_severity_and_a_section_that_says_what_to_do() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    fires = {test["alertname"] for case in cases for test in case["alert_rule_test"] if test["exp_alerts"]}
    quiet = {test["alertname"] for case in cases for test in case["alert_rule_test"] if not test["exp_alerts"]}

    for rule in _rules():
        name = rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert headings.count(name) == 1, f"docs/operations.md has no section {name}"
        assert name in fires
        assert name in quiet
    assert {heading for heading in headings if heading.startswith("Tidemark")} == {rule["alert"] for rule in _rules()}


def test_promtool_finds_every_alert_firing_when_it_should() -> None:
    promtool = need_program("promtool")
    tried = subprocess.run([promtool, "test", "rules", CASES], capture_output=True, text=True, check=False)

    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_prometheus_configuration_is_sound() -> None:
    promtool = need_program("promtool")
    file = ROOT / "deploy" / "compose" / "prometheus.yml"
    checked = subprocess.run(
        [promtool, "check", "config", "--syntax-only", file], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dashboard_is_well_formed() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = list(_panels(board["panels"]))
    ids = [panel["id"] for panel in panels]

    assert len(ids) == len(set(ids))
    assert board["uid"] == "tidemark"
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "keyspace", "shard"]
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
            assert panel["description"], panel["title"]
            assert panel["targets"], panel["title"]
            assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]
    boxes = [p["gridPos"] for p in panels]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, (a, b)
