"""Who tries the doors, and at what: canary tenants, their secret words, and visitors with real keys."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from retrieval.canaries.calls import Browser, Reply, call_hot, new_client
from retrieval.canaries.corpus import ACCESS_LEVELS, prepare_canaries
from retrieval.canaries.watched import make_watched
from retrieval.query.lifespan import close_all
from tenants.access import caller_of_key
from tenants.config import Caller
from tenants.isolation.runs import LONGEST_RUN
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.pool import open_pool
from tenants.secrets import hash_key
from tenants.services import add_member, create_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.canaries.corpus import Canary

SCOPES = ["query", "ingest", "admin"]
KEY_NAME = "isolation check"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody of one tenant, as an API key and as a browser. `levels` are what they may read."""

    tenant: Tenant
    levels: tuple[str, ...]
    key: str
    key_id: str
    caller: Caller
    member_id: int
    browser: Browser


@dataclass(frozen=True, slots=True)
class Target:
    """What a visitor is after: words that they must never see, and ids that must open nothing.

    `question` is one to which the words are the answer; it does not hold them.
    """

    tenant: Tenant
    words: tuple[str, ...]
    question: str
    ids: Mapping[str, Any]
    document_ids: tuple[str, ...]

    def shown_in(self, text: str) -> bool:
        return any(word in text for word in self.words)


@dataclass(frozen=True, slots=True)
class Attempt:
    visitor: Visitor
    target: Target

    @property
    def is_foreign(self) -> bool:
        return self.visitor.tenant.pk != self.target.tenant.pk


@dataclass
class Cast:
    """Everybody of one run. `problems` are canaries that could not be made, by slug; `kept` is what
    one door has read already."""

    runner: asyncio.Runner
    canaries: list[Canary] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    owners: dict[int, Visitor] = field(default_factory=dict)
    outsiders: dict[int, Visitor] = field(default_factory=dict)
    watched: dict[int, dict[str, str]] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)

    def hot(self, *args: Any, **kwargs: Any) -> Reply:
        return self.runner.run(call_hot(*args, **kwargs))

    def own(self) -> Iterator[Attempt]:
        """Each owner at their own canary: what a door must show, or it proves nothing."""
        for canary in self.canaries:
            yield Attempt(self.owners[canary.tenant.pk], self._target(canary, ACCESS_LEVELS))

    def across(self) -> Iterator[Attempt]:
        """Each owner at every other tenant's canary."""
        for visited in self.canaries:
            for visitor in self.owners.values():
                if visitor.tenant.pk != visited.tenant.pk:
                    yield Attempt(visitor, self._target(visited, ACCESS_LEVELS))

    def across_levels(self) -> Iterator[Attempt]:
        """One attempt for each pair of isolation levels, for doors where the tenants' own difference
        is only the level. By as few visitors as there are levels: what one of them has asked for
        need not be asked for again."""
        seen: set[tuple[str, str]] = set()
        for attempt in sorted(self.across(), key=lambda attempt: attempt.visitor.tenant.pk):
            levels = (attempt.visitor.tenant.isolation, attempt.target.tenant.isolation)
            if levels not in seen:
                seen.add(levels)
                yield attempt

    def within(self) -> Iterator[Attempt]:
        """Somebody of the tenant who may read `public`, at what is `internal`."""
        for canary in self.canaries:
            yield Attempt(self.outsiders[canary.tenant.pk], self._target(canary, ("internal",)))

    def _target(self, canary: Canary, levels: tuple[str, ...]) -> Target:
        owner = self.owners[canary.tenant.pk]
        documents = [canary.documents[level] for level in levels]
        source = canary.sources[levels[0]]
        ids = {
            "slug": canary.tenant.slug,
            "document_id": documents[0].document_id,
            "source_id": source.source_id,
            "run_id": source.run_id,
            "question_id": canary.golden[levels[0]],
            "evaluation_id": canary.golden["evaluation"],
            "answer_id": canary.trace_id,
            "trace_id": canary.trace_id,
            "conversation_id": canary.conversation_id,
            "member_id": owner.member_id,
            "key_id": owner.key_id,
            **self.watched[canary.tenant.pk],
        }
        return Target(
            tenant=canary.tenant,
            words=tuple(document.word for document in documents),
            question=documents[-1].question,
            ids=ids,
            document_ids=tuple(document.document_id for document in documents),
        )


@contextmanager
def assemble() -> Iterator[Cast]:
    """Makes or renews the canaries and lets their visitors in; shuts the visitors out afterwards."""
    with asyncio.Runner() as runner:
        cast = Cast(runner)
        _drop_old_keys()
        try:
            runner.run(_open())
            cast.canaries, cast.problems = prepare_canaries(runner)
            for canary in cast.canaries:
                cast.owners[canary.tenant.pk] = _visitor(canary.tenant, "owner", ACCESS_LEVELS)
                cast.outsiders[canary.tenant.pk] = _visitor(canary.tenant, "admin", ("public",))
                word = canary.documents[ACCESS_LEVELS[0]].word
                cast.watched[canary.tenant.pk] = make_watched(canary.tenant, word)
            yield cast
        finally:
            runner.run(close_all())
            for visitor in (*cast.owners.values(), *cast.outsiders.values()):
                visitor.browser.close()
                ApiKey.objects.filter(pk=visitor.key_id).delete()


def _drop_old_keys() -> None:
    """Of a run whose process was killed."""
    keys = ApiKey.objects.filter(name=KEY_NAME, tenant__slug__startswith=Tenant.CANARY_PREFIX)
    keys.filter(created_at__lt=timezone.now() - LONGEST_RUN).delete()


async def _open() -> None:
    await open_pool(size=2)


def _visitor(tenant: Tenant, role: str, levels: tuple[str, ...]) -> Visitor:
    member = _member(tenant, role, levels)
    key = f"rag-{secrets.token_urlsafe(32)}"
    # Not through create_api_key: keys that live for a run are no event for the audit trail.
    row = ApiKey.objects.create(
        tenant=tenant,
        name=KEY_NAME,
        prefix=key[:12],
        key_hash=hash_key(key),
        scopes=SCOPES,
        access_levels=list(levels),
    )
    caller = caller_of_key(row)
    assert isinstance(caller, Caller)
    browser = Browser(new_client())
    browser.client.force_login(member.user)
    return Visitor(tenant, levels, key, str(row.pk), caller, member.pk, browser)


def _member(tenant: Tenant, role: str, levels: tuple[str, ...]) -> Membership:
    """A person without a password: nobody can sign in as one."""
    email = f"{role}@{tenant.slug}.invalid"
    user = User.objects.filter(email=email).first() or create_user(email=email, password=None)
    known = Membership.objects.filter(tenant=tenant, user=user, role=role).first()
    if known and known.access_levels == list(levels):
        return known
    return add_member(tenant=tenant, user=user, role=role, access_levels=levels)
