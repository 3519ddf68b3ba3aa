from __future__ import annotations

import pytest
import redis
from django.test import Client

from ragadmin.health import PROBES, NotWell, Probe, probe_worker, run_checks, run_readiness_checks
from ragadmin.heartbeats import KEY, note_life
from tenants.models import Provider, SchemaVersion


def check(name: str):
    return next(check for check in run_checks() if check.name == name)


def test_a_process_that_serves_is_live_and_ready():
    client = Client()
    # What another test has left behind is named.
    assert [found for found in run_readiness_checks() if not found.ok] == []
    assert client.get("/healthz").json() == {"live": True}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"] == {"database": True, "migrations": True, "redis": True}


def test_a_tenant_schema_that_is_behind_makes_it_not_ready(tenant):
    row = SchemaVersion.objects.get(schema_name=tenant.schema_name)
    current = row.version
    SchemaVersion.objects.filter(pk=row.pk).update(version="0000_older")
    try:
        ready = Client().get("/readyz")
    finally:
        SchemaVersion.objects.filter(pk=row.pk).update(version=current)
    assert ready.status_code == 503
    assert ready.json()["checks"]["migrations"] is False


def test_redis_that_is_away_makes_it_not_ready(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert [found.name for found in run_readiness_checks() if not found.ok] == ["redis"]


def test_a_worker_is_well_while_it_gives_signs_of_life(services):
    with redis.Redis.from_url(services["redis"]) as client:
        client.delete(KEY)
        with pytest.raises(NotWell, match="No sign of life"):
            probe_worker()
        client.hset(KEY, "worker long-gone", "12.5")
        with pytest.raises(NotWell):
            probe_worker()
    note_life("worker", "one@here")
    assert probe_worker().startswith("one@here")


@pytest.fixture
def no_endpoints():
    """Without what other tests of this session have added in the console."""
    Provider.objects.all().delete()


def test_no_chat_model_is_a_normal_state(no_endpoints):
    found = check("chat model")
    assert found.ok
    assert found.detail == "none: answers are extractive"


def test_a_chat_endpoint_that_is_away_is_named(settings, no_endpoints):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    found = check("chat model")
    assert not found.ok
    assert "127.0.0.1:1" in found.detail


def test_storage_that_cannot_be_written_is_named(settings, tmp_path):
    (tmp_path / "file").touch()
    options = {"OPTIONS": {"location": tmp_path / "file" / "files"}}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | options}
    assert not check("storage").ok


def test_every_check_says_what_breaks():
    assert all(found.breaks for found in run_checks())
    assert len({probe.name for probe in PROBES}) == len(PROBES)


def test_a_probe_that_fails_gives_one_line():
    def fail() -> str:
        raise NotWell("first line\nsecond line")

    assert Probe("sample", "Nothing.", fail).check().detail == "first line"
