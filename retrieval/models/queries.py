"""What was asked, what was answered, what is kept to be answered again, and how it was rated."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from pgvector.django import HalfVectorField

from retrieval.models.trace_indexes import OF_LIST
from tenants.tables import EMPTY_LIST, EMPTY_OBJECT, TenantModel


class Conversation(TenantModel):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.BigIntegerField(null=True)
    api_key_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return str(self.id)


class QueryTrace(TenantModel):
    """One question from its arrival to its recorded answer. Written by retrieval.query.record."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, null=True, on_delete=models.SET_NULL)
    user_id = models.BigIntegerField(null=True)
    api_key_id = models.UUIDField(null=True)
    asked_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    access_levels = ArrayField(models.CharField(max_length=40))
    # Asked by simulate_traffic, and by no person or program.
    is_simulated = models.BooleanField(default=False, db_default=False)
    status = models.CharField(max_length=10, choices=Status.choices, db_default=Status.RUNNING)
    error_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    question = models.TextField()
    # What it is found by: retrieval.terms of the question's words, the documents shown and the asker.
    terms = ArrayField(models.IntegerField(), null=True)
    answer = models.TextField(blank=True, default="", db_default="")
    citations = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    hits = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    spans = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    # Passages that came near and were not shown to the model, each with its fate.
    dropped = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    model = models.CharField(max_length=120, blank=True, default="", db_default="")
    tier = models.CharField(max_length=20, blank=True, default="", db_default="")
    route_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    # The messages as the model was sent them: [{"role", "content"}]; null where none was asked.
    prompt = models.JSONField(null=True)
    # A follow-up as a question that stands by itself.
    standalone_question = models.TextField(blank=True, default="", db_default="")
    # Which model was tried and why: retrieval.types.RouteDecision.as_json(); and `asked`.
    route = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # How far the budget was used up: retrieval.query.budget.Step. Empty: no matter.
    budget_step = models.CharField(max_length=20, blank=True, default="", db_default="")
    # "none", "exact", "semantic" or "llm".
    cache = models.CharField(max_length=10, default="none", db_default="none")
    cache_entry_id = models.UUIDField(null=True)
    # Of the two questions, where the cached one was another.
    cache_similarity = models.FloatField(null=True)
    cached_at = models.DateTimeField(null=True)
    # A hit that was answered in full as well: "same", "different" or empty; what was compared.
    shadow_verdict = models.CharField(max_length=10, blank=True, default="", db_default="")
    shadow = models.JSONField(null=True)
    # What was wrong and was done without: "redis", "embedder", "model" or "reranker".
    degraded = ArrayField(models.CharField(max_length=20), default=list, db_default=[])  # pyright: ignore[reportCallIssue]
    # The documents held no answer, and it says so. Somebody decided that none is to be written.
    abstained = models.BooleanField(default=False, db_default=False)
    gap_ignored = models.BooleanField(default=False, db_default=False)
    similarity_avg = models.FloatField(null=True)
    similarity_max = models.FloatField(null=True)
    input_tokens = models.IntegerField(default=0, db_default=0)
    output_tokens = models.IntegerField(default=0, db_default=0)
    # By component, as in the contract; null where the price is unknown, never zero for it.
    cost_usd = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    total_cost_usd = models.DecimalField(max_digits=14, decimal_places=9, null=True)
    # Every call of a paid service with its usage and price: retrieval.types.ModelCall.as_json().
    calls = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    # US dollars by cache, routing and compression, against the same answer without them.
    saved = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    saved_usd = models.DecimalField(max_digits=14, decimal_places=9, null=True)
    # That compression left out of the prompt.
    saved_tokens = models.IntegerField(default=0, db_default=0)
    duration_ms = models.FloatField(null=True)
    first_token_ms = models.FloatField(null=True)
    # Of its Feedback, which writes it; empty: not rated. Here, so that lists need look at one table.
    rating = models.CharField(max_length=4, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            *OF_LIST,
            models.Index(fields=["conversation", "created_at"], name="trace_conversation"),
            models.Index(
                fields=["created_at"],
                name="trace_running",
                condition=models.Q(status="running"),
            ),
            models.Index(
                fields=["tenant_id", "-created_at"],
                include=["shadow_verdict"],
                name="trace_shadowed",
                condition=~models.Q(shadow_verdict=""),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked for beside the question: retrieval.query.request.options_of."""
        return self.route.get("asked", {})

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """Those of the question, as requests take them."""
        return tuple(sorted(self.asked.get("filters", {}).items()))

    if TYPE_CHECKING:
        feedback: Feedback


class CacheEntry(TenantModel):
    """An answer that may be given again for as long as a full run would show the model the same."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # SHA-256 of the question as it is compared, the configuration, and the access levels.
    key = models.CharField(max_length=64)
    question = models.TextField()
    embedding = HalfVectorField()
    # Further wordings that were searched for too (multi-query).
    rewrites = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    # Of all settings that an answer depends on, and of what was asked for with it.
    config_hash = models.CharField(max_length=64)
    # For whom and at which revision of the documents the context was last seen to be the same.
    access_levels = ArrayField(models.CharField(max_length=40))
    corpus_revision = models.BigIntegerField()
    # SHA-256 of the passages that the answer rests on, in order, and the levels they have.
    context_fingerprint = models.CharField(max_length=64)
    context_levels = ArrayField(models.CharField(max_length=40))
    trace_id = models.UUIDField()
    # What is served: retrieval.query.cached_answer.CachedAnswer.as_json().
    answer = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # SHA-256 of pairs of questions of which one was wrongly given the other's answer.
    not_for = ArrayField(models.CharField(max_length=64), default=list, db_default=[])  # pyright: ignore[reportCallIssue]
    evicted_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "key"], name="cache_entry_once")
        ]
        indexes = [
            models.Index(fields=["tenant_id", "config_hash"], name="cache_entry_of_config"),
            models.Index(fields=["tenant_id", "expires_at"], name="cache_entry_expired"),
            models.Index(
                fields=["tenant_id"],
                name="cache_entry_wrong_pairs",
                condition=~models.Q(not_for=[]),
            ),
        ]

    def __str__(self) -> str:
        return self.key[:12]


