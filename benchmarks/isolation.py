"""The three levels of isolation side by side, as compare_isolation measures them: at 1, 100 and 1,000
tenants, or at the numbers given (`python -m benchmarks.isolation 1,20`)."""

from __future__ import annotations

import sys
import time

from benchmarks.common import report, temporary_folder
from benchmarks.database import database

NUMBERS = "1,100,1000"
FLEETS = ((20, 5_000), (1_000, 1_000), (100_000, 100))
SAY_EVERY_SECONDS = 10.0


def main() -> None:
    numbers = sys.argv[1] if len(sys.argv) > 1 else NUMBERS
    with temporary_folder() as folder, database(folder):
        from retrieval.comparison.advice import recommend
        from retrieval.comparison.measure import compare
        from retrieval.comparison.plan import Plan, make_plan, parse_counts
        from retrieval.comparison.runs import begin_comparison

        plan = make_plan(Plan().documents, parse_counts(numbers))
        results = compare(begin_comparison(plan), Teller()).results
        advice = {
            f"for {tenants:,} tenants of {chunks:,} chunks": ": ".join(
                recommend(tenants, chunks, results)
            )
            for tenants, chunks in FLEETS
        }
        report("isolation", results["rows"], chunks=results["chunks"],
               documents=plan.documents, seconds=results["seconds"], **advice)  # fmt: skip


class Teller:
    def __init__(self) -> None:
        self._said_at = 0.0

    def __call__(self, stage: str) -> None:
        if time.monotonic() - self._said_at >= SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            print(stage, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
