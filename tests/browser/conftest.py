"""A headless Chromium on the running product. A page that logs an error or breaks the CSP fails its test."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from playwright.sync_api import sync_playwright

from tenants.services import add_member, create_user
from tests.stack import Stack

# The first has no windows to draw: it takes a third of the CPU.
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# A container has neither a sandbox nor much shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
HERE = Path(__file__).parent
# What outlives a file, because to start it costs seconds: ended before a test that has no use of it.
LASTING = {"worker": ExitStack(), "browser": ExitStack()}
running = {}


def pytest_collection_modifyitems(items):
    """Those that need a worker come last, so that one does for all of them."""
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(HERE)]
    here = sorted(
        (items[place] for place in places), key=lambda item: "worker" in item.fixturenames
    )
    for place, item in zip(places, here, strict=True):
        item.add_marker(pytest.mark.browser)
        items[place] = item


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem):
    try:
        return (yield)
    finally:
        is_here = nextitem is not None and nextitem.path.is_relative_to(HERE)
        if not is_here or "worker" not in nextitem.fixturenames:
            end("worker")
        if not is_here:
            end("browser")


def keep_running(name, start):
    if name not in running:
        running[name] = LASTING[name].enter_context(start())
    return running[name]


def end(name):
    running.pop(name, None)
    LASTING[name].close()


@pytest.fixture(scope="session")
def sync_root(tmp_path_factory):
    """Folders below it can be sources."""
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="session")
def stack(services, django_db_setup, sync_root):
    """The web process and the stub of a model, for all pages."""
    model = "mock-150-40-15"
    with Stack(services, model=model, sync_root=sync_root).running(worker=False) as running:
        yield running


@pytest.fixture
def worker(stack):
    """None is left to take the documents of tests that have not asked for it."""
    keep_running("worker", stack.working)


@pytest.fixture(scope="module")
def browser():
    return keep_running("browser", chromium)


@contextmanager
def chromium():
    # Playwright's own loop runs in this thread, which Django takes for an async view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            launched = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
            yield launched
            launched.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def system_chromium():
    """None where there is none: Playwright's own is used."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture
def problems():
    """What the page complained of. A test that provokes an error clears it."""
    return []


def is_problem(message):
    """What htmx was asking for when the page was left, it ends with two complaints."""
    left = ("htmx:sendAbort", "htmx:afterRequest")
    return message.type == "error" and not message.text.startswith(left)


@pytest.fixture
def open_page(browser, stack, problems):
    """Makes a page of its own session; `user` is signed in without the form."""
    contexts = []

    def make(user=None, size=WIDE):
        context = browser.new_context(viewport=size, base_url=stack.url)
        context.set_default_timeout(20_000)
        contexts.append(context)
        if user:
            context.add_cookies([session_cookie(user, stack.url)])
        page = context.new_page()
        page.on("console", lambda m: is_problem(m) and problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page):
    return open_page()


@pytest.fixture
def owner(tenant):
    return make_person(tenant, "owner")


@pytest.fixture
def member(tenant):
    return make_person(tenant, "member", ["public"])


@pytest.fixture
def signed_in(open_page, owner):
    return open_page(owner)


def make_person(tenant, role, levels=(), password=""):
    user = create_user(email=f"{uuid.uuid4().hex[:10]}@example.com", password=None)
    if password:
        # The stack does not know the quick hasher of the tests' own settings.
        user.password = PBKDF2PasswordHasher().encode(password, "salt")
        user.save(update_fields=["password"])
    add_member(tenant=tenant, user=user, role=role, access_levels=levels)
    return user


def session_cookie(user, url):
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
