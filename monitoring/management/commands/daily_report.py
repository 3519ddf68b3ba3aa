from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import CommandError
from django.utils import timezone

from monitoring.reports import fleet
from monitoring.reports.days import read_day
from monitoring.reports.figures import figures_began_at, read_report
from monitoring.reports.message import text_of
from ragadmin.management.base import RagadminCommand
from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = (
        "The quality report of one day: of a tenant in its own time zone, or of all in UTC. Numbers "
        "only; the questions are on the tenant's page."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--date", default="", help="such as 2026-03-01; yesterday if left out")
        parser.add_argument("--tenant", metavar="SLUG", help="the tenant; all of them if left out")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        tenant = _find_tenant(options["tenant"]) if options["tenant"] else None
        now = timezone.now()
        began_at = figures_began_at(tenant, now)
        day = read_day(options["date"], tenant, began_at=began_at, now=now)
        figures = read_report(day, now=now).as_json()
        if tenant is None:
            figures["extra"] |= fleet.of_tenants(day, now=now)
        if options["json"]:
            self.write_json(figures)
        else:
            self.stdout.write(text_of(figures, tenant.name if tenant else "all tenants"))


def _find_tenant(slug: str) -> Tenant:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}.")
    return tenant
