"""What tests of exports and imports share."""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile

from django.db import connections, transaction

from retrieval.models import Feedback, QueryTrace
from tenants.access import tenant_config
from tenants.archive.export import export_tenant
from tenants.archive.import_ import import_tenant
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.services import add_member, create_tenant, create_user
from tests.documents import DOCUMENTS, upload_and_index

QUESTIONS = (
    "How is a password reset?",
    "When are salaries paid?",
    "How long does a session last?",
    "sign-in page link",
)


def new_slug() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def new_tenant(level="schema"):
    return create_tenant(slug=new_slug(), isolation=level)


def filled_tenant(level="schema"):
    """With documents, a member, and a trace that somebody rated."""
    tenant = new_tenant(level)
    upload_and_index(tenant, DOCUMENTS)
    user = create_user(email=f"p-{uuid.uuid4().hex[:10]}@example.com", password="plenty of it")
    add_member(tenant=tenant, user=user, role="admin", access_levels=["public"])
    tenant.name, tenant.top_k, tenant.min_similarity = "Handbook", 4, 0.123
    tenant.save()
    with tenant_context(tenant):
        trace = QueryTrace.objects.create(
            question="Über wen?\n\u2028 \"quoted\"", user_id=user.pk, api_key_id=uuid.uuid4(),
            access_levels=["public"], total_cost_usd="0.000000123", similarity_max=0.1 + 0.2,
            hits=[{"document_id": str(uuid.uuid4()), "score": 1.25}], status="succeeded",
        )  # fmt: skip
        Feedback.objects.create(trace=trace, rating="up", comment="good")
    tenant.refresh_from_db()
    return tenant


def export(tenant, folder):
    path = folder / f"{tenant.slug}-{uuid.uuid4().hex[:6]}.zip"
    export_tenant(tenant=tenant, path=path, actor=None)
    return path


def import_(path, **options):
    return import_tenant(path=path, actor=None, **options)


def caller(tenant, levels=("public", "internal")):
    return Caller(tenant_config(tenant), levels, frozenset({"query"}), "tester", user_id=1)


def rewrite(path, change=lambda files: None, *, change_manifest=None, relist=True):
    """The archive with `change(files)` applied to its content, its manifest made to fit again."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(files)
    if relist:
        manifest["files"] = [
            {
                "name": name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "rows": content.count(b"\n") if name.startswith("tables/") else None,
            }
            for name, content in files.items()
        ]
    if change_manifest:
        change_manifest(manifest)
    target = path.with_name(f"changed-{uuid.uuid4().hex[:6]}.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return target


def fill_with_chunks(tenant, count: int) -> None:
    """By SQL, spread over documents of 500."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('ragadmin.tenant_id', %s, true),"
            " set_config('search_path', quote_ident(%s) || ', extensions', true)",
            [str(tenant.pk), tenant.schema_name],
        )
        cursor.execute(
            "INSERT INTO retrieval_source (id, name, kind) VALUES (gen_random_uuid(), 'bulk', 'upload')"
        )
        cursor.execute(
            "INSERT INTO retrieval_document (id, source_id, external_id, path, title, access_level,"
            " status, stage, error_code, error_message, content_hash, indexed_hash, media_type, size_bytes,"
            " storage_key, markdown, chunk_count, token_count, uploaded_by, updated_at)"
            " SELECT gen_random_uuid(), s.id, 'bulk/' || n, 'bulk/' || n, '', 'public', 'ready',"
            " '', '', '', 'h', 'h', 't', 1, '', '', 500, 1, '', now() FROM retrieval_source s,"
            " generate_series(1, %s) n WHERE s.name = 'bulk' AND s.tenant_id = %s",
            [count // 500, tenant.pk],
        )
        cursor.execute(
            "INSERT INTO retrieval_chunk (document_id, ordinal, text, heading_path, start_char,"
            " end_char, content_hash, token_count, access_level, embedding, terms, term_weights)"
            " SELECT d.id, n, repeat(md5(n::text || d.path), 30), '', 0, 1, 'h', 1, 'public',"
            " (SELECT array_agg(sin(n * i)) FROM generate_series(1, 384) i)::halfvec,"
            " ARRAY[n, n + 1], '{1:0.5}/1000000'"
            " FROM retrieval_document d, generate_series(1, 500) n"
            " WHERE d.tenant_id = %s AND d.path LIKE 'bulk/%%'",
            [tenant.pk],
        )
