"""The list of traces in a browser: filtered as one types, kept under a name, led on to a trace."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.retrieval.pages import make_trace

PROMPT = [{"role": "user", "content": "The kettle whistles."}]


def test_filters_go_into_the_address_are_kept_and_lead_to_a_trace_and_back(signed_in, tenant):
    page = signed_in
    make_trace(
        tenant, question="Which kettle?", rating="down", duration_ms=900.0, prompt=PROMPT,
        route={"asked": {"top_k": 3, "use_cache": False}},
    )  # fmt: skip
    make_trace(tenant, question="Which cup?", duration_ms=90.0)
    page.goto(f"/t/{tenant.slug}/traces/")
    page.get_by_label("Search in questions").fill("kettles")
    expect(page.get_by_role("link", name="Which cup?")).to_have_count(0)
    page.get_by_text("More filters").click()
    page.get_by_label("Latency above, ms").fill("500")
    page.get_by_label("Latency above, ms").blur()
    expect(page).to_have_url(f"/t/{tenant.slug}/traces/?q=kettles&latency_above=500")

    page.get_by_text("Save these filters").click()
    page.get_by_label("Name of the view").fill("Slow kettles")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Slow kettles")).to_be_visible()
    page.goto(f"/t/{tenant.slug}/traces/")
    page.get_by_role("link", name="Slow kettles").click()
    page.get_by_role("link", name="Remove the filter Latency above, ms: 500").click()
    page.get_by_role("link", name="Which kettle?").click()

    page.locator(".prompt-message summary").click()
    expect(page.get_by_text("The kettle whistles.")).to_be_visible()
    page.get_by_role("link", name="Filtered traces").click()
    expect(page).to_have_url(f"/t/{tenant.slug}/traces/?q=kettles")
    page.get_by_role("link", name="Which kettle?").click()
    page.get_by_role("link", name="Open in playground").click()
    expect(page.get_by_label("Your question")).to_have_value("Which kettle?")
    expect(page.get_by_text("Passages asked for 3")).to_be_visible()
    with page.expect_request("**/stream/**") as sent:
        page.get_by_role("button", name="Ask", exact=True).click()
    body = sent.value.post_data_json
    assert (body["question"], body["top_k"], body["use_cache"]) == ("Which kettle?", 3, False)
