"""Which model answers, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.query.budget import Purse
from retrieval.query.request import AnswerRequest
from retrieval.query.routing import available_models, choices_for, choose, classify_complexity
from retrieval.query.run import Run
from retrieval.types import Hit
from tenants.config import Caller, ModelEndpoint, Route, TenantConfig
from tenants.query_settings import DEFAULTS

ENDPOINT = ModelEndpoint("ours", "http://ours/v1", "", "small", "large")
OTHER = ModelEndpoint("other", "http://other/v1", "", "o-small", "o-large")


def tenant(**columns):
    columns = {"endpoint": ENDPOINT, **columns}
    return TenantConfig(
        1, "t", "T", "t_t", "active", ("public",), "local:x", 3, 256, 5, 0.2, 0, **columns
    )


def plan(question="Short?", passages=1, *, model="auto", step="", **columns):
    caller = Caller(tenant(**columns), ("public",), frozenset(), "tester")
    run = Run(caller, AnswerRequest(question, model=model), question, Purse(step=step))
    run.outcome.hits = [
        Hit(n, "d", "a.md", "", "text", 1, 0.9, "public", n) for n in range(1, passages + 1)
    ]
    return choose(run)


def names(choices):
    return [choice.model for choice in choices]


@pytest.mark.parametrize(
    ("question", "passages", "tier"),
    [
        ("Short?", 2, "simple"),
        ("word " * 19, 2, "simple"),
        ("word " * 20, 1, "moderate"),
        ("Short?", 3, "moderate"),
        ("word " * 500, 5, "moderate"),
        ("Short?", 6, "complex"),
    ],
)
def test_complexity_follows_the_rule(question, passages, tier):
    assert classify_complexity(question, passages, DEFAULTS) == tier


def test_a_tenant_moves_the_limits_of_the_rule():
    limits = replace(DEFAULTS, simple_passages=10, simple_words=5, moderate_passages=20)
    assert classify_complexity("three short words", 10, limits) == "simple"
    assert classify_complexity("these are rather more words", 10, limits) == "moderate"
    assert classify_complexity("word", 21, limits) == "complex"


@pytest.mark.parametrize(
    ("passages", "models"),
    [(1, ["small", "large"]), (4, ["small", "large"]), (9, ["large", "small"])],
)
def test_without_routes_each_model_of_the_endpoint_stands_in_for_the_other(passages, models):
    assert names(plan(passages=passages).choices) == models


def test_the_reason_and_the_features_say_what_was_looked_at():
    chosen = plan("Compare it all", 9)
    assert (chosen.tier, chosen.reason) == ("complex", "3 words, 9 passages")
    assert chosen.features == {"words": 3, "passages": 9}


def test_routes_come_in_their_order_with_endpoints_of_their_own():
    routes = (Route("simple", "a", OTHER), Route("simple", "b"), Route("complex", "c"))
    choices = plan(routes=routes).choices
    assert [(c.model, c.endpoint.name) for c in choices] == [("a", "other"), ("b", "ours")]


def test_a_tier_without_routes_falls_to_the_endpoint_and_then_to_the_nearest_tier():
    routes = (Route("simple", "a", OTHER),)
    assert names(choices_for(tenant(routes=routes), "complex")) == ["large", "small"]
    assert names(choices_for(tenant(routes=routes, endpoint=None), "complex")) == ["a"]


def test_rewriting_is_for_the_small_model_unless_it_has_a_route():
    assert names(choices_for(tenant(), "rewrite")) == ["small"]
    assert names(choices_for(tenant(routes=(Route("rewrite", "r"),)), "rewrite")) == ["r"]


def test_a_named_model_goes_where_it_is_and_nothing_stands_in_for_it():
    routes = (Route("complex", "there", OTHER),)
    chosen = plan(model="there", routes=routes)
    assert names(chosen.choices) == ["there"]
    assert chosen.choices[0].endpoint is OTHER
    assert chosen.is_named


def test_models_that_rewrite_cannot_be_named_for_answers():
    routes = (Route("rewrite", "r"), Route("simple", "a"))
    assert available_models(tenant(routes=routes)) == ["a", "small", "large", "extractive"]


@pytest.mark.parametrize("step", ["small_model", "fewer_passages"])
def test_a_budget_that_runs_low_leaves_only_the_small_model(step):
    chosen = plan(passages=9, step=step)
    assert names(chosen.choices) == ["small"]
    assert chosen.reason.startswith("budget")
    assert names(plan(passages=9, step=step, model="large").choices) == ["small"]


def test_a_budget_nearly_spent_leaves_no_model():
    chosen = plan(step="no_model")
    assert (chosen.choices, chosen.model) == ((), "extractive")
    assert chosen.reason.startswith("budget")


def test_without_any_model_the_passages_are_quoted():
    chosen = plan(endpoint=None)
    assert (chosen.tier, chosen.reason) == ("extractive", "no chat model is configured")
    assert plan(model="extractive").choices == ()
