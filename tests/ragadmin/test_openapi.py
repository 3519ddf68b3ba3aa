from __future__ import annotations

import re

import pytest
import yaml
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.test.testcases import LiveServerThread
from django.urls import reverse
from playwright.sync_api import sync_playwright

from tests.browser.conftest import system_chromium

# GET on the first two is Django's, POST is not.
HOT_ROUTES = {
    "/api/v1/answers/": "post",
    "/api/v1/search/": "post",
    "/v1/chat/completions": "post",
    "/v1/models": "get",
    "/v1/embeddings": "post",
}


@pytest.fixture
def schema(client) -> dict:
    response = client.get(reverse("api-schema"))
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def test_document_is_generated_without_warnings_and_is_valid(tmp_path):
    file = tmp_path / "schema.yml"
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(file))
    assert file.stat().st_size > 10_000


def test_hot_routes_are_described(schema):
    for path, method in HOT_ROUTES.items():
        assert method in schema["paths"][path]
    assert "get" in schema["paths"]["/api/v1/answers/"]


def test_the_series_behind_the_charts_are_described_with_their_choices(schema):
    named = {each["name"]: each for each in schema["paths"]["/api/v1/usage/"]["get"]["parameters"]}
    assert set(named["by"]["schema"]["enum"]) == {"model", "component", "cache", "tenant"}
    assert {"from", "to", "bucket"} <= set(named)


def test_every_reference_has_its_component(schema):
    names = set(re.findall(r"#/components/schemas/(\w+)", yaml.safe_dump(schema)))
    assert names <= set(schema["components"]["schemas"])


def test_every_operation_describes_the_error_shape(schema):
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            shapes = yaml.safe_dump(operation["responses"])
            assert "schemas/Error" in shapes or "schemas/OpenAIError" in shapes, path


def test_what_comes_in_pages_is_described_in_pages(schema):
    lists = {
        path: yaml.safe_dump(operations["get"]["responses"]["200"])
        for path, operations in schema["paths"].items()
        if any(each["name"] == "page" for each in operations.get("get", {}).get("parameters", ()))
    }
    assert {"/api/v1/notifiers/", "/api/v1/documents/", "/api/v1/sync-runs/"} <= set(lists)
    assert not [path for path, shape in lists.items() if "schemas/Paginated" not in shape]


def test_key_and_session_are_both_described(schema):
    assert set(schema["components"]["securitySchemes"]) == {"apiKey", "browserSession"}


def test_docs_page_has_nothing_inline(client):
    page = client.get(reverse("api-docs")).content.decode()
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


@pytest.fixture
def live_address(django_db_setup):
    server = LiveServerThread("127.0.0.1", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    yield f"http://127.0.0.1:{server.port}"
    server.terminate()


@pytest.mark.browser
def test_docs_render_in_a_browser_under_the_strict_policy(live_address):
    outside, complaints = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=system_chromium(), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((live_address, "data:"))
                else outside.append(request.url)
            ),
        )
        response = page.goto(live_address + reverse("api-docs"))
        assert response is not None
        assert "default-src 'self'" in response.headers["content-security-policy"]
        page.wait_for_selector('[data-path="/v1/chat/completions"]')
        assert page.locator(".opblock").count() >= len(HOT_ROUTES)
        browser.close()
    assert outside == []
    assert complaints == []
