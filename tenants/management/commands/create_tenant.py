from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragadmin.management.base import RagadminCommand
from tenants.models import Tenant
from tenants.services import create_tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Provisions a tenant."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="small letters, digits and hyphens")
        parser.add_argument("--name", default="", help="how people read it (default: the slug)")
        parser.add_argument(
            "--isolation", default=Tenant.Isolation.SCHEMA, choices=Tenant.Isolation.values
        )
        parser.add_argument(
            "--embedding-model", default="", help="default: RAGADMIN_EMBEDDING_MODEL"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = create_tenant(
            slug=options["slug"],
            name=options["name"],
            isolation=options["isolation"],
            embedding_model=options["embedding_model"],
        )
        if options["json"]:
            self.write_json(_describe(tenant))
        else:
            self.stdout.write(f"Tenant {tenant.slug} is ready in the schema {tenant.schema_name}.")


def _describe(tenant: Tenant) -> dict[str, Any]:
    return {
        "slug": tenant.slug,
        "name": tenant.name,
        "isolation": tenant.isolation,
        "schema_name": tenant.schema_name,
        "access_levels": tenant.access_levels,
        "embedding_model": tenant.embedding_model,
        "embedding_dimension": tenant.embedding_dimension,
    }
