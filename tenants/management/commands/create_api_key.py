from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragadmin.errors import NotFound
from ragadmin.management.base import RagadminCommand
from tenants.keys import TENANT_SCOPES, create_api_key
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Makes an API key of a tenant and prints it, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("--name", default="command line", help="what the key is for")
        parser.add_argument(
            "--scopes", default=",".join(TENANT_SCOPES), help="default: %(default)s"
        )
        parser.add_argument(
            "--access-levels", default="", help="what it may read (default: all of the tenant's)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise NotFound(f"There is no tenant {options['slug']!r}.")
        row, key = create_api_key(
            tenant=tenant,
            name=options["name"],
            scopes=_split(options["scopes"]),
            access_levels=_split(options["access_levels"]),
        )
        if not options["json"]:
            self.stdout.write(key)
            return
        self.write_json(
            {
                "id": row.id,
                "tenant": tenant.slug,
                "name": row.name,
                "key": key,
                "scopes": row.scopes,
                "access_levels": row.access_levels,
            }
        )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
