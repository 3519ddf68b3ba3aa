"""The isolation check as an operator meets it: the banner, the matrix, one probe, one's way back."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tenants.isolation.levels import LEVELS
from tenants.models import IsolationRun
from tenants.services import create_operator
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_page_basics import DUPLICATE_IDS, SIDEWAYS, UNLABELLED


@pytest.fixture
def operator(database):
    return create_operator(email=f"op-{uuid.uuid4().hex[:10]}@example.com", password="x" * 20)


@pytest.fixture
def runs(database):
    """A green one and then a red one."""
    green = _make_run("ok")
    yield green, _make_run("leak")
    IsolationRun.objects.all().delete()


def _make_run(worst):
    rows = [
        _row("Database", "Row-level security on every table", {"all": "ok"}),
        _row("Search", "Hybrid search", _cells() | {"schema-shared": worst}),
        _row("API", "/api/v1/documents/<uuid:document_id>/chunks/", _cells()),
    ]
    return IsolationRun.objects.create(
        results=rows, probes=1234, leaks=int(worst == "leak"), finished_at=timezone.now()
    )


def _cells():
    keys = [f"{one}-{other}" for one in LEVELS for other in LEVELS]
    return dict.fromkeys(["own", *keys, *(f"within-{level}" for level in LEVELS)], "ok")


def _row(section, title, statuses):
    cells = [
        {"key": key, "status": status, "notes": [_note(status)]} for key, status in statuses.items()
    ]
    return {"section": section, "title": title, "about": "It is tried.", "cells": cells}


def _note(status):
    detail = "The canary's secret word came out." if status == "leak" else ""
    names = {"visitor": "canary-schema-1", "target": "canary-shared-1"}
    return names | {"status": status, "tried": 12, "detail": detail}


def test_an_operator_follows_the_banner_to_the_open_door(open_page, operator, runs):
    page = open_page(operator, WIDE)
    page.goto("/operator/")
    page.get_by_role("link", name="See which doors are open").click()
    expect(page.get_by_role("heading", name="Isolation")).to_be_visible()
    page.get_by_role("link", name="From schema into shared: Leak").click()
    expect(page.get_by_role("heading", name="Hybrid search")).to_be_in_viewport()
    expect(page.get_by_text("The canary's secret word came out.")).to_be_visible()
    page.get_by_role("link", name=f"Run {runs[0].pk}").click()
    expect(page.get_by_text("No leak.")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_matrix_fits_and_is_labelled(open_page, operator, runs, size):
    page = open_page(operator, size)
    page.goto("/operator/isolation/")
    assert page.evaluate(SIDEWAYS) <= 0
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(DUPLICATE_IDS) == []
