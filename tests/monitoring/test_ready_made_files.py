"""The dashboard and the rules in docs/ ask only for what a scrape has."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from monitoring.prometheus import FleetCollector
from ragadmin.installation import PROJECT_DIR

DOCS = PROJECT_DIR / "docs"
NAME = re.compile(r"\b(?:rag|ragadmin)_[a-z_]+\b")


def expressions_of_dashboard():
    board = json.loads((DOCS / "grafana" / "ragadmin.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def expressions_of_rules():
    rules = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def exported_names():
    endings = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_sum", "_count"),
        "summary": ("_sum", "_count"),
        "gauge": ("",),
    }
    return {
        family.name + ending
        for family in FleetCollector().collect()
        for ending in endings[family.type]
    }


@pytest.mark.parametrize("read", [expressions_of_dashboard, expressions_of_rules])
def test_every_metric_that_is_asked_for_is_exported(read):
    asked = {name for expression in read() for name in NAME.findall(expression)}
    assert len(asked) > 5
    assert asked <= exported_names()


def test_the_manual_names_every_metric():
    manual = (DOCS / "monitoring.md").read_text()
    assert all(family.name in manual for family in FleetCollector().collect())
