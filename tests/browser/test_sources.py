"""A folder from the form to its second, unchanged run, to a mass deletion that asks, to an undo."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_page_basics import DUPLICATE_IDS, FOCUS_RING, SIDEWAYS, UNLABELLED
from tests.retrieval.sources import make_run, make_source

pytestmark = pytest.mark.usefixtures("worker")

FILES = 14
LONG = " ".join(f"Sentence {number} is about the kettle and its lid." for number in range(40))
TOPICS = ("Descaling", "Whistling", "Filling")


@pytest.fixture
def folder(sync_root):
    folder = sync_root / uuid.uuid4().hex[:8]
    folder.mkdir()
    for number in range(FILES):
        (folder / f"page-{number:02}.md").write_text(page_text(number))
    return folder


def page_text(number, extra=""):
    """Several passages, so that an edit of one leaves the others as they were."""
    parts = [f"## {topic} {number}\n\n{LONG} This is {topic} {number}." for topic in TOPICS]
    return f"# Page {number}\n\n" + "\n\n".join(parts) + extra


def enter_folder(page, tenant, folder):
    page.goto(f"/t/{tenant.slug}/sources/")
    page.get_by_role("link", name=re.compile("^Folder")).click()
    page.get_by_label("Name", exact=True).fill("Kettle manual")
    page.get_by_label("Folder", exact=True).fill(str(folder))
    expect(page.get_by_label("Access key ID")).to_be_hidden()
    expect(page.get_by_label("Crontab", exact=True)).to_be_hidden()
    page.get_by_label("At set times (crontab)").check()
    page.get_by_label("Crontab", exact=True).fill("0 3 * *")
    expect(page.locator("#schedule-words")).to_contain_text("five parts")
    page.get_by_label("Crontab", exact=True).fill("0 3 * * 1-5")
    expect(page.locator("#schedule-words")).to_contain_text("03:00")
    page.get_by_label("Every so many minutes").check()
    expect(page.locator("#schedule-words")).to_contain_text("Every 15 minutes")


def wait_until_over(page, timeout=60_000):
    """The page stops looking by itself."""
    expect(page.locator("#run:not([hx-trigger])")).to_be_attached(timeout=timeout)


def expect_counts(page, **wanted):
    for kind, number in wanted.items():
        value = page.locator(f".metric:has(#count-{kind}) .metric-value")
        expect(value).to_have_text(str(number))


def sync_now(page):
    page.get_by_role("link", name="The source", exact=True).click()
    page.get_by_role("button", name="Sync now").click()
    page.wait_for_url(re.compile("/sync-runs/"))
    wait_until_over(page)


@pytest.mark.timeout(400)
def test_folder_from_the_form_to_an_undone_run(signed_in, tenant, folder):
    page = signed_in
    enter_folder(page, tenant, folder)
    page.get_by_role("button", name="Save and look first").click()
    page.wait_for_url(re.compile("/sync-runs/"))
    wait_until_over(page)
    expect(page.locator("#state-title")).to_contain_text(f"{FILES} would be added")
    expect(page.locator("#run")).to_contain_text("Nothing was changed")
    expect_counts(page, added=FILES, updated=0, deleted=0, failed=0)

    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=20_000)
    wait_until_over(page)
    expect_counts(page, added=FILES, updated=0, deleted=0, unchanged=0, failed=0)
    expect(page.locator("#run-told")).to_have_text(f"Succeeded: {FILES} added.")
    page.locator(".metric:has(#count-added) a").click()
    expect(page.locator("#tab-added")).to_have_attribute("aria-current", "true")
    page.get_by_label("Search in paths").fill("page-07")
    expect(page.locator("#paths tbody tr")).to_have_count(1)
    page.get_by_role("link", name="page-07.md").click()
    expect(page.locator("main")).to_contain_text("Whistling 7")

    page.goto(f"/t/{tenant.slug}/sources/")
    expect(page.locator(".source-card")).to_contain_text(f"{FILES} documents")
    page.get_by_role("button", name="Sync now").click()
    wait_until_over(page)
    expect(page.locator("#state-title")).to_have_text("Nothing changed")
    expect_counts(page, added=0, updated=0, deleted=0, unchanged=FILES, failed=0)

    (folder / "page-03.md").write_text(page_text(3, "\n\n## Storing\n\nKeep it dry.\n"))
    sync_now(page)
    expect_counts(page, added=0, updated=1, deleted=0, unchanged=FILES - 1, failed=0)
    reused = page.locator(".run-plan tr", has_text="Passages reused").locator("td").last
    expect(reused).to_have_text(re.compile(r"^[1-9]"))

    for path in sorted(folder.iterdir())[: FILES - 4]:
        path.unlink()
    sync_now(page)
    question = page.get_by_role("heading", name=f"Delete {FILES - 4} documents?")
    expect(question).to_be_visible()
    expect(page.locator(".run-first li").first).to_have_text("page-00.md")
    page.get_by_role("button", name="Cancel, delete nothing").click()
    expect(page.locator("#state-title")).to_have_text("Cancelled")
    expect(page.locator("#run")).to_contain_text("Nothing was changed")

    sync_now(page)
    page.get_by_role("button", name=f"Confirm: delete {FILES - 4} documents").click()
    expect(question).to_be_hidden(timeout=20_000)
    wait_until_over(page)
    expect_counts(page, deleted=FILES - 4, unchanged=4)
    page.get_by_role("link", name="Undo this run").click()
    expect(page.locator("main")).to_contain_text("paused with it")
    page.get_by_role("button", name=f"Bring back {FILES - 4} documents").click()
    expect(page.get_by_role("heading", name="Undone")).to_be_visible()
    page.get_by_role("link", name="The source", exact=True).click()
    expect(page.locator(".metric", has_text="Documents").first).to_contain_text(str(FILES))
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_run_can_be_cancelled_while_it_is_under_way(signed_in, tenant, sync_root):
    folder = sync_root / uuid.uuid4().hex[:8]
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.md").write_text(page_text(number))
    page = signed_in
    enter_folder(page, tenant, folder)
    page.get_by_role("button", name="Save and sync").click()
    page.get_by_role("button", name="Cancel").click()
    wait_until_over(page)
    expect(page.locator("#state-title")).to_have_text("Cancelled")


@pytest.fixture
def addresses(tenant):
    source = make_source(tenant, "A source with quite a long name " * 4)
    website = make_source(tenant, "Website", kind="web")
    long_path = "folder/" + "a-very-long-name-" * 9 + ".md"
    paths = {"added": [long_path], "deleted": ["b.md"] * 30, "failed": [long_path]}
    plan = {"listed": 40, "deleted": 30, "reason": "30 of 40 documents would be deleted. " * 3}
    runs = [
        make_run(tenant, source, paths=paths, status="partial"),
        make_run(tenant, source, paths=paths, dry_run=True),
        make_run(tenant, website, status="failed", error_message="It is away. " * 9, plan={}),
        make_run(tenant, website, status="needs_confirmation", paths=paths, plan=plan),
    ]
    return [
        "sources/",
        *(f"sources/new/{kind}/" for kind in ("folder", "web", "upload")),
        *(f"sources/{source.pk}/{page}" for page in ("", "edit/", "delete/")),
        "sync-runs/",
        *(f"sync-runs/{run.pk}/" for run in runs),
        f"sync-runs/{runs[0].pk}/undo/",
    ]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_of_sources_fit_and_are_labelled(open_page, owner, tenant, addresses, size):
    page = open_page(owner, size)
    for address in addresses:
        page.goto(f"/t/{tenant.slug}/{address}")
        assert page.evaluate(SIDEWAYS) <= 0, address
        assert page.evaluate(UNLABELLED) == [], address
        assert page.evaluate(DUPLICATE_IDS) == [], address
        expect(page.locator("h1")).to_have_count(1)
        assert page.title()


def test_focus_is_visible_on_pages_of_sources(open_page, owner, tenant, addresses):
    page = open_page(owner)
    for address in addresses:
        page.goto(f"/t/{tenant.slug}/{address}")
        for _ in range(25):
            page.keyboard.press("Tab")
            assert page.evaluate(FOCUS_RING), page.evaluate("document.activeElement.outerHTML")
