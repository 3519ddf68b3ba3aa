from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragadmin.management.base import RagadminCommand
from tenants.archive.import_ import import_tenant
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Makes a tenant out of an archive that export_tenant wrote."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--slug", default="", help="default: the slug in the archive")
        parser.add_argument(
            "--isolation",
            default="",
            choices=("", *Tenant.Isolation.values),
            help="default: the level in the archive",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        report = import_tenant(
            path=options["file"],
            slug=options["slug"],
            isolation=options["isolation"],
            actor=None,
        )
        if options["json"]:
            self.write_json(report.as_dict())
            return
        self.stdout.write(
            f"Tenant {report.tenant.slug} is ready ({report.tenant.isolation}): {report.rows:,} rows,"
            f" {report.documents:,} documents, {report.members:,} members."
        )
        for note in report.notes:
            self.stdout.write(note)
