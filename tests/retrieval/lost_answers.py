"""Answers that were really given and rated down: documents, questions through the live path, a model."""

from __future__ import annotations

import uuid
from dataclasses import replace
from uuid import UUID

from retrieval.background import run_alone
from retrieval.diagnosis import diagnose
from retrieval.mock_model.server import start_server
from retrieval.models import Feedback
from retrieval.services.feedback import rate_answer
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tests.corpora import give_documents
from tests.documents import DOCUMENTS
from tests.retrieval.query.asking import answered
from tests.retrieval.query.conftest import with_model

MODEL = "mock-0"
BOOKING = (
    "# Booking\n\n"
    "Rooms are booked on the website or by telephone. Groups of more than nine people write to us. "
    "A booking may be cancelled free of charge until two days before arrival. "
    "After that the first night is charged. Breakfast is served from seven. "
    "The lobby was painted green in the spring. Our founder collected paintings of horses. "
    "They hang in the corridor of the second floor. Some of them were shown in museums abroad. "
    "Guests get the prepaid deposit back on their credit card within ten working days.\n"
)
LIBRARY = {
    **DOCUMENTS,
    "hotel/booking.md": ("public", BOOKING),
    "hotel/pets.md": ("public", "# Pets\n\nDogs are welcome in rooms on the ground floor.\n"),
    "hotel/pets-fee.md": ("public", "# Fee for pets\n\nA dog costs nine euros for each night.\n"),
}


def make_library():
    """For tests that only read it. Its name tells it from what other modules make."""
    from tenants.services import create_tenant

    tenant = create_tenant(slug=f"lost-{uuid.uuid4().hex[:10]}")
    give_documents(tenant, LIBRARY)
    return tenant


def caller_of(tenant, *levels, user_id=None, **query):
    """`top_k` is a column, all others are settings of the search."""
    config = tenant_config(tenant)
    columns = {"top_k": query.pop("top_k")} if "top_k" in query else {}
    settings = replace(config.query, **{"llm_cache": False, **query})
    return Caller(
        tenant=replace(config, query=settings, **columns),
        access_levels=levels or ("public", "internal"),
        scopes=frozenset({"query"}),
        label="asker",
        user_id=user_id,
    )


def asked(caller, question, *, times=1, **options) -> UUID:
    """The trace of the (last) answer by the stub model."""

    async def ask():
        server = await start_server("127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            asking = with_model(caller, url, MODEL)
            return [await answered(asking, question, **options) for _ in range(times)][-1]
        finally:
            server.close()

    return UUID(run_alone(ask())["id"])


def rated_down(tenant, trace_id, reason="", comment="", by="asker") -> UUID:
    with tenant_context(tenant):
        rate_answer(trace_id=trace_id, rating="down", reason=reason, comment=comment, rated_by=by)
    return trace_id


def diagnosed(tenant, trace_id, reason="", comment="") -> Feedback:
    rated_down(tenant, trace_id, reason, comment)
    diagnose(tenant, trace_id)
    return feedback_of(tenant, trace_id)


def feedback_of(tenant, trace_id) -> Feedback:
    with tenant_context(tenant):
        return Feedback.objects.get(trace_id=trace_id)
