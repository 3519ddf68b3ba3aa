from __future__ import annotations

import math
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from ragadmin.management.base import RagadminCommand
from retrieval.simulation.sites import choose_sites
from retrieval.simulation.traffic import Plan, Traffic

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from retrieval.simulation.tally import Tally

HIGHEST_RATE = 1_000.0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError("a whole number from 1")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= HIGHEST_RATE:
        raise ArgumentTypeError(f"a number above 0 and up to {HIGHEST_RATE:g}")
    return rate


class Command(RagadminCommand):
    help = (
        "Asks questions made from the tenants' own documents through the live path, and rates the "
        "answers, so that there is something to see and to measure. Everything is marked as demo "
        "traffic. Budgets and rate limits apply; a model that is configured is asked and has its price."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", nargs="?", help="the tenant; all of them if left out")
        parser.add_argument("--questions", type=_count, default=100, help="how many (100)")
        parser.add_argument("--rate", type=_rate, default=5.0, help="questions a second (5)")
        parser.add_argument(
            "--even", action="store_true", help="at even distances instead of by chance (Poisson)"
        )
        parser.add_argument("--model", default="auto", help="as in POST /api/v1/answers/ (auto)")
        parser.add_argument("--seed", type=int, default=0, help="other questions (0)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        sites, skipped = choose_sites(options["slug"], options["seed"])
        if not options["json"]:
            for slug, reason in skipped.items():
                self.stdout.write(self.style.WARNING(f"{slug} is left out: {reason}"))
        plan = Plan(
            options["questions"],
            options["rate"],
            is_even=options["even"],
            model=options["model"],
            seed=options["seed"],
        )
        tally = Traffic(sites, plan).run()
        tally.skipped = skipped
        if options["json"]:
            self.write_json(tally.as_json())
        elif sites:
            self._report(tally)
        elif not skipped:
            self.stdout.write("There is no tenant to ask.")
        if tally.asked and not tally.answered and not tally.is_interrupted:
            raise SystemExit(1)

    def _report(self, tally: Tally) -> None:
        end = "stopped early: " if tally.is_interrupted else ""
        kinds = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in tally.kinds.items()
        )
        self._line("asked", f"{end}{tally.asked} ({kinds})")
        without = f"{tally.abstained} found nothing in the documents"
        self._line("answered", f"{tally.answered}, of which {without}")
        hits = ", ".join(f"{tally.caches[layer]} {layer}" for layer in ("exact", "semantic", "llm"))
        self._line("from the cache", hits)
        self._line("rated", f"{tally.ratings['up']} up, {tally.ratings['down']} down")
        self._line("duration", f"p50 {_ms(tally.duration(0.5))}, p95 {_ms(tally.duration(0.95))}")
        unknown = f" and {tally.unpriced} answers of unknown price" if tally.unpriced else ""
        self._line("cost", f"${tally.cost_usd:,.6f}{unknown}")
        for what, codes in (("refused", tally.refused), ("errors", tally.errors)):
            if codes:
                found = ", ".join(f"{count} {code}" for code, count in codes.items())
                self._line(what, self.style.WARNING(found))

    def _line(self, name: str, value: str) -> None:
        self.stdout.write(f"{name:<16}{value}")


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
