"""The canaries themselves, and faults planted one by one: the door that each opens turns red."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import redis
from django.db import connections
from starlette.routing import Route

from ragadmin.errors import InvalidRequest
from retrieval.api import golden as golden_api
from retrieval.canaries import run as _all_doors  # noqa: F401 - loads the doors
from retrieval.canaries.cast import assemble
from retrieval.canaries.doors import DOORS, SURVEYS
from retrieval.canaries.route_doors import route_doors
from retrieval.canaries.run import _door_row
from retrieval.evaluation import visible
from retrieval.models import CacheEntry, Chunk, Document
from retrieval.query.http import router
from retrieval.services import golden
from tenants.context import tenant_context
from tenants.fleet import find_tenants
from tenants.redis_keys import tenant_key
from tenants.services import create_tenant


@pytest.fixture(scope="module")
def cast(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), assemble() as found:
        assert found.problems == {}
        yield found


def survey(title):
    return next(each for each in SURVEYS if each.title == title).run()


def try_door(cast, title):
    """Status and details of each cell, by its key."""
    door = next(each for each in [*DOORS, *route_doors()] if each.title == title)
    cells = _door_row(door, cast)["cells"]
    return {cell["key"]: cell["status"] for cell in cells}


def red(statuses):
    return {key for key, status in statuses.items() if status == "leak"}


@contextmanager
def planted(fault, undo):
    with connections["owner"].cursor() as cursor:
        cursor.execute(fault)
        try:
            yield
        finally:
            cursor.execute(undo)


def test_there_are_two_canaries_of_each_level_with_words_of_their_own(cast):
    levels = [canary.tenant.isolation for canary in cast.canaries]
    assert sorted(levels) == ["partition"] * 2 + ["schema"] * 2 + ["shared"] * 2
    words = {each.word for canary in cast.canaries for each in canary.documents.values()}
    assert len(words) == 12


def test_row_security_switched_off_on_one_table_of_a_pool_is_found(cast):
    table = "pool_shared.retrieval_document"
    off = f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
    on = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    with planted(off, on):
        assert table in survey("Row-level security on every table").detail
        assert "shared-shared" in red(try_door(cast, "SQL on another tenant's tables"))
        assert "shared-shared" in red(try_door(cast, "SQL writes to another tenant's tables"))
        assert "shared-shared" in red(try_door(cast, "SQL with no tenant in force"))
    assert survey("Row-level security on every table").status == "ok"
    assert not red(try_door(cast, "SQL on another tenant's tables"))


def test_a_dropped_policy_is_found(cast):
    table = "t_canary_schema_1.retrieval_chunk"
    predicate = "tenant_id = current_setting('ragadmin.tenant_id')::bigint"
    made = f"CREATE POLICY tenant_isolation ON {table} USING ({predicate}) WITH CHECK ({predicate})"
    with planted(f"DROP POLICY tenant_isolation ON {table}", made):
        found = survey("Row-level security on every table")
        assert (found.status, table in found.detail) == ("leak", True)
    assert survey("Row-level security on every table").status == "ok"


def test_a_policy_that_lets_everybody_in_is_found(cast):
    table = "pool_partition.retrieval_querytrace"
    made = f"CREATE POLICY open_house ON {table} USING (true)"
    with planted(made, f"DROP POLICY open_house ON {table}"):
        assert table in survey("Row-level security on every table").detail
        assert "partition-partition" in red(try_door(cast, "SQL on another tenant's tables"))
        assert "schema-partition" in red(try_door(cast, "SQL on another tenant's tables"))


def test_a_chunk_at_the_wrong_access_level_is_found(cast):
    canary = next(each for each in cast.canaries if each.tenant.isolation == "partition")
    document_id = canary.documents["internal"].document_id
    with tenant_context(canary.tenant):
        Chunk.objects.filter(document_id=document_id).update(access_level="public")
    try:
        for title in ("Search by vector", "Search by keyword", "Hybrid search", "Answers"):
            assert red(try_door(cast, title)) == {"within-partition"}, title
    finally:
        with tenant_context(canary.tenant):
            Chunk.objects.filter(document_id=document_id).update(access_level="internal")
            CacheEntry.objects.all().delete()  # no revision tells of what was changed behind its back
    assert not red(try_door(cast, "Hybrid search"))


def test_a_kept_answer_at_the_wrong_access_level_is_found(cast):
    canary = next(each for each in cast.canaries if each.tenant.isolation == "schema")
    assert not red(try_door(cast, "Kept answers"))
    with tenant_context(canary.tenant):
        CacheEntry.objects.filter(access_levels=["public"]).delete()
        CacheEntry.objects.update(access_levels=["public"], context_levels=["public"])
    try:
        assert red(try_door(cast, "Kept answers")) == {"within-schema"}
    finally:
        with tenant_context(canary.tenant):
            CacheEntry.objects.all().delete()
    assert not red(try_door(cast, "Kept answers"))


def test_routes_that_forget_the_tenant_are_found(cast, settings):
    settings.ROOT_URLCONF = "tests.retrieval.leaky_urls"
    found = try_door(cast, "/api/v1/leaky/<uuid:document_id>/")
    assert {"schema-shared", "within-schema"} <= red(found)
    assert "schema-shared" in red(try_door(cast, "/t/<slug:slug>/leaky/<uuid:document_id>/"))


def test_a_route_whose_id_no_canary_has_is_an_error_and_not_passed_over(cast, settings):
    settings.ROOT_URLCONF = "tests.retrieval.leaky_urls"
    found = try_door(cast, "/api/v1/unheard/<uuid:thing_id>/")
    assert set(found.values()) == {"error"}


def test_a_hot_route_without_a_door_is_an_error():
    route = Route("/api/v1/rerank/", lambda request: None, methods=["POST"])
    router.routes.append(route)
    try:
        found = survey("Every hot route has a door")
    finally:
        router.routes.remove(route)
    assert (found.status, "/api/v1/rerank/" in found.detail) == ("error", True)


def test_a_redis_key_without_tenant_is_found(services):
    title = "Every Redis key names its tenant"
    with redis.Redis.from_url(services["redis"]) as client:
        client.set(tenant_key(1, "answer:abc"), "of somebody")
        assert survey(title).status == "ok"
        client.set("answer:abc", "of anybody")
        try:
            found = survey(title)
        finally:
            client.delete("answer:abc", tenant_key(1, "answer:abc"))
    assert (found.status, "answer:abc" in found.detail) == ("leak", True)


def test_an_answer_kept_in_redis_for_the_wrong_tenant_is_found(cast, services):
    word = cast.canaries[0].documents["public"].word
    other = cast.canaries[5].tenant
    with redis.Redis.from_url(services["redis"]) as client:
        client.hset(tenant_key(other.pk, "answers"), "question", f"It is {word}.")
        try:
            assert red(try_door(cast, "Redis")) == {"shared-schema"}
        finally:
            client.delete(tenant_key(other.pk, "answers"))


def test_slugs_of_canaries_are_kept_for_the_check():
    with pytest.raises(InvalidRequest, match="canary-"):
        create_tenant(slug="canary-mine")


def test_canaries_are_in_no_list_unless_asked_for_by_name(cast):
    assert not [tenant for tenant in find_tenants() if tenant.is_canary]
    assert len(find_tenants(text="canary-")) == 6


def test_documents_of_canaries_are_indexed_for_real(cast):
    for canary in cast.canaries:
        with tenant_context(canary.tenant):
            assert Document.objects.filter(status="ready", chunk_count__gte=1).count() == 2


def test_results_of_an_evaluation_that_everybody_sees_are_found(cast, monkeypatch):
    whole = visible._see
    monkeypatch.setattr(visible, "_see", lambda runs, _: whole(runs, ["public", "internal"]))
    assert red(try_door(cast, "/api/v1/evaluations/<uuid:evaluation_id>/"))


def test_golden_questions_above_ones_levels_are_found(cast, monkeypatch):
    listed = golden.visible_questions
    monkeypatch.setattr(golden_api, "visible_questions", lambda _: listed(["public", "internal"]))
    assert red(try_door(cast, "/api/v1/golden-questions/"))
    monkeypatch.undo()
    assert not red(try_door(cast, "/api/v1/golden-questions/"))
    assert not red(try_door(cast, "Ids in a form that deletes golden questions"))
