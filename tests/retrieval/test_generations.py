"""Another model or chunk size: made beside what is in use, switched at once, given up without a trace."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import connection
from django.db.models.functions import Now

from monitoring.models import QueryMetric
from ragadmin.errors import Conflict, InvalidRequest
from retrieval import tasks
from retrieval.indexing import left, queue, reindex, vector_index
from retrieval.indexing.reindex_estimate import estimate
from retrieval.models import Chunk, Document, TermFrequency
from retrieval.selectors import list_chunks, searched_chunks
from retrieval.services.documents import delete_document
from retrieval.services.reindex import TRIED_WITH, check_settings, start_reindex
from retrieval.suggestions import suggest_questions
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.models import AuditEvent, DocumentJob, Tenant
from tenants.prices import set_price
from tenants.services import create_tenant
from tests.documents import DOCUMENTS
from tests.retrieval.documents import upload
from tests.retrieval.reindexing import (
    LOCAL,
    caller_of,
    check_consistent,
    found_paths,
    fresh,
    generations_of,
    index_all,
    index_one_document,
    jobs,
    other_model,
    stub_model,
)

QUESTION = "How do I reset my password?"
SENTENCE = "A password is reset from the sign-in page. The link is valid for one hour."
LONG = "# Kettles\n\n" + "\n\n".join(
    f"Kettle number {n} whistles when its water boils, and then it is taken from the fire."
    for n in range(120)
)


@pytest.fixture(scope="module", autouse=True)
def stub(services, django_db_setup):
    with stub_model(services["folder"]):
        yield


@pytest.fixture(autouse=True)
def alone():
    DocumentJob.objects.all().delete()


@pytest.fixture
def indexed(tenant):
    for path, (level, text) in DOCUMENTS.items():
        upload(tenant, path=path, content=text.encode(), access_level=level)
    upload(tenant, path="kettles.md", content=LONG.encode())
    index_all()
    return fresh(tenant)


def begin(tenant, **wanted) -> Tenant:
    return start_reindex(tenant=fresh(tenant), actor="someone", **wanted)


def end_grace(tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(stale_chunks_at=Now() - timedelta(seconds=1))
    tasks.tend_generations()


def documents(tenant, **wanted):
    with tenant_context(tenant):
        return list(Document.objects.filter(**wanted).order_by("path"))


def events(tenant) -> list[str]:
    found = AuditEvent.objects.filter(tenant=tenant, action__contains="reindex").order_by("id")
    return list(found.values_list("action", flat=True))


def test_new_model_takes_over_when_the_last_document_is_done(indexed):
    model = other_model()
    begun = begin(indexed, embedding_model=model)
    assert (begun.generation, begun.embedding_model) == (1, LOCAL)
    assert (begun.next_generation, jobs(indexed)) == (2, 3)
    index_all()
    after = fresh(indexed)
    assert (after.generation, after.embedding_model, after.next_generation) == (2, model, None)
    assert after.embedding_dimension == int(model.rsplit("-", 1)[-1])
    assert after.corpus_revision > begun.corpus_revision
    assert events(indexed) == ["tenant.reindex_started", "tenant.reindexed"]
    check_consistent(indexed)


def test_old_chunks_go_only_after_the_time_that_web_processes_need(indexed):
    begin(indexed, embedding_model=other_model())
    index_all()
    tasks.tend_generations()
    assert generations_of(indexed) == {1, 2}
    assert fresh(indexed).stale_chunks_at - fresh(indexed).created_at > timedelta(seconds=60)
    end_grace(indexed)
    assert generations_of(indexed) == {2}
    with tenant_context(indexed):
        assert set(TermFrequency.objects.values_list("generation", flat=True)) == {2}
    assert fresh(indexed).stale_chunks_at is None
    check_consistent(indexed)


def test_who_knows_the_old_settings_finds_the_same_after_the_switch(indexed):
    before = caller_of(indexed)
    begin(indexed, embedding_model=other_model(), chunk_tokens=60)
    expected = found_paths(before, QUESTION)
    assert expected[0] == "guide/passwords.md"
    index_all()
    assert found_paths(before, QUESTION) == expected
    assert "guide/passwords.md" in found_paths(caller_of(indexed), SENTENCE)


def test_every_search_on_the_way_is_answered_from_a_complete_generation(indexed):
    begin(indexed, embedding_model=other_model())
    while True:
        found = found_paths(caller_of(indexed), "Which kettle whistles?")
        assert found
        assert set(found) == {"kettles.md"}
        if not index_one_document(indexed):
            break
    assert fresh(indexed).generation == 2


def test_other_chunk_size_keeps_the_model_and_counts_anew(indexed):
    before = documents(indexed, path="kettles.md")[0]
    begin(indexed, chunk_tokens=60)
    index_all()
    tasks.settle_generation(indexed.pk)
    after = documents(indexed, path="kettles.md")[0]
    assert after.chunk_count > 2 * before.chunk_count
    assert fresh(indexed).chunk_tokens == 60
    with tenant_context(fresh(indexed)):
        assert searched_chunks().filter(document=after).count() == after.chunk_count
        assert max(searched_chunks().values_list("token_count", flat=True)) <= 80
    check_consistent(indexed)


def test_pages_read_the_generation_in_use_only(indexed):
    begin(indexed, chunk_tokens=60)
    with tenant_context(indexed):
        before = suggest_questions(["public"])
    # All but the switch: another tenant's job of the same kind does not count.
    while jobs(indexed):
        index_batch_without_switch()
    assert generations_of(indexed) == {1, 2}
    with tenant_context(indexed):
        document = Document.objects.get(path="kettles.md")
        shown = list_chunks(document, ["public"])
        assert shown.count() == document.chunk_count
        assert set(shown.values_list("generation", flat=True)) == {1}
        assert suggest_questions(["public"]) == before


def index_batch_without_switch() -> None:
    from retrieval.indexing import index

    index.index_next_batch("test")


def test_nothing_is_begun_for_a_tenant_without_documents(tenant):
    model = other_model()
    after = begin(tenant, embedding_model=model, chunk_tokens=100)
    assert (after.embedding_model, after.chunk_tokens) == (model, 100)
    assert (after.next_generation, jobs(tenant)) == (None, 0)


def test_same_settings_begin_nothing(indexed):
    after = begin(indexed, embedding_model=LOCAL, chunk_tokens=indexed.chunk_tokens)
    assert (after.generation, after.next_generation, jobs(indexed)) == (1, None, 0)
    assert events(indexed) == []


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"embedding_model": "nobody:knows"}, "embedding_model"),
        ({"embedding_model": "openai:mock-embedding-0-20000"}, "embedding_model"),
        ({"chunk_tokens": 49}, "chunk_tokens"),
        ({"chunk_tokens": 2001}, "chunk_tokens"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_changes(indexed, wanted, field):
    with pytest.raises(InvalidRequest) as caught:
        begin(indexed, **wanted)
    assert caught.value.extra == {"field": field}
    assert (fresh(indexed).next_generation, jobs(indexed), events(indexed)) == (None, 0, [])


def test_model_that_does_not_answer_is_refused(indexed, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    with pytest.raises(InvalidRequest, match="cannot be reached"):
        begin(indexed, embedding_model=f"openai:nobody-{uuid.uuid4().hex[:6]}")
    assert fresh(indexed).next_generation is None


def test_cancel_leaves_everything_as_it_was(indexed):
    with tenant_context(indexed):
        before = set(Chunk.objects.values_list("id", flat=True))
    begin(indexed, embedding_model=other_model())
    index_one_document(indexed)
    assert generations_of(indexed) == {1, 2}
    reindex.cancel(fresh(indexed), "someone")
    assert jobs(indexed) == 0
    tasks.tend_generations()
    after = fresh(indexed)
    assert (after.generation, after.next_generation, after.embedding_model) == (1, None, LOCAL)
    with tenant_context(indexed):
        assert set(Chunk.objects.values_list("id", flat=True)) == before
    assert events(indexed)[-1] == "tenant.reindex_cancelled"
    check_consistent(indexed)
    with pytest.raises(Conflict):
        reindex.cancel(fresh(indexed), "someone")


def test_number_of_a_generation_that_was_given_up_is_never_used_again(indexed):
    begin(indexed, embedding_model=other_model())
    index_one_document(indexed)
    assert generations_of(indexed) == {1, 2}
    reindex.cancel(fresh(indexed), "someone")
    begun = begin(indexed, chunk_tokens=80)
    assert begun.next_generation == 3
    assert jobs(indexed) == 3
    index_all()
    assert fresh(indexed).generation == 3
    end_grace(indexed)
    check_consistent(indexed)
    assert generations_of(indexed) == {3}


def test_another_change_takes_the_place_of_the_one_under_way(indexed):
    model = other_model()
    begin(indexed, embedding_model=other_model())
    index_one_document(indexed)
    begin(indexed, embedding_model=model)
    begun = begin(indexed, chunk_tokens=90)
    assert (begun.next_embedding_model, begun.next_chunk_tokens) == (model, 90)
    index_all()
    end_grace(indexed)
    after = fresh(indexed)
    assert (after.embedding_model, after.chunk_tokens) == (model, 90)
    assert generations_of(indexed) == {after.generation}
    check_consistent(indexed)


def test_wanting_what_is_in_use_cancels_the_one_under_way(indexed):
    begin(indexed, embedding_model=other_model())
    after = begin(indexed, embedding_model=LOCAL)
    assert (after.next_generation, jobs(indexed)) == (None, 0)
    assert events(indexed)[-1] == "tenant.reindex_cancelled"


def test_documents_added_changed_and_deleted_meanwhile_are_right_in_both(indexed):
    begin(indexed, embedding_model=other_model())
    index_one_document(indexed)
    upload(indexed, path="new.md", content=b"# New\n\nA samovar keeps tea water hot for hours.")
    upload(indexed, path="kettles.md", content=b"# Kettles\n\nAll kettles were replaced by urns.")
    gone = documents(indexed, path="finance/salaries.md")[0]
    delete_document(tenant=indexed, document_id=gone.pk)
    check = []
    while index_one_document(indexed):
        with tenant_context(indexed):
            generation = fresh(indexed).generation
            texts = Chunk.objects.filter(document__path="kettles.md", generation=generation)
            check.append({"urns" in text for text in texts.values_list("text", flat=True)})
    assert all(len(each) == 1 for each in check)
    assert fresh(indexed).generation == 2
    assert [d.path for d in documents(indexed, status="ready")] == [
        "guide/passwords.md",
        "kettles.md",
        "new.md",
    ]
    check_consistent(indexed)
    end_grace(indexed)
    check_consistent(indexed)


def test_access_level_changed_meanwhile_holds_after_the_switch(indexed):
    begin(indexed, embedding_model=other_model())
    while jobs(indexed):
        index_batch_without_switch()
    upload(indexed, path="kettles.md", content=LONG.encode(), access_level="internal")
    index_all()
    assert reindex.switch_if_complete(fresh(indexed)) or fresh(indexed).generation == 2
    with tenant_context(fresh(indexed)):
        chunks = searched_chunks().filter(document__path="kettles.md")
        assert set(chunks.values_list("access_level", flat=True)) == {"internal"}


def test_suspended_tenant_waits(indexed):
    begin(indexed, embedding_model=other_model())
    while jobs(indexed):
        index_batch_without_switch()
    Tenant.objects.filter(pk=indexed.pk).update(status="suspended")
    tasks.tend_generations()
    assert fresh(indexed).generation == 1
    Tenant.objects.filter(pk=indexed.pk).update(status="active")
    tasks.tend_generations()
    assert fresh(indexed).generation == 2


def test_documents_that_lost_their_place_in_line_are_put_there_again(indexed):
    """As after a process that died between two slices, or a document stored for the old settings."""
    begin(indexed, embedding_model=other_model())
    queue.remove_many(indexed, [document.pk for document in documents(indexed)])
    tasks.tend_generations()
    assert jobs(indexed) == 3
    index_all()
    assert fresh(indexed).generation == 2


def test_first_slice_is_put_in_line_at_once_and_the_rest_by_a_worker(indexed, monkeypatch):
    monkeypatch.setattr(left, "SLICE", 2)
    begin(indexed, embedding_model=other_model())
    assert jobs(indexed) == 2
    tasks.enqueue_generation(indexed.pk)
    assert jobs(indexed) == 3
    index_all()
    assert fresh(indexed).generation == 2


def test_rest_is_put_in_line_when_the_process_died_after_the_first_slice(indexed, monkeypatch):
    monkeypatch.setattr(left, "SLICE", 2)
    begin(indexed, embedding_model=other_model())
    index_all()
    assert fresh(indexed).generation == 1
    tasks.tend_generations()
    index_all()
    assert fresh(indexed).generation == 2


@pytest.fixture
def stuck(indexed):
    """One document cannot be embedded by the new model."""
    upload(indexed, path="odd.md", content=b"# Odd\n\nThis text is unembeddable by some models.")
    index_all()
    begin(indexed, embedding_model=other_model(refusing=True))
    index_all()
    return fresh(indexed)


def test_document_that_fails_keeps_the_old_generation_in_use(stuck):
    assert (stuck.generation, stuck.next_generation) == (1, 2)
    tasks.tend_generations()
    assert (fresh(stuck).generation, jobs(stuck)) == (1, 0)
    with tenant_context(stuck):
        assert [str(d) for d in Document.objects.filter(pk__in=left.failing(stuck))] == ["odd.md"]


def test_switch_without_those_that_fail_leaves_them_failed_and_unsearched(stuck):
    assert reindex.switch_without_failing(stuck, "someone") == 1
    after = fresh(stuck)
    assert (after.generation, after.next_generation) == (2, None)
    odd = documents(after, path="odd.md")[0]
    assert (odd.status, odd.chunk_count) == ("failed", 0)
    assert "400" in odd.error_message
    event = AuditEvent.objects.get(tenant=stuck, action="tenant.reindexed")
    assert (event.actor, event.detail["left_out"]) == ("someone", 1)
    end_grace(after)
    check_consistent(after)


def test_nothing_is_left_out_while_others_are_on_their_way(stuck):
    upload(stuck, path="kettles.md", content=b"# Kettles\n\nOther text.")
    with tenant_context(stuck):
        Document.objects.filter(path="kettles.md").update(indexed_generation=1)
    with pytest.raises(Conflict):
        reindex.switch_without_failing(stuck, "someone")
    assert fresh(stuck).generation == 1


def test_failing_documents_are_ready_again_when_it_is_cancelled(stuck):
    assert documents(stuck, path="odd.md")[0].status == "failed"
    reindex.cancel(stuck, "someone")
    odd = documents(stuck, path="odd.md")[0]
    assert (odd.status, odd.error_code) == ("ready", "")
    check_consistent(stuck)


def test_deleting_what_fails_lets_the_others_switch(stuck):
    delete_document(tenant=stuck, document_id=documents(stuck, path="odd.md")[0].pk)
    tasks.tend_generations()
    assert fresh(stuck).generation == 2


def test_failing_documents_can_be_tried_again(stuck):
    assert left.retry_failing(stuck) == 1
    assert jobs(stuck) == 1
    index_all()
    assert fresh(stuck).generation == 1


def test_document_whose_new_file_is_corrupt_keeps_its_old_text_in_the_new_generation(indexed):
    upload(indexed, path="kettles.md", content=b"\x89PNG\r\n\x1a\nno picture")
    index_all()
    assert documents(indexed, path="kettles.md")[0].status == "failed"
    begin(indexed, embedding_model=other_model())
    index_all()
    tasks.tend_generations()
    tasks.settle_generation(indexed.pk)
    after = fresh(indexed)
    assert after.generation == 2
    kettles = documents(after, path="kettles.md")[0]
    assert kettles.status == "failed"
    with tenant_context(after):
        assert searched_chunks().filter(document=kettles).count() == kettles.chunk_count > 0


def test_estimate_says_what_it_would_take(indexed):
    wanted = check_settings(indexed, {"chunk_tokens": 60})
    plan = estimate(indexed, wanted)
    with tenant_context(indexed):
        now = Chunk.objects.count()
    assert (plan.documents, plan.passages_now, plan.cost_usd) == (3, now, 0)
    assert plan.passages > 2 * now
    index_all()
    begin(indexed, chunk_tokens=60)
    index_all()
    tasks.settle_generation(indexed.pk)
    with tenant_context(fresh(indexed)):
        made = list(searched_chunks().values_list("token_count", flat=True))
    assert plan.passages == pytest.approx(len(made), rel=0.2)
    assert plan.tokens == pytest.approx(sum(made), rel=0.2)


def test_published_price_of_an_embedding_model_is_found(indexed):
    wanted = check_settings(indexed, {"embedding_model": "openai:text-embedding-3-small"})
    plan = estimate(indexed, wanted)
    assert plan.cost_usd == pytest.approx(Decimal("0.02") * plan.tokens / 1_000_000)


def test_price_of_an_unpublished_model_is_unknown_unless_it_runs_in_the_own_network(
    indexed, settings
):
    wanted = check_settings(indexed, {"embedding_model": other_model()})
    assert estimate(indexed, wanted).cost_usd == 0
    settings.OPENAI_BASE_URL = "https://models.example.com/v1"
    assert estimate(indexed, wanted).cost_usd is None


def test_vectors_of_documents_are_in_the_books_as_the_endpoint_bills_them(indexed, settings):
    model = other_model()
    set_price(tenant=indexed, model=model, input_usd=2, actor=None)
    begin(indexed, embedding_model=model)
    index_all()
    stats = httpx.get(settings.OPENAI_BASE_URL.replace("/v1", "/mock/stats")).json()
    name = model.partition(":")[2]
    mine = [one["input"] for one in stats["recent"] if one.get("model") == name]
    # What a model is tried with before it is taken is nobody's.
    tried = sum(len(texts[0]) // 4 for texts in mine if texts[0] in {"dimension", TRIED_WITH})
    billed = stats["billed"][name]["prompt_tokens"] - tried
    booked = QueryMetric.objects.filter(tenant_id=indexed.pk, entry="indexing")
    calls = [call for row in booked for call in row.calls]
    assert sum(call["input_tokens"] for call in calls) == billed > 0
    assert not any(call["estimated"] for call in calls)
    assert sum(Decimal(call["cost_usd"]) for call in calls) == Decimal(2) * billed / 1_000_000


@pytest.mark.parametrize("level", list(LEVELS))
def test_every_isolation_level_switches_and_cleans_up(level):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)
    upload(tenant, path="kettles.md", content=LONG.encode())
    index_all()
    begin(tenant, embedding_model=other_model(), chunk_tokens=70)
    index_all()
    end_grace(tenant)
    assert fresh(tenant).generation == 2
    assert generations_of(tenant) == {2}
    check_consistent(tenant)


def test_index_of_the_vectors_is_of_one_generation(indexed, settings):
    """Vectors of another length do not fit into the one that serves the searches meanwhile."""
    settings.VECTOR_INDEX_FROM = 3
    assert vector_index.tune(fresh(indexed)).hnsw_ef > 0
    begin(indexed, embedding_model=other_model())
    index_one_document(indexed)
    assert found_paths(caller_of(indexed), QUESTION)[0] == "guide/passwords.md"
    index_all()
    after = fresh(indexed)
    assert (after.generation, after.hnsw_ef, after.vector_checked_at) == (2, 0, None)
    assert found_paths(caller_of(after), SENTENCE)
    assert vector_index.may_need_index(after)
    assert vector_index.tune(after).hnsw_ef > 0
    assert indexes(after) == {f"chunk_hnsw_{after.pk}_2"}
    assert found_paths(caller_of(after), SENTENCE)


def indexes(tenant) -> set[str]:
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND indexname LIKE 'chunk_hnsw%%'",
            [tenant.schema_name],
        )
        return {name for (name,) in cursor.fetchall()}
