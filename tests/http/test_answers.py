from __future__ import annotations

import json
import time
import uuid

import httpx
import pytest

from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tenants.keys import revoke_api_key
from tenants.models import ApiKey, Provider, Tenant
from tenants.secrets import hash_key
from tenants.services import create_tenant
from tests.http.conftest import client_for, make_key

QUESTION = {"question": "How do I reset my password?"}


def read_events(text):
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in blocks
    ]


def test_an_answer_has_the_keys_of_the_contract(api):
    body = api.post("/api/v1/answers/", json=QUESTION).json()
    for name in [
        "id",
        "answer",
        "citations",
        "model",
        "tier",
        "route_reason",
        "cache",
        "cached_at",
        "similarity",
        "usage",
        "cost_usd",
        "saved_usd",
        "duration_ms",
        "first_token_ms",
        "spans",
    ]:
        assert name in body
    assert set(body["cost_usd"]) == {
        "embedding",
        "search",
        "rerank",
        "multi_query",
        "generation",
        "total",
    }
    assert body["citations"][0]["path"] == "guide/passwords.md"


def test_the_stream_ends_with_done_and_the_trace_is_stored(api):
    response = api.post("/api/v1/answers/", json={**QUESTION, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = read_events(response.text)
    names = [name for name, _ in events]
    assert names[0] == "status"
    assert names[-2:] == ["citations", "done"]
    done = events[-1][1]
    assert "".join(data["text"] for name, data in events if name == "token") == done["answer"]
    stored = api.get(f"/api/v1/answers/{done['id']}/").json()
    assert (stored["status"], stored["answer"]) == ("succeeded", done["answer"])


def test_what_was_asked_for_with_a_question_is_on_its_trace(api):
    options = {
        "top_k": 2,
        "filters": {"path_prefix": "guide/\x00"},
        "use_cache": False,
        "settings": {"search_mode": "vector", "instructions": "Be \ud800 brief."},
    }
    answer = api.post("/api/v1/answers/", content=json.dumps(QUESTION | options)).json()
    stored = api.get(f"/api/v1/answers/{answer['id']}/").json()
    assert stored["asked"] == options | {
        "filters": {"path_prefix": "guide/ "},
        "settings": {"search_mode": "vector", "instructions": "Be ? brief."},
    }
    assert stored["status"] == "succeeded"
    assert "asked" not in stored["route"]


def test_search_gives_hits_with_the_keys_of_the_contract(api):
    body = api.post("/api/v1/search/", json={**QUESTION, "top_k": 1}).json()
    assert list(body["hits"][0]) == [
        "chunk_id", "document_id", "path", "text", "score", "similarity", "access_level", "rank",
    ]  # fmt: skip
    assert body["duration_ms"] > 0


def test_rating_again_replaces(api):
    answer_id = api.post("/api/v1/answers/", json=QUESTION).json()["id"]
    path = f"/api/v1/answers/{answer_id}/feedback/"
    assert api.post(path, json={"rating": "up"}).status_code == 200
    api.post(path, json={"rating": "down", "reason": "wrong", "comment": "No."})
    feedback = api.get(f"/api/v1/answers/{answer_id}/").json()["feedback"]
    assert (feedback["rating"], feedback["reason"], feedback["comment"]) == ("down", "wrong", "No.")


def test_another_tenants_key_finds_nothing_of_this_one(web, api):
    answer_id = api.post("/api/v1/answers/", json=QUESTION).json()["id"]
    stranger = make_key(create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}"))
    with client_for(web, stranger) as client:
        assert client.get(f"/api/v1/answers/{answer_id}/").status_code == 404
        rated = client.post(f"/api/v1/answers/{answer_id}/feedback/", json={"rating": "up"})
        assert rated.status_code == 404
        assert client.post("/api/v1/search/", json=QUESTION).json()["hits"] == []
        assert "nothing near" in client.post("/api/v1/answers/", json=QUESTION).json()["answer"]


def test_a_key_of_one_level_cannot_read_the_other(web, corpus):
    with client_for(web, make_key(corpus, levels=["public"])) as client:
        body = client.post(
            "/api/v1/answers/", json={"question": "When are salaries paid each month?"}
        ).json()
    assert "25th" not in json.dumps(body)


def test_a_revoked_key_stops_working_within_two_seconds(web, corpus):
    key = make_key(corpus)
    with client_for(web, key) as client:
        assert client.post("/api/v1/search/", json=QUESTION).status_code == 200
        revoke_api_key(ApiKey.objects.get(key_hash=hash_key(key)), actor=None)
        time.sleep(2.1)
        refused = client.post("/api/v1/search/", json=QUESTION)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_suspended_tenant_is_told_so(web, corpus):
    key = make_key(corpus)
    Tenant.objects.filter(pk=corpus.pk).update(status="suspended")
    with client_for(web, key) as client:
        refused = client.post("/api/v1/answers/", json=QUESTION)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "tenant_suspended")


def test_asking_needs_the_query_scope(web, corpus):
    with client_for(web, make_key(corpus, scopes=["ingest"])) as client:
        refused = client.post("/api/v1/answers/", json=QUESTION)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"{}", 400, "invalid_request"),
        (b'{"question": ""}', 400, "empty_question"),
        (b'{"question": "\\u0000\\u0007"}', 400, "empty_question"),
        (b'{"question": "' + b"a" * 100_000 + b'"}', 400, "question_too_long"),
        (b'{"question": "x", "conversation_id": "7"}', 400, "invalid_request"),
        (b'{"question": "x", "model": "none-such"}', 400, "model_not_found"),
        (b'{"question": "x", "top_k": 0}', 400, "invalid_request"),
        (b" " * 2_100_000, 413, "too_large"),
    ],
)
def test_bad_questions_get_a_specific_error(api, content, status, code):
    refused = api.post("/api/v1/answers/", content=content)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert refused.json()["error"]["message"]


