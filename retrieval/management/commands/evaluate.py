from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError

from ragadmin.management.base import RagadminCommand
from retrieval.evaluation.compare import KINDS, WORSE, compare, count_kinds, figure_changes
from retrieval.evaluation.configuration import say_differences
from retrieval.evaluation.foreground import run_here
from retrieval.evaluation.runs import baseline_of
from retrieval.models import Evaluation
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from retrieval.evaluation.compare import Pair

SHARES = {
    "right_rate": "right",
    "hit_rate": "hit rate",
    "mrr": "MRR",
    "ndcg": "nDCG@10",
    "answer_match": "answer match",
    "cited": "expected documents cited",
}
TIMES = {"p50_latency_ms": "latency p50", "p95_latency_ms": "latency p95"}
SHOWN_QUESTION = 70


class Command(RagadminCommand):
    help = (
        "Asks a tenant's golden questions, in the foreground, and tells what changed since the last "
        "run. Exit 0 when all were asked, 1 when the run failed, 2 with --fail-on-regression when a "
        "question that was right is wrong now or could not be asked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument(
            "--fail-on-regression",
            action="store_true",
            help="exit 2 when a question got worse, for use in a pipeline",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["slug"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['slug']!r}.")
        tell = (lambda _: None) if options["json"] else self._tell
        run = run_here(tenant, tell)
        with tenant_context(tenant):
            before = baseline_of(run)
        pairs = compare(before.results, run.results) if before else []
        if options["json"]:
            self.write_json(as_json(run, before, pairs))
        else:
            self._report(run, before, pairs)
        if run.status != Evaluation.Status.SUCCEEDED:
            sys.exit(1)
        if options["fail_on_regression"] and any(pair.kind in WORSE for pair in pairs):
            sys.exit(2)

    def _tell(self, run: Evaluation) -> None:
        self.stdout.write(f"{run.done} of {run.questions} asked")

    def _report(self, run: Evaluation, before: Evaluation | None, pairs: list[Pair]) -> None:
        figures, old = run.summary, before.summary if before else {}
        if run.error:
            self.stdout.write(self.style.ERROR(run.error))
        asked, errors = figures.get("questions", 0), figures.get("errors", 0)
        self.stdout.write(f"{asked} questions, {errors} errors, {figures.get('right', 0)} right")
        for name, label in SHARES.items():
            self._line(label, figures.get(name), old.get(name), ".3f")
        for name, label in TIMES.items():
            self._line(label, figures.get(name), old.get(name), ".0f", " ms")
        self._abstention(figures.get("abstention", {}))
        unpriced, cost = figures.get("unpriced", 0), figures.get("cost_usd", "0")
        more = f" + {unpriced} answers of unknown price" if unpriced else ""
        self.stdout.write(f"{'cost':<26} {'unknown' if cost is None else f'${cost}'}{more}")
        if before:
            self._changes(run, before, pairs)

    def _abstention(self, figures: dict[str, Any]) -> None:
        if figures:
            self.stdout.write(
                f"{'abstention':<26} {figures['right']} rightly, {figures['wrongly']} wrongly, "
                f"{figures['missed']} missed"
            )

    def _line(
        self, label: str, value: float | None, old: float | None, form: str, unit: str = ""
    ) -> None:
        shown = "not measured" if value is None else f"{value:{form}}{unit}"
        change = "" if value is None or old is None else f"{value - old:+{form}}{unit}"
        self.stdout.write(f"{label:<26} {shown:>12}  {change}".rstrip())

    def _changes(self, run: Evaluation, before: Evaluation, pairs: list[Pair]) -> None:
        self.stdout.write(f"Since {before.created_at:%Y-%m-%d %H:%M}:")
        for said in say_differences(before.configuration, run.configuration):
            self.stdout.write(f"  {said}")
        for pair in pairs:
            if pair.is_changed:
                style = self.style.ERROR if pair.kind in WORSE else str
                question = pair.result["question"][:SHOWN_QUESTION]
                ranks = (
                    f"  rank {pair.rank_change[0]} → {pair.rank_change[1]}"
                    if pair.rank_change
                    else ""
                )
                self.stdout.write(style(f"  {pair.says:<22} {question}{ranks}"))
        if not any(pair.is_changed for pair in pairs):
            self.stdout.write("  no question changed")


def as_json(run: Evaluation, before: Evaluation | None, pairs: list[Pair]) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "status": run.status,
        "error": run.error,
        "summary": run.summary,
        "configuration": run.configuration,
        "results": run.results,
        "previous": before and {
            "id": str(before.id),
            "created_at": before.created_at,
            "summary": before.summary,
            "figures": figure_changes(before.summary, run.summary),
            "configuration_changes": say_differences(before.configuration, run.configuration),
            "changes": {kind: count for kind, count in count_kinds(pairs).items() if kind in KINDS},
            "questions": [pair.as_json() for pair in pairs if pair.is_changed],
        },
    }  # fmt: skip
