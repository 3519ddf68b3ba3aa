from __future__ import annotations

from typing import Any

from ragadmin.management.base import RagadminCommand
from ragadmin.schedules import SCHEDULES, setup_schedules


class Command(RagadminCommand):
    help = "Enters what happens by the clock into the database, from where beat reads it."

    def handle(self, **options: Any) -> None:
        setup_schedules()
        for schedule in SCHEDULES:
            self.stdout.write(f"{schedule.name}: every {schedule.every_seconds} s")