def test_no_key_is_401_and_says_what_to_send(web):
    refused = httpx.post(f"{web.url}/api/v1/answers/", json=QUESTION)
    assert refused.status_code == 401
    assert "Bearer" in refused.json()["error"]["message"]
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)],
)
def test_unknown_hot_addresses_are_json(api, method, path, status):
    refused = api.request(method, path)
    assert refused.status_code == status
    assert refused.json()["error"]["message"]


@pytest.fixture
def answered_by(web, corpus):
    """Makes the tenant's answers come from this model of the stub, for the length of a test."""
    made = []

    def choose(model):
        made.append(
            Provider.objects.create(
                name=uuid.uuid4().hex, base_url=web.model_url, small_model=model, large_model=model
            )
        )
        Tenant.objects.filter(pk=corpus.pk).update(provider=made[-1])

    yield choose
    for provider in made:
        provider.delete()


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("mock-error-500", "model_error"),
        ("mock-garbage", "model_invalid"),
        ("mock-drop-3", "model_interrupted"),
    ],
)
def test_a_named_model_that_breaks_is_a_502_here_and_an_error_event_in_a_stream(
    web, corpus, answered_by, model, code
):
    answered_by(model)
    with client_for(web, make_key(corpus)) as client:
        refused = client.post("/api/v1/answers/", json={**QUESTION, "model": model})
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, code)
        events = read_events(
            client.post("/api/v1/answers/", json={**QUESTION, "model": model, "stream": True}).text
        )
        assert events[-1][0] == "error"
        assert events[-1][1]["error"]["code"] == code
        kept = client.get(f"/api/v1/answers/{events[-1][1]['error']['extra']['answer_id']}/").json()
        assert (kept["status"], kept["error"]["code"]) == ("failed", code)
        asked = client.post("/api/v1/answers/", json={**QUESTION, "model": "extractive"})
        assert asked.status_code == 200, "the next request is unaffected"


def test_a_reader_who_hangs_up_ends_the_models_work_and_is_recorded(web, corpus, answered_by):
    answered_by("mock-0-200-50")
    with client_for(web, make_key(corpus)) as client:
        answer_id = ""
        with client.stream(
            "POST", "/api/v1/answers/", json={**QUESTION, "stream": True}
        ) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    answer_id = json.loads(line[6:]).get("id", "") or answer_id
                if "event: token" in line:
                    break
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with tenant_context(corpus):
                trace = QueryTrace.objects.get(pk=answer_id)
            if trace.status != "running":
                break
            time.sleep(0.1)
    assert trace.status == "cancelled"
    assert trace.answer
