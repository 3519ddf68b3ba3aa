from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import CommandError

from ragadmin.management.base import RagadminCommand
from retrieval.services.replay import TIERS, Replay, replay_routing
from tenants.access import tenant_config
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser

LIMITS = ("simple_passages", "simple_words", "moderate_passages")


class Command(RagadminCommand):
    help = (
        "Says what the stored answers of a tenant would have cost with another routing: other limits "
        "of complexity, or other models. Nothing is asked and nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--days", type=int, default=30, help="of the last N days (30)")
        parser.add_argument("--small", default="", help="model of simple and moderate questions")
        parser.add_argument("--large", default="", help="model of complex questions")
        for name in LIMITS:
            parser.add_argument(
                f"--{name.replace('_', '-')}", type=int, help="instead of the setting"
            )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = tenant_config(_find_tenant(options["slug"]))
        asked = {name: options[name] for name in ("days", "small", "large", *LIMITS)}
        result = replay_routing(tenant, **asked)
        if options["json"]:
            self.write_json(result.as_json())
        else:
            self._write_table(result, options["days"])

    def _write_table(self, result: Replay, days: int) -> None:
        self.stdout.write(
            f"{result.questions} answers of a model in {days} days, {result.named} by a model that "
            "the caller named"
        )
        self.stdout.write(f"\n{'':<28}{'before':>14}{'after':>14}")
        before, after = result.before, result.after
        for tier in TIERS:
            self.stdout.write(f"{tier:<28}{before.tiers[tier]:>14}{after.tiers[tier]:>14}")
        for model in sorted({*before.models, *after.models}):
            self.stdout.write(f"{model:<28}{before.models[model]:>14}{after.models[model]:>14}")
        self.stdout.write(f"{'US dollars':<28}{before.total_usd:>14.6f}{after.total_usd:>14.6f}")
        self.stdout.write(
            f"\nDifference over the {result.compared} answers with a known price on both sides: "
            f"{result.difference_usd:+.6f} US dollars"
        )
        for model in sorted({*before.unpriced, *after.unpriced}):
            self.stdout.write(
                self.style.WARNING(
                    f"The price of {model} is not known: set one, or read its share as unknown."
                )
            )


def _find_tenant(slug: str) -> Tenant:
    try:
        return Tenant.objects.get(slug=slug)
    except Tenant.DoesNotExist:
        raise CommandError(f"There is no tenant {slug}.") from None
