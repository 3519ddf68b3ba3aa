"""The cast of the page tests: an owner, a member who sees public documents only, a stranger."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.test import Client
from pgvector import SparseVector

from retrieval.models import Chunk, Document, QueryTrace, Source
from retrieval.terms import DIMENSIONS, trace_terms
from tenants.context import tenant_context
from tenants.services import add_member, create_user

if TYPE_CHECKING:
    from tenants.models import User


class Browser(Client):
    user: User


def sign_in(tenant=None, *, role="owner", levels=()) -> Browser:
    """A browser of a new person, in `tenant` if one is given."""
    user = create_user(email=f"{uuid.uuid4().hex[:10]}@example.com", password=None)
    if tenant:
        add_member(tenant=tenant, user=user, role=role, access_levels=levels)
    client = Browser()
    client.force_login(user)
    client.user = user
    return client


def make_document(tenant, path="guide.md", *, chunks=0, **values) -> Document:
    defaults = {
        "status": "ready",
        "access_level": "public",
        "size_bytes": 10,
        "content_hash": "0",
        "storage_key": "nothing-stored",
        "chunk_count": chunks,
        "external_id": path,
    }
    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Uploads", defaults={"kind": "upload"})
        document = Document.objects.create(source=source, path=path, **(defaults | values))
        for ordinal in range(chunks):
            make_chunk(document, ordinal)
    return document


def make_chunk(document, ordinal, text="", heading_path="") -> Chunk:
    """The tenant is in force."""
    return Chunk.objects.create(
        document=document,
        ordinal=ordinal,
        text=text or f"Passage number {ordinal}.",
        heading_path=heading_path,
        start_char=0,
        end_char=10,
        content_hash="0",
        token_count=4,
        access_level=document.access_level,
        embedding=[0.0] * 384,
        terms=[1],
        term_weights=SparseVector({1: 1.0}, DIMENSIONS),
    )


def make_trace(tenant, *, user=None, **values) -> QueryTrace:
    defaults = {"question": "What whistles?", "answer": "The kettle. [1]", "status": "succeeded"}
    defaults["asked_by"] = user.email if user else "a key"
    values = defaults | {"user_id": user.pk if user else None, "access_levels": ["public"]} | values
    shown = [row["document_id"] for row in values.get("hits", [])]
    values["terms"] = trace_terms((values["question"],), shown, values["asked_by"])
    with tenant_context(tenant):
        return QueryTrace.objects.create(**values)


def hit(document, chunk_id=1, **values) -> dict:
    return {
        "chunk_id": chunk_id,
        "document_id": str(document.id),
        "path": document.path,
        "heading_path": "Boiling",
        "access_level": document.access_level,
        "score": 0.03,
        "similarity": 0.5,
        "rank": 1,
    } | values


def citation(document, chunk_id=1) -> dict:
    return {
        "n": 1,
        "document_id": str(document.id),
        "chunk_id": chunk_id,
        "path": document.path,
        "quote": "It whistles.",
    }
