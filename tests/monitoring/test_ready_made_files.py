"""The dashboard and the rules in docs/ ask only for what a scrape has."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from monitoring.prometheus import FleetCollector
from ragadmin.installation import PROJECT_DIR

DOCS = PROJECT_DIR / "docs"
SELECTOR = re.compile(r"\b((?:rag|ragadmin)_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~?|!=|!~)"([^"]*)"')
BY = re.compile(r"\bby \(([^)]*)\)")
ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
    "gauge": ("",),
}


def targets_of_dashboard():
    board = json.loads((DOCS / "grafana" / "ragadmin.json").read_text())
    return [target for panel in board["panels"] for target in panel["targets"]]


def expressions_of_dashboard():
    return [target["expr"] for target in targets_of_dashboard()]


def expressions_of_rules():
    rules = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def exported(django_db_setup, django_db_blocker):
    """The labels of each name, and the values that each label has. No model is asked for by name."""
    labels, values = {}, {"cache_hit": {"true", "false"}}
    with django_db_blocker.unblock():
        for family in FleetCollector().collect():
            for ending in ENDINGS[family.type]:
                own = {"le"} if ending == "_bucket" else set(family._labelnames)
                labels[family.name + ending] = own
            for sample in family.samples:
                for name, value in sample.labels.items():
                    values.setdefault(name, set()).add(value)
    return labels, values


@pytest.mark.parametrize("read", [expressions_of_dashboard, expressions_of_rules])
def test_every_metric_label_and_value_that_is_asked_for_is_exported(read, exported):
    labels, values = exported
    asked = set()
    for expression in read():
        found = SELECTOR.findall(expression)
        for name, matchers in found:
            for label, _, value in MATCHER.findall(matchers):
                assert label in labels[name], expression
                assert value in values[label], expression
        known = {"le"}.union(*(labels[name] for name, _ in found))
        for by in BY.findall(expression):
            assert set(by.replace(" ", "").split(",")) <= known, expression
        asked.update(name for name, _ in found)
    assert 5 < len(asked) == len(asked & set(labels))


def test_every_line_is_named_by_a_label_that_it_has(exported):
    labels, _ = exported
    for target in targets_of_dashboard():
        shown = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
        kept = BY.findall(target["expr"])
        (name, _), *_ = SELECTOR.findall(target["expr"])
        assert set(shown) <= (set(",".join(kept).split(",")) if kept else labels[name])


def test_the_manual_names_every_metric():
    manual = (DOCS / "monitoring.md").read_text()
    assert all(family.name in manual for family in FleetCollector().collect())
