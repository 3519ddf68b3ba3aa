from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.management.tenants import add_range, find_tenants
from monitoring.replay import Replay, replay_prices
from ragadmin.management.base import RagadminCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.models import Tenant


class Command(RagadminCommand):
    help = (
        "Prices the stored answers of a tenant, or of all, anew by the prices in force now, after one "
        "was corrected, and brings the figures in line. Budgets stay as they were settled."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_range(parser)
        parser.add_argument("--dry-run", action="store_true", help="say what would come of it")

    def handle(self, **options: Any) -> None:
        dry_run = options["dry_run"]
        found = [
            (
                tenant,
                replay_prices(tenant, options["from_date"], options["to_date"], dry_run=dry_run),
            )
            for tenant in find_tenants(options["slug"])
        ]
        if options["json"]:
            self.write_json([_as_json(tenant, replay) for tenant, replay in found])
        for tenant, replay in found if not options["json"] else ():
            self._write(tenant, replay, "would change" if dry_run else "changed")

    def _write(self, tenant: Tenant, replay: Replay, verb: str) -> None:
        self.stdout.write(
            f"{tenant.slug}: {replay.changed} of {replay.answers} answers {verb}; "
            f"{replay.before_usd} -> {replay.after_usd} US dollars, "
            f"{replay.unknown_before} -> {replay.unknown_after} with an unknown price"
        )
        if replay.kept_savings:
            self.stdout.write(
                f"  what the cache saved stays as it is for {replay.kept_savings} answers"
            )
        if replay.rebuilt and replay.rebuilt.kept_days:
            self.stdout.write(
                f"  {len(replay.rebuilt.kept_days)} days stay as they are: their metrics were dropped"
            )


def _as_json(tenant: Tenant, replay: Replay) -> dict[str, Any]:
    return {
        "tenant": tenant.slug,
        "answers": replay.answers,
        "changed": replay.changed,
        "before_usd": str(replay.before_usd),
        "after_usd": str(replay.after_usd),
        "unknown_before": replay.unknown_before,
        "unknown_after": replay.unknown_after,
        "kept_savings": replay.kept_savings,
        "kept_days": replay.rebuilt.kept_days if replay.rebuilt else [],
    }
