from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ragadmin.management.base import RagadminCommand
from retrieval.canaries.run import check_isolation

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from tenants.models import IsolationRun

MARKS = {"ok": "ok   ", "leak": "LEAK ", "error": "ERROR"}


class Command(RagadminCommand):
    help = (
        "Tries every door from one canary tenant into another, and prints what it found; "
        "exit 1 on any leak, and on any door that could not be tried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        run = check_isolation()
        if options["json"]:
            self.write_json(_as_json(run))
        else:
            self._write_table(run)
        if run.leaks or run.errors:
            sys.exit(1)

    def _write_table(self, run: IsolationRun) -> None:
        section = ""
        for row in run.results:
            if row["section"] != section:
                section = row["section"]
                self.stdout.write(f"\n{section}")
            self._write_row(row)
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0
        result = f"{run.leaks} leaks, {run.errors} errors" if run.leaks or run.errors else "all ok"
        style = self.style.ERROR if run.leaks or run.errors else self.style.SUCCESS
        self.stdout.write(style(f"\n{run.probes} probes in {seconds:.1f} s: {result}"))

    def _write_row(self, row: dict[str, Any]) -> None:
        notes = [note for cell in row["cells"] for note in cell["notes"]]
        statuses = {note["status"] for note in notes}
        worst = next((name for name in ("leak", "error") if name in statuses), "ok")
        style = self.style.SUCCESS if worst == "ok" else self.style.ERROR
        tried = sum(note["tried"] for note in notes)
        self.stdout.write(f"  {style(MARKS[worst])}  {row['title']:<56} {tried:>6}")
        for note in [note for note in notes if note["status"] != "ok"][:3]:
            who = f"{note['visitor']} at {note['target']}: " if note["visitor"] else ""
            self.stdout.write(f"           {who}{note['detail']}")


def _as_json(run: IsolationRun) -> dict[str, Any]:
    return {
        "ok": not (run.leaks or run.errors),
        "run": run.pk,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "probes": run.probes,
        "leaks": run.leaks,
        "errors": run.errors,
        "doors": run.results,
    }
