from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragadmin.errors import NotFound
from ragadmin.management.base import RagadminCommand
from tenants.archive.export import export_tenant
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Writes a tenant with everything it has, except API keys, to one ZIP archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("file", type=Path, help="must not be there yet")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise NotFound(f"There is no tenant {options['slug']!r}.")
        path: Path = options["file"].absolute()
        report = export_tenant(tenant=tenant, path=path, actor=None)
        if options["json"]:
            self.write_json({"slug": tenant.slug, "file": str(path), **report.as_dict()})
            return
        self.stdout.write(
            f"{tenant.slug}: {report.rows:,} rows and {report.documents:,} documents"
            f" in {path} ({report.bytes:,} bytes)."
        )
        for name in report.missing_files:
            self.stdout.write(f"The file of {name} is missing; its text is in the archive.")
