from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.management.tenants import add_range, find_tenants
from monitoring.rebuild import Rebuilt, rebuild_usage
from ragadmin.management.base import RagadminCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.models import Tenant


class Command(RagadminCommand):
    help = (
        "Makes the figures of a tenant, or of all, anew from the stored answers, day by day, beside "
        "whoever asks meanwhile. After a change of its time zone that is done by itself. Answers that are "
        "counted and not stored any more stay counted; days whose metrics were dropped stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_range(parser)

    def handle(self, **options: Any) -> None:
        found = [
            (tenant, rebuild_usage(tenant, options["from_date"], options["to_date"]))
            for tenant in find_tenants(options["slug"])
        ]
        if options["json"]:
            self.write_json([_as_json(tenant, rebuilt) for tenant, rebuilt in found])
        for tenant, rebuilt in found if not options["json"] else ():
            self._write(tenant, rebuilt)

    def _write(self, tenant: Tenant, rebuilt: Rebuilt) -> None:
        before, after = rebuilt.before, rebuilt.after
        self.stdout.write(
            f"{tenant.slug}: {rebuilt.days} days, {rebuilt.answers} answers; questions "
            f"{before.questions} -> {after.questions}, cost {before.cost_usd} -> {after.cost_usd} US dollars"
        )
        if rebuilt.kept_answers:
            self.stdout.write(
                f"  {rebuilt.kept_answers} counted answers are not stored any more: they stay counted"
            )
        if rebuilt.kept_days:
            self.stdout.write(
                f"  {len(rebuilt.kept_days)} days stay as they are: their metrics were dropped"
            )


def _as_json(tenant: Tenant, rebuilt: Rebuilt) -> dict[str, Any]:
    sides = {"before": rebuilt.before, "after": rebuilt.after}
    return {
        "tenant": tenant.slug,
        "days": rebuilt.days,
        "answers": rebuilt.answers,
        "kept_answers": rebuilt.kept_answers,
        "kept_days": rebuilt.kept_days,
        **{
            name: {"questions": sums.questions, "cost_usd": str(sums.cost_usd)}
            for name, sums in sides.items()
        },
    }
