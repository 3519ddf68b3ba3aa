from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragadmin.management.base import RagadminCommand
from tenants.compiled import migration_names
from tenants.migrate import CANARIES, JOBS, check_schemas, migrate_schemas
from tenants.models import SchemaVersion

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from tenants.migrate import Outcome
    from tenants.schema_check import SchemaProblem


class Command(RagadminCommand):
    help = (
        "Brings every tenant schema to the newest migration, several at a time. "
        "Exits with 1 if any is not there at the end; run again, it does what is left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit with 1 if any is not right"
        )
        parser.add_argument(
            "--jobs",
            type=_number(1),
            default=JOBS,
            help="how many schemas at a time (%(default)s)",
        )
        parser.add_argument(
            "--canary",
            type=_number(0),
            default=CANARIES,
            help="how many go first; if one of them fails the others are left alone (%(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        if options["check"]:
            self._check(as_json=options["json"])
        else:
            self._migrate(as_json=options["json"], jobs=options["jobs"], canaries=options["canary"])

    def _check(self, *, as_json: bool) -> None:
        problems = check_schemas()
        if as_json:
            self.write_json(
                {"newest": migration_names()[-1], "problems": [asdict(one) for one in problems]}
            )
        else:
            self._print_problems(problems)
        if problems:
            sys.exit(1)

    def _print_problems(self, problems: list[SchemaProblem]) -> None:
        for problem in problems:
            self.stdout.write(f"{problem.schema}: {problem.kind}; {problem}")
        newest, count = migration_names()[-1], SchemaVersion.objects.count()
        if problems:
            self.stdout.write(f"{len(problems)} not right; {count} schemas, newest is {newest}.")
        else:
            self.stdout.write(f"All {count} schemas are at {newest}.")

    def _migrate(self, *, as_json: bool, jobs: int, canaries: int) -> None:
        tell = self.stderr.write if as_json else self.stdout.write
        outcome = migrate_schemas(jobs=jobs, canaries=canaries, tell=tell)
        if as_json:
            self.write_json(asdict(outcome))
        else:
            for line in describe(outcome):
                self.stdout.write(line)
        if outcome.failures:
            sys.exit(1)


def describe(outcome: Outcome) -> list[str]:
    """Failures come last: that is where one looks."""
    lines = []
    if outcome.migrated:
        lines.append(
            f"{len(outcome.migrated)} schemas migrated to {outcome.newest}"
            f" in {outcome.seconds:.1f} s."
        )
    elif not outcome.failures:
        lines.append(f"All {outcome.schemas} schemas are at {outcome.newest}: nothing to do.")
    lines += [f"FAILED {failure.schema}: {failure.reason}" for failure in outcome.failures]
    if outcome.stopped_at_canary:
        lines.append(f"Stopped at the first wave: {outcome.left} schemas were left as they were.")
    elif outcome.failures:
        lines.append(f"{len(outcome.failures)} of {outcome.schemas} failed; the others are done.")
    return lines


def _number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ArgumentTypeError(f"a whole number, at least {least}")
        return int(text)

    return parse
