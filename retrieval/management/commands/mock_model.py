from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from retrieval.mock_model.server import add_arguments, serve

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Runs a paced, deterministic OpenAI-compatible stub for tests, benchmarks and offline demos. "
        "The model's name sets the pace: mock-<ttft_ms>-<tokens>-<delay_ms>."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        serve(options["host"], options["port"])
