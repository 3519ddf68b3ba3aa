"""Charts in a real Chromium under the strict policy: drawn, read, followed, redrawn and taken away."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test import override_settings
from django.test.testcases import LiveServerThread
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_page_basics import DUPLICATE_IDS, SIDEWAYS, UNLABELLED
from tests.monitoring import chart_samples

ALIVE = "() => Object.keys(Chart.instances).length"
# Of each picture, the share of pixels that are not empty.
INKED = """() => [...document.querySelectorAll("[data-chart] canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, place) => place % 4 === 3 && value).length / (data.length / 4);
})"""
COLOURS = """() => Object.values(Chart.instances).map(
  ({ data, options }) => [data.datasets[0].backgroundColor, options.scales.y.ticks.color].join())"""
CROWDED_LABELS = """() => Object.values(Chart.instances).filter(({ ctx, scales: { x } }) => {
  const widest = Math.max(...x.ticks.map(({ label }) => ctx.measureText(label).width));
  return x.ticks.length * (widest + 6) > x.width;
}).map((chart) => chart.canvas.closest("figure").id)"""
VIOLATIONS = """addEventListener("securitypolicyviolation", ({ violatedDirective, sourceFile }) => {
  console.error(`refused by the policy: ${violatedDirective} ${sourceFile}`);
});"""


@pytest.fixture(scope="module")
def address(django_db_setup):
    with override_settings(ROOT_URLCONF="tests.monitoring.chart_urls"):
        server = LiveServerThread("127.0.0.1", StaticFilesHandler)
        server.daemon = True
        server.start()
        server.is_ready.wait()
        yield f"http://127.0.0.1:{server.port}"
        server.terminate()


@pytest.fixture(scope="module")
def context(browser, address):
    """One for all tests, so that Chart.js is loaded once. Without animations a picture is final when it is there."""
    context = browser.new_context(
        viewport=WIDE,
        base_url=address,
        has_touch=True,
        color_scheme="light",
        reduced_motion="reduce",
    )
    context.add_init_script(VIOLATIONS)
    yield context
    context.close()


@pytest.fixture
def page(context, problems):
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    response = page.goto("/charts/")
    assert "default-src 'self'" in response.headers["content-security-policy"]
    yield page
    page.close()
    assert problems == []


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide", "narrow"]
)
def test_every_chart_is_drawn_and_fits(page, size, scheme):
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.goto("/charts/states/")
    pictures = page.evaluate(INKED)
    assert len(pictures) == 12
    assert min(pictures) > 0.01
    assert page.evaluate(CROWDED_LABELS) == []
    assert page.evaluate(SIDEWAYS) <= 0
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(DUPLICATE_IDS) == []


def test_a_click_on_a_bar_goes_to_its_traces(page):
    box = page.locator("#chart-cost canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 15, box["y"] + box["height"] / 2)
    page.wait_for_url("**/traces/?hour=23")


def test_a_finger_sees_the_figures_first_and_goes_on_with_the_second_tap(page):
    bar = {"x": 180, "y": 60}
    page.locator("#chart-cost canvas").tap(position=bar)
    assert page.url.endswith("/charts/")
    page.locator("#chart-cost canvas").tap(position=bar)
    page.wait_for_url("**/traces/?hour=*")


def test_the_keyboard_reaches_the_same_traces_by_the_table(page):
    page.locator("#chart-cost summary").press("Enter")
    link = page.locator("#chart-cost").get_by_role("link", name="Sun 1 Nov 2026, 05:00")
    expect(link).to_be_visible()
    link.press("Enter")
    page.wait_for_url("**/traces/?hour=5")


def test_a_tooltip_says_what_the_table_says(page):
    page.locator("#chart-cost canvas").hover(position={"x": 200, "y": 80})
    said = page.evaluate(
        """() => { const { title, body } = Chart.getChart(document.querySelector("#chart-cost canvas")).tooltip;
        return [...title, ...body.flatMap(({ lines }) => lines)]; }"""
    )
    chart = chart_samples.cost()
    row = next(row for row in chart.rows() if row.label == said[0])
    *series, total, before = zip(chart.header()[1:], row.cells, strict=True)
    assert said[1:] == [f"{name}: {cell}" for name, cell in (total, *series, before)]


def test_a_change_of_theme_redraws_every_chart(page):
    light = page.evaluate(COLOURS)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        f"(before) => ({COLOURS})().every((now, n) => now !== before[n])", arg=light
    )
    assert page.evaluate(ALIVE) == 6
    page.evaluate("delete document.documentElement.dataset.theme")
    page.wait_for_function(f"(before) => ({COLOURS})().join() === before.join()", arg=light)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        f"(before) => ({COLOURS})().every((now, n) => now !== before[n])", arg=light
    )


def test_charts_that_are_swapped_away_are_let_go_and_new_ones_drawn(page):
    assert page.evaluate(ALIVE) == 6
    page.get_by_role("button", name="Swap").click()
    expect(page.locator("#chart-zeros canvas")).to_be_visible()
    page.wait_for_function(f"() => ({ALIVE})() === 1")
    assert min(page.evaluate(INKED)) > 0


def test_without_the_library_the_table_is_there_instead(page, problems):
    page.route("**/Chart.bundle.js", lambda route: route.abort())
    page.reload()
    expect(page.locator("#chart-cost .chart-failed")).to_be_visible()
    expect(page.locator("#chart-cost table")).to_be_visible()
    problems.clear()
