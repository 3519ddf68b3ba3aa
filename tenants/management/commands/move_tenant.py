from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from ragadmin.errors import NotFound
from ragadmin.management.base import RagadminCommand
from tenants.models import Tenant
from tenants.moving.request import cancel_move, clean_up_tenant, move_tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.moving.move import Result
    from tenants.moving.progress import Stage


class Command(RagadminCommand):
    help = "Moves a tenant to another isolation level while it is being used."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", choices=Tenant.Isolation.values, help="where it shall be")
        what.add_argument("--cancel", action="store_true", help="cancel the move that is going on")
        what.add_argument(
            "--cleanup", action="store_true", help="only remove what earlier moves left behind"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise NotFound(f"There is no tenant {options['slug']!r}.")
        if options["cancel"]:
            self._cancel(tenant)
        elif options["cleanup"]:
            cleaned = clean_up_tenant(tenant.pk)
            self.stdout.write(f"Cleaned up after {cleaned} move{'' if cleaned == 1 else 's'}.")
        else:
            self._move(tenant, options["to"], as_json=options["json"])

    def _cancel(self, tenant: Tenant) -> None:
        if not cancel_move(tenant, None):
            raise CommandError(f"No move of {tenant.slug} is going on.")
        self.stdout.write("The move is being cancelled: the tenant stays where it is.")

    def _move(self, tenant: Tenant, to: str, *, as_json: bool) -> None:
        result = move_tenant(
            tenant=tenant, to=to, report=(lambda _: None) if as_json else self._report
        )
        if as_json:
            self.write_json(_describe(tenant, result))
            return
        for line in _summary(tenant, result):
            self.stdout.write(line)

    def _report(self, stage: Stage) -> None:
        self.stdout.write(f"{stage.label} …")
        self.stdout.flush()


def _summary(tenant: Tenant, result: Result) -> list[str]:
    rate = result.move.rows_copied / max(result.copy_seconds, 0.001)
    lines = [
        f"{len(result.compared)} tables, {result.rows:,} rows, checksums equal.",
        f"Copied {result.move.rows_copied:,} rows in {result.copy_seconds:.1f} s ({rate:,.0f} a second).",
        f"{tenant.slug} is in isolation {result.move.to_isolation} (schema {result.move.to_schema}) "
        f"after {result.seconds:.1f} s; the switch held it for {result.held_ms:.0f} ms.",
    ]
    if not result.is_cleaned:
        lines.append("The old place could not be removed yet: beat does it, or --cleanup.")
    return lines


def _describe(tenant: Tenant, result: Result) -> dict[str, Any]:
    move = result.move
    return {
        "slug": tenant.slug,
        "from": {"isolation": move.from_isolation, "schema_name": move.from_schema},
        "to": {"isolation": move.to_isolation, "schema_name": move.to_schema},
        "tables": {
            name: {"rows": state.rows, "checksum": str(state.checksum)}
            for name, state in result.compared.items()
        },
        "rows": result.rows,
        "rows_copied": move.rows_copied,
        "seconds": round(result.seconds, 3),
        "copy_seconds": round(result.copy_seconds, 3),
        "switch_ms": round(result.held_ms, 1),
        "switch_tries": result.tries,
        "is_cleaned": result.is_cleaned,
    }
