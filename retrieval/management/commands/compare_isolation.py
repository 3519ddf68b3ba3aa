from __future__ import annotations

import logging
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from ragadmin.management.base import RagadminCommand
from retrieval.comparison.advice import LESSON, recommend
from retrieval.comparison.figures import panels
from retrieval.comparison.measure import compare
from retrieval.comparison.plan import Plan, make_plan, parse_counts
from retrieval.comparison.runs import Cancelled, begin_comparison

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.models import IsolationComparison

STANDARD = Plan()
SAY_EVERY_SECONDS = 2.0
INTERRUPTED = 130


class Command(RagadminCommand):
    help = (
        "Measures the three levels of isolation side by side with the same documents, in temporary "
        "tenants that are removed afterwards, and recommends one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        numbers = ",".join(map(str, STANDARD.tenants))
        parser.add_argument(
            "--documents", type=int, default=STANDARD.documents, help="in the measured tenant"
        )
        parser.add_argument(
            "--tenants", default=numbers, help=f"numbers of tenants to measure at ({numbers})"
        )
        parser.add_argument("--questions", type=int, default=STANDARD.questions)
        parser.add_argument("--samples", type=int, default=STANDARD.samples,
                            help="tenants that are made and deleted for the times of that")  # fmt: skip
        parser.add_argument("--for-tenants", type=int, help="recommend for so many tenants")
        parser.add_argument(
            "--for-chunks", type=int, help="recommend for tenants of so many chunks"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        counts = parse_counts(options["tenants"])
        plan = make_plan(
            options["documents"], counts, questions=options["questions"], samples=options["samples"]
        )
        # A line for each of thousands of temporary tenants would bury the progress.
        logging.getLogger("tenants.removal").setLevel(logging.WARNING)
        # As Ctrl-C: what was made is removed before it ends.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))
        self._said_at = 0.0
        try:
            run = compare(begin_comparison(plan), self._say)
        except Cancelled as error:
            raise CommandError(error.message, returncode=INTERRUPTED) from error
        fleet = options["for_tenants"] or max(plan.tenants)
        chunks = options["for_chunks"] or run.results["chunks"]
        level, reason = recommend(fleet, chunks, run.results)
        advice = {"tenants": fleet, "chunks_per_tenant": chunks, "level": level, "reason": reason}
        if options["json"]:
            lesson = [each._asdict() for each in LESSON]
            self.write_json({**run.results, "lesson": lesson, "recommendation": advice})
        else:
            self._write(run, advice)

    def _say(self, stage: str) -> None:
        """To the error output: the standard output is the result."""
        if time.monotonic() - self._said_at >= SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            self.stderr.write(self.style.NOTICE(stage))

    def _write(self, run: IsolationComparison, advice: dict[str, Any]) -> None:
        results = run.results
        self.stdout.write(
            f"{run.documents} documents, {results['chunks']} chunks, in {results['seconds']:.0f} s\n"
        )
        self.stdout.write(f"{'':32}{'tenants':>9}{'schema':>12}{'partition':>12}{'shared':>12}")
        for panel in panels(results):
            for place, count in enumerate(panel.counts):
                title = panel.figure.title if place == 0 else ""
                cells = "".join(f"{cells[place].text:>12}" for _, cells in panel.rows)
                self.stdout.write(f"{title:32}{count:>9,}{cells}")
        for lesson in LESSON:
            self.stdout.write(self.style.MIGRATE_HEADING(f"\n{lesson.level.capitalize()}"))
            for name in ("isolation", "operations", "cost", "best_for"):
                self.stdout.write(f"  {name.replace('_', ' '):<11}{getattr(lesson, name)}")
        self.stdout.write(
            f"\nFor {advice['tenants']:,} tenants of {advice['chunks_per_tenant']:,} chunks: "
            + self.style.SUCCESS(advice["level"])
        )
        self.stdout.write(advice["reason"])
        if results["left_tenants"]:
            self.stderr.write(
                self.style.ERROR(
                    f"{results['left_tenants']} temporary tenants could not be removed; "
                    "they are tried again at the next comparison, and every ten minutes."
                )
            )
