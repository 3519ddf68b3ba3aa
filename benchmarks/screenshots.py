"""The pictures in docs/images: a new installation with the demo tenants, seen by a real browser.

The stub model answers in place of the two default models.
"""

from __future__ import annotations

import json
import shutil
import time
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
PAGES = {
    "overview": f"/t/{TENANT}/",
    "documents": f"/t/{TENANT}/documents/",
    "traces": f"/t/{TENANT}/traces/",
    "keys": f"/t/{TENANT}/keys/",
    "operator": "/operator/",
}
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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
    """Waits for the demo's documents, then asks and rates a few questions."""
    key = installation.manage("create_api_key", TENANT, "--name", "Help desk")["key"]
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
        if not suffix:
            for name, path in PAGES.items():
                page.goto(path)
                take(page, name)
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
