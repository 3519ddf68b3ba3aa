"""The first questions that the demo tenants are asked, so that a new installation has figures to show."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from ragadmin.errors import RagadminError
from retrieval.demo import HANDBOOK, LOADED, PYTHON_REFERENCE
from retrieval.indexing import queue
from retrieval.models import QueryTrace
from retrieval.simulation.sites import choose_sites
from retrieval.simulation.traffic import Plan, Traffic
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrieval.simulation.traffic import Site

log = structlog.get_logger("ragadmin.simulation")

ASKED = "demo.asked"
SLUGS = (HANDBOOK, PYTHON_REFERENCE)
QUESTIONS = 200
# An installation that has been used for longer has figures of its own.
LATEST = timedelta(days=1)
# Some four minutes, of which a question takes a twentieth of one processor.
RATE = 0.9


def is_wanted() -> bool:
    """Once, in an installation that was just given the demo tenants."""
    since = timezone.now() - LATEST
    events = AuditEvent.objects.filter(action__in=[LOADED, ASKED], at__gte=since)
    return set(events.values_list("action", flat=True)) == {LOADED}


def is_waiting() -> bool:
    """For documents that are still being indexed."""
    return any(queue.waiting(tenant) > 0 for tenant in Tenant.objects.filter(slug__in=SLUGS))


def ask_first_questions(is_stopping: Callable[[], bool]) -> None:
    """Blocks for some minutes. Goes on where a worker that was stopped left off.

    No model is asked: what a newcomer has connected is theirs to pay.
    """
    sites = _sites()
    left = QUESTIONS - sum(_asked(site.tenant) for site in sites)
    if sites and left > 0:
        # Another seed, or a second beginning would ask the same questions once more.
        plan = Plan(left, RATE, without_models=True, seed=f"demo {left}")
        tally = Traffic(sites, plan, is_stopping).run()
        if tally.is_interrupted:
            return
        log.info("demo_questions_asked", questions=tally.asked, errors=tally.errors.total())
    record_event(ASKED, actor="demo", questions=QUESTIONS if sites else 0)


def _sites() -> list[Site]:
    """Of those that are still there."""
    found: list[Site] = []
    for slug in SLUGS:
        if Tenant.objects.filter(slug=slug, status=Tenant.Status.ACTIVE).exists():
            sites, _ = choose_sites(slug, "demo")
            found += sites
    return found


def _asked(tenant: Tenant) -> int:
    try:
        with tenant_context(tenant):
            return QueryTrace.objects.filter(is_simulated=True).count()
    except RagadminError:
        return 0
