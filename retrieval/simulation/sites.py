"""Whose readers ask: one tenant, or several of which the first is by far the busiest."""

from __future__ import annotations

from random import Random

from ragadmin.errors import NotFound, RagadminError
from retrieval.simulation.material import read_material
from retrieval.simulation.questions import ZIPF, QuestionMaker
from retrieval.simulation.traffic import Site
from tenants.models import Tenant

# Of thousands of tenants; the next would get one question in two hundred.
MOST_TENANTS = 50
NOTHING_TO_ASK = "it has no documents to ask about"
SUSPENDED = "it is suspended"


def choose_sites(slug: str | None, seed: int | str) -> tuple[list[Site], dict[str, str]]:
    """With those that were left out, and why. Raises NotFound."""
    sites: list[Site] = []
    skipped: dict[str, str] = {}
    for tenant in _tenants(slug, seed):
        if tenant.status == Tenant.Status.SUSPENDED:
            skipped[tenant.slug] = SUSPENDED
            continue
        try:
            maker = _maker(tenant, seed)
        except RagadminError as error:
            skipped[tenant.slug] = error.message
            continue
        if maker is None:
            skipped[tenant.slug] = NOTHING_TO_ASK
        else:
            sites.append(Site(tenant, maker, 1 / (len(sites) + 1) ** ZIPF))
    return sites, skipped


def _tenants(slug: str | None, seed: int | str) -> list[Tenant]:
    if slug is not None:
        tenant = Tenant.objects.customers().filter(slug=slug).first()
        if tenant is None:
            raise NotFound(f"There is no tenant {slug!r}.")
        return [tenant]
    active = list(Tenant.objects.customers().filter(status=Tenant.Status.ACTIVE).order_by("id"))
    return Random(f"tenants {seed}").sample(active, min(len(active), MOST_TENANTS))  # noqa: S311


def _maker(tenant: Tenant, seed: int | str) -> QuestionMaker | None:
    """None where nobody has anything to ask about."""
    random = Random(f"questions {seed} {tenant.slug}")  # noqa: S311
    maker = QuestionMaker(read_material(tenant), tenant.access_levels, random)
    return maker if maker.has_topics else None
