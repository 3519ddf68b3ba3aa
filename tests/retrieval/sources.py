"""Sources and runs as rows, for the tests of pages that show them."""

from __future__ import annotations

from django.utils import timezone

from retrieval.indexing.run_paths import entry, pack
from retrieval.models import Source, SyncRun
from retrieval.services.schedules import set_schedule
from tenants.context import tenant_context


def make_source(tenant, name="Handbook", *, kind="folder", schedule=True, **values) -> Source:
    """As it would have been saved; its folder need not exist."""
    config = {
        "folder": {"url": "/srv/docs", "root": "/srv", "include": [], "exclude": [], "options": {}},
        "web": {
            "url": "https://example.com/docs/",
            "sitemap": "",
            "max_pages": 100,
            "include": [],
            "exclude": [],
            "seconds_between_requests": 1.0,
        },
        "upload": {},
    }[kind]
    defaults = {"config": config, "access_level": "public"}
    with tenant_context(tenant):
        source = Source.objects.create(name=name, kind=kind, **(defaults | values))
        if schedule and kind != "upload":
            set_schedule(tenant, source.pk, None, is_paused=False)
    return source


def make_run(tenant, source, *, status="succeeded", paths=None, **values) -> SyncRun:
    """`paths` by kind: entries, or plain paths. The counts follow from them unless they are given."""
    entries = {
        kind: [entry(one) if isinstance(one, str) else one for one in found]
        for kind, found in (paths or {}).items()
    }
    counts = {kind: len(found) for kind, found in entries.items() if kind != "skipped"}
    plan = {
        **dict.fromkeys(("added", "updated", "deleted", "unchanged", "failed", "skipped"), 0),
        **{kind: len(found) for kind, found in entries.items()},
        "listed": 5,
        "renamed": 0,
        "read": 1,
        "bytes": 2048,
        "tokens": 500,
        "cost_usd": "0",
        "reason": "",
    }
    defaults = {
        "trigger": "manual",
        "started_by": "owner@example.com",
        "plan": plan,
        "paths": pack(entries),
        "started_at": timezone.now(),
        "finished_at": timezone.now() if status in SyncRun.FINISHED else None,
        "timings": {"planning": 12, "applying": 30, "indexing": 400},
    }
    if status in SyncRun.FINISHED:
        defaults |= counts
    with tenant_context(tenant):
        return SyncRun.objects.create(source=source, status=status, **(defaults | values))
