"""The playground: answers from the cache and fresh ones, follow-ups, details, what goes wrong."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tenants.models import ModelRoute, Tenant
from tests.browser.asking import add_kettle, ask
from tests.documents import upload_and_index

# One sentence, so that the stub repeats all of it.
HOSTILE = "# Tea\n\n" + " ".join(
    (
        "Tea is hot <img src=x onerror=alert(1)>",
        "and [hot](javascript:alert(1)) ![hot](https://evil.example/hot.png)",
        '<a href="https://evil.example/">hot</a> <script>alert(1)</script>',
        "**hot** `<b>` https://evil.example/hot.",
    )
)
ACTIVE = "img, a, script, iframe, object, svg, style, form, [onerror], [href], [src]"


@pytest.fixture
def playground(signed_in, tenant):
    """The page, with a document to ask about."""
    add_kettle(tenant)
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    return signed_in


def test_an_answer_is_given_again_until_it_is_asked_fresh(playground):
    question = "How often should I descale the kettle?"
    first = ask(playground, question)
    expect(first.get_by_role("button", name="Ask fresh")).to_have_count(0)
    playground.get_by_role("link", name="New conversation").click()
    again = ask(playground, question)
    expect(again.locator(".answer-badges")).to_contain_text("sources unchanged")
    expect(again.locator(".turn-meta")).to_contain_text(re.compile(r"\$0|saved"))

    again.get_by_role("button", name="Ask fresh").press("Enter")
    fresh = playground.locator(".turn").nth(1)
    expect(fresh.locator(".turn-footer")).to_be_visible(timeout=30_000)
    expect(fresh).to_contain_text(question)
    expect(fresh.get_by_text("sources unchanged")).to_have_count(0)


def test_a_follow_up_shows_what_it_was_understood_as(playground):
    ask(playground, "When does the kettle whistle?")
    second = ask(playground, "And how do I stop it?")
    expect(second.locator(".turn-searched")).to_be_visible()
    expect(second.locator(".turn-searched")).to_contain_text("Searched for:")
    understood = second.locator(".turn-searched span").inner_text()
    assert understood != "And how do I stop it?"
    playground.reload()
    expect(playground.locator(".turn-searched span").nth(1)).to_have_text(understood)


def test_details_of_an_answer_are_read_when_they_are_opened(playground):
    turn = ask(playground, "When does the kettle whistle?")
    details = turn.locator(".turn-more")
    expect(details.locator("table")).to_have_count(0)
    details.locator("summary").press("Enter")
    expect(details.locator("table")).to_be_visible()
    expect(details).to_contain_text("Generation")
    expect(details.locator(".waterfall")).to_contain_text("generate")
    details.locator("tbody a").first.click()
    expect(playground.locator(".passage.is-marked")).to_be_in_viewport()


def test_what_the_documents_do_not_hold_does_not_look_like_an_answer(playground):
    turn = ask(playground, "Which mountain is the highest of Nepal?")
    expect(turn.locator(".turn-abstained")).to_be_visible()
    expect(turn).to_have_class(re.compile("is-abstained"))
    playground.reload()
    expect(playground.locator(".turn.is-abstained .turn-abstained")).to_be_visible()


def test_a_conversation_is_deleted_after_a_question(playground):
    ask(playground, "When does the kettle whistle?")
    listed = playground.locator("#conversations-card li")
    expect(listed).to_contain_text("1 question")
    listed.get_by_role("button", name="Delete the conversation").click()
    dialog = playground.get_by_role("dialog")
    expect(dialog).to_contain_text("Its question leaves this list for good.")
    dialog.get_by_role("button", name="Continue").click()
    expect(playground.locator(".turn")).to_have_count(0)
    expect(playground.locator("#conversations-card li")).to_have_count(0)


def test_whatever_a_model_writes_stays_text(signed_in, tenant):
    elsewhere = []
    signed_in.on("request", lambda r: "evil.example" in r.url and elsewhere.append(r.url))
    upload_and_index(tenant, {"tea.md": ("public", HOSTILE)})
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    turn = ask(signed_in, "Is tea hot?")
    expect(turn.locator(".answer")).to_contain_text("Tea is hot")
    expect(turn.locator(".answer").locator(ACTIVE)).to_have_count(0)
    turn.get_by_role("link", name="Trace", exact=True).click()
    expect(signed_in.locator("[data-answer]")).to_contain_text("Tea is hot")
    expect(
        signed_in.locator("[data-answer]").locator("img, script, [onerror], [src]")
    ).to_have_count(0)
    expect(signed_in.locator("[data-answer] a:not([href^='#source-'])")).to_have_count(0)
    assert elsewhere == []


def test_too_many_questions_are_told_how_long_to_wait(playground, tenant, problems):
    Tenant.objects.filter(pk=tenant.pk).update(questions_per_minute=1)
    ask(playground, "When does the kettle whistle?")
    playground.get_by_label("Your question").fill("And then?")
    playground.keyboard.press("Enter")
    failed = playground.locator(".turn-error").last
    expect(failed).to_contain_text("minute")
    expect(failed.get_by_role("button")).to_be_disabled()
    expect(failed.get_by_role("button")).to_contain_text(re.compile(r"Ask again in \d+ s"))
    problems.clear()


def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(playground, tenant):
    for tier in ("simple", "moderate", "complex"):
        ModelRoute.objects.create(tenant=tenant, tier=tier, model="mock-drop-10")
    turn = ask(playground, "When does the kettle whistle?")
    expect(turn.locator(".turn-error")).to_be_visible()
    expect(turn.locator(".turn-error")).to_contain_text("What came so far is kept")
    expect(turn.locator(".answer")).not_to_be_empty()
    expect(turn.get_by_role("link", name="Trace", exact=True)).to_be_visible()


def test_a_server_out_of_reach_is_said_and_the_question_can_be_asked_again(playground, problems):
    playground.route("**/stream/**", lambda route: route.abort())
    playground.get_by_label("Your question").fill("When does the kettle whistle?")
    playground.keyboard.press("Enter")
    expect(playground.locator(".turn-error")).to_contain_text("could not be reached")
    playground.unroute("**/stream/**")
    playground.get_by_role("button", name="Ask again").click()
    expect(playground.locator(".turn-footer")).to_be_visible(timeout=30_000)
    expect(playground.locator(".turn")).to_have_count(1)
    problems.clear()
