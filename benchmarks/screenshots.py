"""The pictures in docs/images: a new installation with the demo tenants, seen by a real browser.

The stub model answers in place of the two default models.
"""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from benchmarks.common import Installation, stub_model, temporary_folder
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = PROJECT_DIR / "docs" / "images"
SIZE: Any = {"width": 1440, "height": 900}
LARGEST_BYTES = 300_000
TENANT = "handbook"
QUESTIONS = (
    "What happens when a worker is killed while it indexes a document?",
    "How long does a revoked API key go on working?",
)
# Asked and rated beforehand, so that lists have something to show.
ASKED = (
    ("How do I connect a local model server?", "up", ""),
    ("Which roles may upload documents?", "up", ""),
    ("Is PgBouncer in transaction mode safe?", "up", ""),
    ("What does the error code no_text mean?", "", ""),
    ("How many documents fit into one tenant?", "down", "The manual does not say."),
)
# What answers are measured by: questions and the page of the manual that has to be found.
GOLDEN = (
    ("How do I connect a local model server?", "docs/model-endpoints.md"),
    ("Which roles may upload documents?", "docs/tenant-admin.md"),
    ("Is PgBouncer in transaction mode safe?", "docs/deployment.md"),
    ("How long does a revoked API key go on working?", "docs/security.md"),
    ("Which header carries the request id?", "docs/operator.md"),
)
PAGES = {
    "overview": f"/t/{TENANT}/",
    "documents": f"/t/{TENANT}/documents/",
    "traces": f"/t/{TENANT}/traces/",
    "keys": f"/t/{TENANT}/keys/",
    "dashboard": f"/t/{TENANT}/dashboard/",
    "feedback": f"/t/{TENANT}/feedback/",
    "evaluation": f"/t/{TENANT}/evaluation/",
    "alerts": f"/t/{TENANT}/alerts/rules/",
    "report": f"/t/{TENANT}/reports/{{today}}/",
    "operator": "/operator/",
    "tenants": "/operator/tenants/",
}
# These have many bars: seen in both themes.
DARK_TOO = ("dashboard",)
# The demo's questions are asked after the first start, and summed up ten seconds later at most.
LONGEST_WAIT = 300
DEMO_QUESTIONS = 60
SCOPES = "query,ingest,admin"
SYSTEM_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with temporary_folder() as folder, stub_model(folder) as upstream:
        env = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "any"}
        with Installation(folder / "data", demo=True, env=env) as installation:
            furnish(installation)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=find_browser(), args=["--no-sandbox"]
                )
                take_all(browser, installation)
                browser.close()
    check_sizes()


def find_browser() -> str | None:
    """The system's Chromium; None: the one that Playwright has downloaded."""
    return next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)


def furnish(installation: Installation) -> None:
    """Waits for the demo's documents, then asks, rates and evaluates a few questions."""
    key = installation.manage("create_api_key", TENANT, "--name", "Help desk", "--scopes", SCOPES)[
        "key"
    ]
    deadline = time.monotonic() + 180
    while any(count(installation, key, status) for status in ("queued", "indexing")):
        if time.monotonic() > deadline:
            raise RuntimeError("The demo tenant was not indexed in time.")
        time.sleep(0.5)
    for question, rating, comment in ASKED:
        answer = installation.ask("/api/v1/answers/", key, {"question": question})
        if rating:
            path = f"/api/v1/answers/{answer['id']}/feedback/"
            installation.ask(path, key, {"rating": rating, "comment": comment})
    for question, path in GOLDEN:
        golden = {"question": question, "expected_paths": [path]}
        installation.ask("/api/v1/golden-questions/", key, golden)
    installation.manage("evaluate", TENANT)
    wait_for_figures(installation, key)


def wait_for_figures(installation: Installation, key: str) -> None:
    """Until the demo's questions are in the figures."""
    deadline = time.monotonic() + LONGEST_WAIT
    path = "/api/v1/usage/?range=24h"
    while asked(installation.call("GET", path, key)) < DEMO_QUESTIONS:
        if time.monotonic() > deadline:
            raise RuntimeError("The demo's questions were not asked and summed up in time.")
        time.sleep(2)


def asked(usage: dict[str, Any]) -> int:
    return sum(point["questions"] for point in usage["series"])


def count(installation: Installation, key: str, status: str) -> int:
    return installation.call("GET", f"/api/v1/documents/?status={status}", key)["count"]


def take_all(browser: Browser, installation: Installation) -> None:
    for scheme, suffix in (("light", ""), ("dark", "-dark")):
        context = browser.new_context(
            base_url=installation.address,
            viewport=SIZE,
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        page = context.new_page()
        sign_in(page, installation, suffix)
        ask(page, suffix)
        today = datetime.now(UTC).date().isoformat()
        for name, path in PAGES.items():
            if not suffix or name in DARK_TOO:
                page.goto(path.format(today=today))
                take(page, f"{name}{suffix}")
        if not suffix:
            take_trace(page)
        context.close()


def sign_in(page: Page, installation: Installation, suffix: str) -> None:
    account = json.loads((installation.folder / "sign_in").read_text())
    page.goto("/accounts/login/")
    if not suffix:
        take(page, "sign-in")
    page.fill("input[name=login]", account["email"])
    page.fill("input[name=password]", account["password"])
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/accounts/" not in url)


def ask(page: Page, suffix: str) -> None:
    page.goto(f"/t/{TENANT}/playground/")
    for turn, question in enumerate(QUESTIONS):
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.locator(".turn-footer").nth(turn).wait_for(timeout=30_000)
    page.evaluate("scrollTo(0, 0)")
    take(page, f"playground{suffix}")
    if not suffix:
        take_cited_passage(page)


def take_cited_passage(page: Page) -> None:
    """The document, opened at the passage that the first citation names."""
    page.locator(".answer .cite").first.click()
    page.wait_for_load_state("networkidle")
    take(page, "citation")


def take_trace(page: Page) -> None:
    page.goto(PAGES["traces"])
    page.locator("table.table tbody a").first.click()
    page.wait_for_load_state("networkidle")
    take(page, "trace")


def take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
    print(f"docs/images/{name}.png")


def check_sizes() -> None:
    large = [path.name for path in IMAGES.glob("*.png") if path.stat().st_size > LARGEST_BYTES]
    if large:
        raise RuntimeError(f"Larger than {LARGEST_BYTES} bytes: {', '.join(large)}")


if __name__ == "__main__":
    main()
