from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.management.tenants import add_range, find_tenants
from monitoring.replay import Replay, replay_prices
from monitoring.replay_apart import NO_ANSWER_CALLS, NO_TRACE
from monitoring.replay_savings import NO_MAKER, NO_REPLY_TOKENS, NO_VECTOR_TOKENS
from ragadmin.management.base import RagadminCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.models import Tenant

LEFT = {
    NO_REPLY_TOKENS: "savings by a model's kept reply: its tokens were not stored then",
    NO_VECTOR_TOKENS: "savings by a kept vector: its tokens were not stored then",
    NO_MAKER: "savings by a kept answer: the trace of the answer that was kept is gone",
    NO_TRACE: "answers in the books: their traces are gone",
    NO_ANSWER_CALLS: "results of evaluations: which calls made the answer was not stored then",
}


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
        apart = replay.apart
        if apart.rows:
            self.stdout.write(
                f"  beside the answers: {apart.changed} of {apart.rows} rows and {replay.evaluations} "
                f"evaluations {verb}; {apart.before_usd} -> {apart.after_usd} US dollars"
            )
        for reason, count in replay.left.items():
            self.stdout.write(f"  left as they are, {count} {LEFT[reason]}")
        if replay.kept_days:
            self.stdout.write(
                f"  left as they are, {len(replay.kept_days)} days: their metrics were dropped"
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
        "apart": {
            "rows": replay.apart.rows,
            "changed": replay.apart.changed,
            "before_usd": str(replay.apart.before_usd),
            "after_usd": str(replay.apart.after_usd),
        },
        "evaluations": replay.evaluations,
        "left": dict(replay.left),
        "kept_days": replay.kept_days,
    }
