"""Runs of a real website into a real database."""

from __future__ import annotations

import pytest

from retrieval.services.sources import create_source
from retrieval.services.sync_runs import retry_run
from tests.retrieval.connectors.website import Website
from tests.retrieval.sync.folders import counts, document, finish, paths, sync, texts


@pytest.fixture
def site(settings):
    with Website() as website:
        settings.PRIVATE_SOURCE_HOSTS = [f"localhost:{website.port}"]
        website.add("/docs/", "lift", "boiler", text="<h1>House</h1><p>All about the house.</p>")
        website.add("/docs/lift", text="<h1>Lift</h1><p>The lift stops at the third floor.</p>")
        website.add("/docs/boiler", text="<h1>Boiler</h1><p>It is behind the red door.</p>")
        yield website


@pytest.fixture
def source(tenant, site):
    return web_source(tenant, site.url("/docs/"))


def web_source(tenant, url, **values):
    config = {"url": url, "seconds_between_requests": 0}
    values = {"access_level": "public", "actor": "test", **values}
    return create_source(tenant=tenant, name="Site", kind="web", config=config, **values)


def test_website_is_indexed_and_a_second_run_reads_nothing(tenant, source, site):
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("succeeded", {"added": 3})
    host = f"localhost:{site.port}"
    assert paths(tenant, run, "added") == [f"{host}/docs/{name}" for name in ("", "boiler", "lift")]
    assert "behind the red door" in texts(tenant)[f"{host}/docs/boiler"]
    assert document(tenant, f"{host}/docs/lift").title == "Lift"
    site.take()
    again = sync(tenant, source)
    assert (again.status, counts(again), again.embedded_chunks) == (
        "succeeded",
        {"unchanged": 3},
        0,
    )
    asked = [each for each in site.take() if "/docs/" in each.path and ".xml" not in each.path]
    assert [(each.is_conditional, each.status) for each in asked] == [(True, 304)] * 3


def test_changed_moved_and_removed_pages_are_told_apart(tenant, source, site):
    sync(tenant, source)
    site.add("/docs/", "elevator", "lights", text="<h1>House</h1><p>All about the new house.</p>")
    site.pages["/docs/elevator"] = site.pages.pop("/docs/lift")
    site.fail("/docs/boiler", 410)
    site.add("/docs/lights", text="<h1>Lights</h1><p>Switches are on the left.</p>")
    run = sync(tenant, source)
    assert counts(run) == {"added": 1, "updated": 2, "deleted": 1}
    host = f"localhost:{site.port}"
    assert paths(tenant, run, "deleted") == [f"{host}/docs/boiler"]
    assert set(texts(tenant)) == {f"{host}/docs/{name}" for name in ("", "elevator", "lights")}


@pytest.mark.parametrize("status", [403, 404, 500])
def test_website_that_cannot_be_listed_fails_its_run_and_loses_nothing(
    tenant, source, site, status
):
    sync(tenant, source)
    before = texts(tenant)
    site.fail("/docs/", status)
    run = sync(tenant, source)
    assert run.status == "failed"
    assert counts(run) == {}
    assert texts(tenant) == before


def test_website_at_a_private_address_fails_with_what_to_do(tenant, site, settings):
    settings.PRIVATE_SOURCE_HOSTS = []
    run = sync(tenant, web_source(tenant, site.url("/docs/")))
    assert run.status == "failed"
    assert site.connections == 0


def test_page_that_failed_is_read_by_a_retry(tenant, source, site):
    site.add("/docs/", "lift", "boiler", "caf%C3%A9")
    site.fail("/docs/caf%C3%A9", 500)
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("partial", {"added": 3, "failed": 1})
    host = f"localhost:{site.port}"
    assert paths(tenant, run, "failed") == [f"{host}/docs/café"]
    site.add("/docs/caf%C3%A9", text="<p>Coffee is served at nine.</p>")
    again = finish(tenant, retry_run(tenant=tenant, run_id=run.pk, actor="test"))
    assert counts(again) == {"added": 1}
    assert "served at nine" in texts(tenant)[f"{host}/docs/café"]
    assert counts(sync(tenant, source)) == {"unchanged": 4}


def test_full_check_finds_what_a_server_kept_from_us(tenant, source, site):
    sync(tenant, source)
    stale = site.pages["/docs/lift"].etag
    page = site.add("/docs/lift", text="<p>The lift is out of order.</p>", has_etag=False)
    page.headers["ETag"] = stale
    run = sync(tenant, source, full_check=True)
    assert counts(run)["updated"] == 1
    assert "out of order" in texts(tenant)[f"localhost:{site.port}/docs/lift"]
