from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragadmin.health import Check, run_checks
from ragadmin.management.base import RagadminCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = (
        "Says of every service whether it works, and what breaks without it; exit 1 if one is down."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        checks = run_checks()
        is_well = all(check.ok for check in checks)
        if options["json"]:
            self.write_json({"ok": is_well, "checks": [asdict(check) for check in checks]})
        else:
            for check in checks:
                self._write_line(check)
        if not is_well:
            sys.exit(1)

    def _write_line(self, check: Check) -> None:
        mark = self.style.SUCCESS("ok  ") if check.ok else self.style.ERROR("DOWN")
        self.stdout.write(f"{mark}  {check.name:<16} {check.detail}")
        if not check.ok:
            self.stdout.write(f"{'':<22} Without it: {check.breaks}")
