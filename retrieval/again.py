"""A question asked again after a fix, as whoever asked it: on the live path, as a new trace of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from ragadmin.errors import RagadminError
from retrieval.background import run_alone
from retrieval.events import AnswerDone, AnswerFailed
from retrieval.models import Feedback
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from tenants.access import still_existing, tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.models import ApiKey, Membership, User

if TYPE_CHECKING:
    from retrieval.models import QueryTrace
    from tenants.models import Tenant

log = structlog.get_logger("ragadmin.again")

BROKE_OFF = "It could not be asked again: something went wrong on our side."


def ask_again(tenant: Tenant, trace_id: UUID) -> UUID | None:
    """The new trace, which is linked with the rating; None where it was not rated, or no answer came.
    Why not stands beside the rating."""
    with tenant_context(tenant):
        feedback = Feedback.objects.select_related("trace").filter(trace_id=trace_id).first()
    if feedback is None:
        return None
    trace, new_id, problem = feedback.trace, None, BROKE_OFF
    try:
        new_id = run_alone(_ask(_caller(tenant, trace), _request(trace)))
        problem = ""
    except RagadminError as error:
        problem = error.message
        log.warning("not_asked_again", tenant=tenant.slug, reason=error.code)
    finally:
        with tenant_context(tenant):
            same = Feedback.objects.filter(trace_id=trace_id, updated_at=feedback.updated_at)
            same.update(new_trace_id=new_id, ask_again_error=problem[:300], seen_at=None)
    return new_id


async def _ask(caller: Caller, request: AnswerRequest) -> UUID:
    """Raises RagadminError."""
    async for event in answer(caller, request):
        if isinstance(event, AnswerFailed):
            raise event.error
        if isinstance(event, AnswerDone):
            return UUID(event.answer["id"])
    raise RagadminError(BROKE_OFF)


def _request(trace: QueryTrace) -> AnswerRequest:
    """A follow-up in the words that stand by themselves: the conversation went on meanwhile. Among the
    same documents, and by whatever model answers today."""
    return AnswerRequest(
        trace.standalone_question or trace.question,
        top_k=trace.asked.get("top_k"),
        filters=trace.filters,
        use_cache=False,
    )


def _caller(tenant: Tenant, trace: QueryTrace) -> Caller:
    return Caller(
        tenant=tenant_config(tenant),
        access_levels=levels_today(tenant, trace),
        scopes=frozenset({"query"}),
        label=trace.asked_by,
        user_id=trace.user_id,
        api_key_id=str(trace.api_key_id) if trace.api_key_id else None,
        is_simulated=trace.is_simulated,
    )


def levels_today(tenant: Tenant, trace: QueryTrace) -> tuple[str, ...]:
    """Of the one who asked: what they may read now, or could then if they are gone."""
    if trace.user_id is not None:
        member = Membership.objects.filter(tenant=tenant, user_id=trace.user_id).first()
        if member:
            return still_existing(member.access_levels, tenant)
        if User.objects.filter(pk=trace.user_id, is_operator=True).exists():
            return tuple(tenant.access_levels)
    if trace.api_key_id is not None:
        key = ApiKey.objects.filter(pk=trace.api_key_id, tenant=tenant, revoked_at=None).first()
        if key:
            return still_existing(key.access_levels, tenant)
    return still_existing(trace.access_levels, tenant)
