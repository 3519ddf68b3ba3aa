"""A tenant with real answers, made once for all tests of a module; roll up to see them in the figures."""

from __future__ import annotations

from uuid import UUID

import pytest

from retrieval.services.feedback import rate_answer
from tenants.context import tenant_context
from tests.monitoring.alerting import own_rules
from tests.monitoring.asking import QUESTIONS, ask_all, make_tenant


def rate(tenant, answer, rating, reason=""):
    with tenant_context(tenant):
        rate_answer(trace_id=UUID(answer["id"]), rating=rating, reason=reason, rated_by="tester")


@pytest.fixture(scope="module")
def answered(django_db_setup, django_db_blocker):
    """Four questions answered by the stub model, the first once more out of the cache; one thumb up,
    one down. Two hours from UTC, so that its days are not the fleet's."""
    with django_db_blocker.unblock():
        tenant = make_tenant("Europe/Berlin")
        answers = ask_all(tenant, (*QUESTIONS, QUESTIONS[0]))
        rate(tenant, answers[0], "up")
        rate(tenant, answers[1], "down", "wrong")
    return tenant


@pytest.fixture
def no_other_rules():
    """Those that installations begin with are put aside."""
    with own_rules():
        yield
