from __future__ import annotations

import re
import uuid

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from retrieval.models import Document, Feedback, QueryTrace, Source
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.services import add_member, create_user

# Session, user, membership; begin and set the tenant; corpus, activity, questions; the tenant
# switch; savepoints and commit. Nothing of it may grow with what the tenant has.
MOST_QUERIES = 15


def person_in(tenant, role: str, levels=()) -> tuple[Client, int]:
    user = create_user(email=f"{role}-{uuid.uuid4().hex[:10]}@example.com", password="long enough")
    add_member(tenant=tenant, user=user, role=role, access_levels=levels)
    client = Client()
    client.force_login(user)
    return client, user.pk


def open_page(client, tenant) -> str:
    response = client.get(reverse("tenant-overview", args=[tenant.slug]))
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def add_document(tenant, *, status="ready", level="public", chunks=3) -> None:
    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Uploads", kind="upload")
        path = f"{uuid.uuid4()}.md"
        Document.objects.create(
            source=source,
            external_id=path,
            path=path,
            status=status,
            access_level=level,
            chunk_count=chunks,
            content_hash="0" * 64,
            size_bytes=1,
            storage_key="none",
        )


def add_question(tenant, user_id: int, question: str, rating: str = "") -> None:
    with tenant_context(tenant):
        trace = QueryTrace.objects.create(
            user_id=user_id,
            asked_by="somebody",
            access_levels=["public"],
            status="succeeded",
            question=question,
            duration_ms=120,
        )
        if rating:
            Feedback.objects.create(trace=trace, rating=rating)


def test_empty_tenant_shows_the_first_steps_by_role(tenant):
    owner, _ = person_in(tenant, "owner")
    page = open_page(owner, tenant)
    for step in ("Upload documents", "Ask a question", "Create an API key"):
        assert step in page
    member, _ = person_in(tenant, "member")
    page = open_page(member, tenant)
    assert "Ask a question" in page
    assert "Create an API key" not in page


def test_steps_are_ticked_off_and_then_gone(tenant):
    owner, user_id = person_in(tenant, "owner")
    add_document(tenant)
    assert open_page(owner, tenant).count('badge-ok">Done') == 1
    add_question(tenant, user_id, "What is it?")
    create_api_key(tenant=tenant, name="x", scopes=["query"])
    assert "First steps" not in open_page(owner, tenant)


def test_counts_stay_within_the_readers_levels(tenant):
    add_document(tenant, chunks=3)
    add_document(tenant, status="failed", chunks=0)
    add_document(tenant, level="internal", chunks=100)
    owner, _ = person_in(tenant, "owner")
    page = open_page(owner, tenant)
    assert "103 passages" in page
    assert "Failed" in page
    reader, _ = person_in(tenant, "member", ["public"])
    assert ">3 passages" in open_page(reader, tenant)


def test_member_sees_own_questions_and_admin_everybodys(tenant):
    member, member_id = person_in(tenant, "member")
    admin, admin_id = person_in(tenant, "admin")
    add_question(tenant, member_id, "Mine alone?", "up")
    add_question(tenant, admin_id, "What do admins ask?", "down")
    page = open_page(member, tenant)
    assert "Mine alone?" in page
    assert "What do admins ask?" not in page
    assert "1 in the last 7 days" in page
    page = open_page(admin, tenant)
    assert "Mine alone?" in page
    assert "What do admins ask?" in page
    assert "2 in the last 7 days" in page


def test_question_is_shown_as_text(tenant):
    member, user_id = person_in(tenant, "member")
    add_question(tenant, user_id, "<script>alert(1)</script>")
    assert "<script>alert(1)" not in open_page(member, tenant)


def test_page_costs_the_same_queries_however_much_there_is(tenant):
    admin, user_id = person_in(tenant, "admin")
    add_document(tenant)
    add_question(tenant, user_id, "First?")
    open_page(admin, tenant)
    with CaptureQueriesContext(connection) as few:
        open_page(admin, tenant)
    for number in range(12):
        add_document(tenant, status="queued")
        add_question(tenant, user_id, f"Question {number}?", "up")
    with CaptureQueriesContext(connection) as many:
        open_page(admin, tenant)
    assert len(many) == len(few)
    assert len(many) <= MOST_QUERIES, [query["sql"][:90] for query in many]