class Feedback(TenantModel):
    """How an answer was rated, and what came of it."""

    class Rating(models.TextChoices):
        UP = "up"
        DOWN = "down"

    class Status(models.TextChoices):
        OPEN = "open"
        FIXED = "fixed"
        DISMISSED = "dismissed"

    class Diagnosis(models.TextChoices):
        NOT_IN_CORPUS = "not_in_corpus"
        NOT_RETRIEVED = "not_retrieved"
        RANKED_OUT = "ranked_out"
        COMPRESSED_AWAY = "compressed_away"
        IGNORED = "ignored"
        STALE = "stale"
        NOT_PERMITTED = "not_permitted"

    trace = models.OneToOneField(QueryTrace, primary_key=True, on_delete=models.CASCADE)
    rating = models.CharField(max_length=4, choices=Rating.choices)
    reason = models.CharField(max_length=40, blank=True, default="")
    comment = models.TextField(blank=True, default="")
    rated_by = models.CharField(max_length=254, blank=True, default="")
    # Of a thumbs-down: where the answer was lost, found by retrieval.diagnosis. Empty: not looked yet.
    diagnosis = models.CharField(
        max_length=20, choices=Diagnosis.choices, blank=True, default="", db_default=""
    )
    # What it rests on: {"document_id", "chunk_id", "path", "access_level", "evidence", "explanation"}.
    diagnosis_detail = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    diagnosed_at = models.DateTimeField(null=True)
    status = models.CharField(
        max_length=10, choices=Status.choices, default=Status.OPEN, db_default=Status.OPEN
    )
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    # The question is being asked again since then, unless it has a trace by now, or did not come to one.
    asked_again_at = models.DateTimeField(null=True)
    ask_again_error = models.CharField(max_length=300, blank=True, default="", db_default="")
    # The question asked again after a fix, for the person who rated; and when they saw it.
    new_trace_id = models.UUIDField(null=True)
    seen_at = models.DateTimeField(null=True)
    golden_question_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id", "status", "-created_at"],
                name="feedback_to_review",
                condition=models.Q(rating="down"),
            ),
        ]

    def __str__(self) -> str:
        return self.rating

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        traces = QueryTrace.objects.filter(pk=self.pk)
        traces.exclude(rating=self.rating).update(rating=self.rating)
