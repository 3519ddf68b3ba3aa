from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from ragadmin.errors import NotFound
from ragadmin.management.base import RagadminCommand
from tenants.models import Tenant
from tenants.removal import count_everything, remove_tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Deletes a tenant with everything it has: documents, traces, members, keys and files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--yes", action="store_true", help="delete it; otherwise only count")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise NotFound(f"There is no tenant {options['slug']!r}.")
        if options["yes"]:
            self._delete(tenant, options["json"])
        else:
            self._count(tenant, options["json"])

    def _count(self, tenant: Tenant, as_json: bool) -> None:
        counts = count_everything(tenant)
        if as_json:
            self.write_json({"slug": tenant.slug, "deleted": False, "before": counts})
        else:
            for kind, count in counts.items():
                self.stdout.write(f"{count:>12,}  {kind}")
        raise CommandError(f"Nothing was deleted: add --yes to delete {tenant.slug} for good.")

    def _delete(self, tenant: Tenant, as_json: bool) -> None:
        report = remove_tenant(tenant=tenant, actor=None)
        if as_json:
            self.write_json({"deleted": report.is_complete, **report.as_dict()})
        else:
            self.stdout.write(f"{'before':>12} {'after':>12}")
            for kind, count in report.before.items():
                self.stdout.write(f"{count:>12,} {report.after[kind]:>12,}  {kind}")
            for note in report.notes:
                self.stdout.write(note)
        if not report.is_complete:
            raise CommandError(f"Something of {report.slug} is left: see the counts after.")
        if not as_json:
            self.stdout.write(f"The tenant {report.slug} is deleted.")
