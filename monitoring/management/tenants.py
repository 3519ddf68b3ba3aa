"""What commands over stored answers are told: of whom, and from when to when."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.core.management import CommandError

from tenants.models import Tenant

if TYPE_CHECKING:
    from argparse import ArgumentParser


def add_range(parser: ArgumentParser) -> None:
    parser.add_argument("slug", nargs="?", default="", help="of one tenant; of all if left out")
    for name, words in (("from", "first"), ("to", "last")):
        parser.add_argument(
            f"--{name}",
            dest=f"{name}_date",
            type=date.fromisoformat,
            metavar="DATE",
            help=f"{words} day, in the tenant's time zone",
        )
    parser.add_argument("--json", action="store_true", help="print JSON")


def find_tenants(slug: str) -> list[Tenant]:
    """Raises CommandError."""
    if not slug:
        return list(Tenant.objects.order_by("slug"))
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}.")
    return [tenant]
