from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management import CommandError

from ragadmin.management.base import RagadminCommand
from retrieval.models import Source, SyncRun
from retrieval.services.foreground import finish_here
from retrieval.services.sync_runs import confirm_run, start_sync
from retrieval.sync_selectors import add_first_errors, run_errors, run_paths, run_progress
from retrieval.sync_serializers import SyncRunSerializer
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser

COUNTS = ("added", "updated", "deleted", "unchanged", "failed")
SHOWN_PATHS = 20
ERRORS_SHOWN = 1_000
SHOWN_ERRORS = 1_000
# Exit codes of a run that did not simply succeed.
EXITS = {
    SyncRun.Status.PARTIAL: 2,
    SyncRun.Status.NEEDS_CONFIRMATION: 3,
    SyncRun.Status.FAILED: 1,
    SyncRun.Status.CANCELLED: 1,
}


class Command(RagadminCommand):
    help = (
        "One incremental pass over a source, in the foreground. Exit 0 when all went well, "
        "1 when the run failed, 2 when documents failed, 3 when deletions have to be confirmed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("source", help="the id or the name of the source")
        parser.add_argument("--dry-run", action="store_true", help="plan only; change nothing")
        parser.add_argument("--full", action="store_true", help="read every file")
        parser.add_argument(
            "--confirm", action="store_true", help="agree to the deletions if it has to be asked"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = self._find_tenant(options["slug"])
        source = self._find_source(tenant, options["source"])
        quiet = options["json"]
        run = start_sync(
            tenant=tenant,
            source_id=source.pk,
            trigger=SyncRun.Trigger.COMMAND,
            actor=None,
            dry_run=options["dry_run"],
            full_check=options["full"],
        )
        tell = (lambda _: None) if quiet else self._tell
        run = finish_here(tenant, run.pk, lambda each: tell((tenant, each)))
        if run.status == SyncRun.Status.NEEDS_CONFIRMATION and options["confirm"]:
            confirm_run(tenant=tenant, run_id=run.pk, actor=None)
            run = finish_here(tenant, run.pk, lambda each: tell((tenant, each)))
        with tenant_context(tenant):
            run = SyncRun.objects.select_related("source").get(pk=run.pk)
            if quiet:
                self.write_json(self._as_json(tenant, run))
            else:
                self._report(tenant, run)
        sys.exit(EXITS.get(SyncRun.Status(run.status), 0))

    def _find_tenant(self, slug: str) -> Tenant:
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {slug!r}.")
        return tenant

    def _find_source(self, tenant: Tenant, wanted: str) -> Source:
        with tenant_context(tenant):
            source = Source.objects.filter(name=wanted).first()
            if source is None and (number := _as_uuid(wanted)):
                source = Source.objects.filter(pk=number).first()
        if source is None:
            raise CommandError(f"The tenant {tenant.slug} has no source {wanted!r}.")
        return source

    def _tell(self, what: tuple[Tenant, SyncRun]) -> None:
        tenant, run = what
        with tenant_context(tenant):
            progress = run_progress(run)
        if progress.total is None:
            self.stdout.write(f"{run.stage or 'waiting'}: {run.plan.get('listed', 0)} listed")
        else:
            self.stdout.write(
                f"{run.stage}: {progress.done} of {progress.total} documents, "
                f"{progress.embedded_chunks} passages embedded, {progress.reused_chunks} kept"
            )

    def _report(self, tenant: Tenant, run: SyncRun) -> None:
        levels = list(tenant.access_levels)
        figures = ", ".join(f"{getattr(run, name)} {name}" for name in COUNTS)
        mark = self.style.SUCCESS if run.status == SyncRun.Status.SUCCEEDED else self.style.WARNING
        self.stdout.write(mark(f"{'dry run ' if run.dry_run else ''}{run.status}: {figures}"))
        if run.error_message:
            self.stdout.write(self.style.ERROR(run.error_message))
        if reason := run.plan.get("reason"):
            self.stdout.write(f"{reason} Nothing was changed; --confirm agrees to it.")
        for kind in ("added", "updated", "deleted"):
            entries = run_paths(run, kind, levels)
            for entry in entries[:SHOWN_PATHS]:
                self.stdout.write(f"  {kind:<8} {entry.path!r} {entry.note}".rstrip())
            if len(entries) > SHOWN_PATHS:
                self.stdout.write(f"  {kind:<8} … and {len(entries) - SHOWN_PATHS} more")
        for error in run_errors(run, levels)[:SHOWN_PATHS]:
            self.stdout.write(f"  failed   {error.path!r}: {error.message}")
        if not run.dry_run:
            self.stdout.write(
                f"{run.embedded_chunks} passages embedded ({run.embedded_tokens} tokens), "
                f"{run.reused_chunks} kept or copied"
            )

    def _as_json(self, tenant: Tenant, run: SyncRun) -> dict[str, Any]:
        levels = list(tenant.access_levels)
        add_first_errors([run], levels, SHOWN_ERRORS)
        return dict(SyncRunSerializer(run).data) | {
            "paths": {
                kind: [entry.path for entry in run_paths(run, kind, levels)]
                for kind in ("added", "updated", "deleted")
            }
        }


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
