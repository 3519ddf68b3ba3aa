"""Exports and imports that an operator asks for on a page and a worker does."""

from __future__ import annotations

import io
import uuid
import zipfile

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tenants import tasks
from tenants.archive import jobs
from tenants.models import Tenant
from tenants.removal import remove_tenant
from tests.tenants.archives import export, filled_tenant, new_slug


def export_url(page, tenant):
    return reverse(f"operator-tenant-export{page}", args=[tenant.slug])


def test_an_export_is_asked_for_watched_and_downloaded(cast):
    client, tenant = cast.client("operator"), filled_tenant()
    assert client.get(export_url("-file", tenant)).status_code == 404
    assert client.post(export_url("", tenant)).status_code == 302
    assert "Waiting for a worker" in client.get(export_url("-state", tenant)).content.decode()
    tasks.export_to_storage(tenant.pk, "tester")
    page = client.get(reverse("operator-tenant", args=[tenant.slug])).content.decode()
    assert f"Download {tenant.slug}-" in page
    response = client.get(export_url("-file", tenant))
    content = b"".join(response.streaming_content)
    response.close()
    assert "attachment" in response["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert "documents/guide/passwords.md" in archive.namelist()


def test_the_next_export_replaces_the_last_and_deletion_takes_it(cast):
    tenant = filled_tenant()
    tasks.export_to_storage(tenant.pk, "tester")
    first = jobs.find_export(tenant)
    tasks.export_to_storage(tenant.pk, "tester")
    second = jobs.find_export(tenant)
    assert default_storage.exists(second)
    assert second == first or not default_storage.exists(first)
    report = remove_tenant(tenant=tenant, actor=None)
    assert report.before["redis keys"] == 1
    assert not default_storage.exists(second)
    tasks.export_to_storage(tenant.pk, "tester")


def test_no_export_is_promised_without_redis(cast):
    tenant = cast.tenant
    url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    try:
        response = cast.client("operator").post(export_url("", tenant), follow=True)
    finally:
        settings.REDIS_URL = url
    assert jobs.NO_REDIS in response.content.decode()


def test_a_worker_that_died_is_told(cast, monkeypatch):
    key = jobs.export_key(cast.tenant)
    jobs.write_state(key, jobs.JobState(status="running", stage="rows"))
    url, client = export_url("-state", cast.tenant), cast.client("operator")
    assert "Writing rows" in client.get(url).content.decode()
    monkeypatch.setattr(jobs, "SILENT_SECONDS", -1)
    assert jobs.BROKE_OFF in client.get(url).content.decode()


@pytest.fixture
def waiting(monkeypatch):
    """What was left for the worker."""
    sent = []
    monkeypatch.setattr(
        tasks.import_from_storage, "apply_async", lambda args, **_: sent.append(args)
    )
    return sent


def upload(client, content, **values):
    file = SimpleUploadedFile("tenant.zip", content, "application/zip")
    return client.post(reverse("operator-import-tenant"), {"archive": file, **values})


def test_an_archive_is_uploaded_and_becomes_a_tenant(cast, tmp_path, waiting):
    tenant = filled_tenant("shared")
    content = export(tenant, tmp_path).read_bytes()
    client, slug = cast.client("operator"), new_slug()
    response = upload(client, content, slug=slug, isolation="partition")
    url = response["Location"]
    assert "Waiting for a worker" in client.get(url).content.decode()
    (arguments,) = waiting
    tasks.import_from_storage(*arguments)
    assert client.get(url)["Location"] == reverse("operator-tenant", args=[slug])
    assert Tenant.objects.get(slug=slug).isolation == "partition"
    assert not default_storage.exists(arguments[1])


def test_a_bad_archive_is_told_on_the_page_and_its_upload_is_gone(cast, waiting):
    client = cast.client("operator")
    url = upload(client, b"no archive at all")["Location"]
    tasks.import_from_storage(*waiting[0])
    page = client.get(url).content.decode()
    assert "Nothing was imported: The file is not a ZIP archive" in page
    assert not default_storage.exists(waiting[0][1])


def test_a_bad_slug_is_told_at_its_field(cast, waiting):
    response = upload(cast.client("operator"), b"x", slug="Bad Slug")
    assert "A slug has 3 to 40 characters" in response.context["form"].errors["slug"][0]
    response = cast.client("operator").post(reverse("operator-import-tenant"))
    assert response.context["form"].errors["archive"]
    assert waiting == []


def test_an_unknown_import_is_not_found(cast):
    url = reverse("operator-import", args=[uuid.uuid4()])
    assert cast.client("operator").get(url).status_code == 404


def test_the_sweep_runs():
    tasks.sweep_leftovers()
