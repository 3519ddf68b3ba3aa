from __future__ import annotations

from django.core.files.base import ContentFile

from retrieval.models import Document
from retrieval.services.documents import store_upload
from tenants.context import tenant_context
from tenants.models import DocumentJob


def upload(tenant, path="guide.md", content=b"# Guide\n\nWater boils at 100 degrees.", **values):
    values = {"access_level": "public", "uploaded_by": "someone"} | values
    return store_upload(tenant=tenant, file=ContentFile(content), path=path, **values)


def test_upload_is_queued_with_its_file_kept(tenant):
    document = upload(tenant)
    with tenant_context(tenant):
        stored = Document.objects.get(pk=document.pk)
    assert stored.status == "queued"
    assert DocumentJob.objects.filter(tenant=tenant, document_id=document.pk).count() == 1
