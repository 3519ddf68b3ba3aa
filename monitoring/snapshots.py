"""Postgres' transaction snapshots as values: what was visible at a moment, whatever the order of commits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

# A ledger row with this number was counted by whoever wrote it: every snapshot sees it.
COUNTED = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """As `pg_snapshot`: all below `least` is visible, nothing from `end` on, nor what was `running`."""

    least: int
    end: int
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        least, end, running = text.split(":")
        return cls(int(least), int(end), tuple(int(each) for each in running.split(",") if each))

    def __str__(self) -> str:
        return f"{self.least}:{self.end}:{','.join(map(str, self.running))}"

    def up_to(self, last: int) -> Snapshot:
        """The same without transactions above `last`."""
        end = min(self.end, last + 1)
        running = self.running[: bisect_left(self.running, end)]
        return Snapshot(min(self.least, end), end, running)


# Nothing is visible but what was counted when it was written.
START = Snapshot(COUNTED + 1, COUNTED + 1)
