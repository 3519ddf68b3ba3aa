"""Tenants that are there for a comparison only: made and removed as any other, never left behind."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import structlog
from django.db import Error

from ragadmin.errors import NotFound, RagadminError
from retrieval.comparison.corpus import CHUNK_TOKENS, EMBEDDING_MODEL
from retrieval.connectors.upload import UploadConnector
from retrieval.indexing.difference import DocumentText
from retrieval.indexing.generations import current_generation
from retrieval.indexing.store import raise_revision, replace_chunks
from retrieval.models import Document, Source
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant
from tenants.removal import remove_tenant
from tenants.services import create_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

    from retrieval.comparison.corpus import PreparedDocument

log = structlog.get_logger(__name__)

ACTOR = "isolation comparison"


def add_tenant(level: str) -> tuple[Tenant, float]:
    """A tenant, and the seconds that it took."""
    slug = f"{Tenant.COMPARISON_PREFIX}{level}-{uuid.uuid4().hex[:12]}"
    start = time.perf_counter()
    tenant = create_tenant(
        slug=slug,
        name="Isolation comparison",
        isolation=level,
        embedding_model=EMBEDDING_MODEL,
        actor=ACTOR,
        is_own=True,
    )
    return tenant, time.perf_counter() - start


def fill_tenant(tenant: Tenant, documents: Sequence[PreparedDocument]) -> None:
    tenant.chunk_tokens = CHUNK_TOKENS
    generation = current_generation(tenant)
    with tenant_context(tenant):
        source = Source.objects.create(name="Comparison", kind=UploadConnector.kind)
        for prepared in documents:
            document = Document.objects.create(
                source=source,
                external_id=prepared.path,
                path=prepared.path,
                title=prepared.path,
                access_level=tenant.access_levels[0],
                status=Document.Status.READY,
                content_hash=prepared.content_hash,
                indexed_hash=prepared.content_hash,
                size_bytes=len(prepared.markdown.encode()),
                markdown=prepared.markdown,
                indexed_generation=generation.number,
                chunk_count=len(prepared.passages),
            )
            text = DocumentText(document.pk, document.access_level, prepared.passages)
            replace_chunks(tenant, generation, [text], prepared.stored_vectors)
        raise_revision(tenant)


def drop_tenant(tenant: Tenant) -> float:
    """The seconds that it took."""
    start = time.perf_counter()
    remove_tenant(tenant=tenant, actor=ACTOR)
    return time.perf_counter() - start


def has_leftovers() -> bool:
    return _all().exists()


def remove_all(say: Callable[[str], object] = lambda text: None) -> int:
    """Removes every tenant of any comparison. How many could not be removed."""
    found = list(_all())
    left = 0
    for number, tenant in enumerate(found, start=1):
        try:
            drop_tenant(tenant)
        except NotFound:
            continue
        except (RagadminError, Error) as error:
            left += 1
            log.warning("comparison tenant left", tenant=tenant.slug, error=str(error))
        say(f"removing tenant {number} of {len(found)}")
    # Thousands of lines about tenants that were nobody's would bury what people did.
    AuditEvent.objects.filter(actor=ACTOR, target__startswith=Tenant.COMPARISON_PREFIX).delete()
    return left


def _all() -> QuerySet[Tenant]:
    return Tenant.objects.filter(slug__startswith=Tenant.COMPARISON_PREFIX).order_by("pk")
