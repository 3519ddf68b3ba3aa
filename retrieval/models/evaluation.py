"""Questions whose right answer is known, and how well they were answered each time."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from tenants.tables import EMPTY_LIST, EMPTY_OBJECT, TenantModel


class GoldenQuestion(TenantModel):
    """A question with what is expected of its answer. Of the expectations any may be left empty."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # SHA-256 of the question as it is compared and its levels: none is there twice.
    key = models.CharField(max_length=64)
    question = models.TextField()
    # The caller that it is asked as.
    access_levels = ArrayField(models.CharField(max_length=40))
    # Paths of documents of which one has to be found.
    expected_paths = ArrayField(models.TextField(), default=list, db_default=[])  # pyright: ignore[reportCallIssue]
    expected_answer = models.TextField(blank=True, default="", db_default="")
    # Each has to stand in the answer, whatever its case.
    must_contain = ArrayField(models.TextField(), default=list, db_default=[])  # pyright: ignore[reportCallIssue]
    # The documents hold no answer, and the right thing is to say so.
    must_abstain = models.BooleanField(default=False, db_default=False)
    note = models.TextField(blank=True, default="", db_default="")
    # "hand", "trace", "csv" or "api"; the trace that it was made of.
    origin = models.CharField(max_length=10, default="hand", db_default="hand")
    trace_id = models.UUIDField(null=True)
    is_active = models.BooleanField(default=True, db_default=True)
    created_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    # Nobody could see, edit or delete one with a level that the tenant has no more.
    USES_LEVELS = "Golden questions are asked as"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "key"], name="golden_once")]
        indexes = [models.Index(fields=["tenant_id", "-created_at"], name="golden_newest")]

    def __str__(self) -> str:
        return self.question[:60]


class Evaluation(TenantModel):
    """One run over the golden questions, with the settings in force or with others on trial."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, db_default=Status.QUEUED)
    # "hand", "nightly", "command", "api" or "trial".
    trigger = models.CharField(max_length=10, default="hand", db_default="hand")
    # Settings on trial that differ from those in force; empty: none.
    changes = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # What the figures hold for: models, search settings, embedding model, revision of the documents.
    configuration = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    questions = models.IntegerField(default=0, db_default=0)
    done = models.IntegerField(default=0, db_default=0)
    # hit_rate, mrr, ndcg, answer_match, abstention, cost_usd, p50_latency_ms and so on.
    summary = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # One object a question, in the order they were asked.
    results = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    error = models.CharField(max_length=300, blank=True, default="", db_default="")
    created_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "-created_at"], name="evaluation_newest")]

    def __str__(self) -> str:
        return f"{self.status} {self.created_at:%Y-%m-%d %H:%M}"
