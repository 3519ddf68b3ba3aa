"""One row for each thing that happened to an answer, in the order it was committed: the ledger that all
figures are summed from."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models.functions import Now


class QueryMetric(models.Model):
    """Partitioned by the day of `asked_at`, the time the answer's trace has.

    An answer makes one row when it is completed; a thumb that changes, or a verdict on a cache hit,
    makes a further one that holds only the difference. So sums are right however often that happens,
    and belong to the time of the question. Written by the statements of monitoring.intake.
    """

    class Entry(models.TextChoices):
        ANSWER = "answer"
        RATING = "rating"
        SAMPLE = "sample"
        # Paid for beside the answers, without a trace.
        INDEXING = "indexing"
        EVALUATION = "evaluation"
        LOOKUP = "lookup"
        DIAGNOSIS = "diagnosis"
        CHECK = "check"

    # An imported copy of a tenant has the same answers.
    pk = models.CompositePrimaryKey("tenant_id", "asked_at", "id")
    id = models.UUIDField()
    asked_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    # Of the transaction that wrote it: what a summing up has not seen yet is found by it.
    xid = models.BigIntegerField()
    tenant_id = models.BigIntegerField()
    answer_id = models.UUIDField()
    entry = models.CharField(max_length=10, choices=Entry.choices)
    model = models.CharField(max_length=120)
    cache = models.CharField(max_length=10)
    questions = models.SmallIntegerField(default=0)
    errors = models.SmallIntegerField(default=0)
    cancelled = models.SmallIntegerField(default=0)
    abstained = models.SmallIntegerField(default=0)
    degraded = models.SmallIntegerField(default=0)
    simulated = models.SmallIntegerField(default=0)
    # 1 where the price of some part is unknown: the cost is then what is known of it.
    unpriced = models.SmallIntegerField(default=0)
    passages = models.SmallIntegerField(default=0)
    duration_ms = models.FloatField(null=True)
    first_token_ms = models.FloatField(null=True)
    similarity_avg = models.FloatField(null=True)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    saved_tokens = models.IntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=9, default=Decimal(0))
    saved_cache_usd = models.DecimalField(max_digits=14, decimal_places=9, default=Decimal(0))
    saved_routing_usd = models.DecimalField(max_digits=14, decimal_places=9, default=Decimal(0))
    saved_compression_usd = models.DecimalField(max_digits=14, decimal_places=9, default=Decimal(0))
    up = models.SmallIntegerField(default=0)
    down = models.SmallIntegerField(default=0)
    samples = models.SmallIntegerField(default=0)
    false_hits = models.SmallIntegerField(default=0)
    # As on the trace: kind, provider, model, tokens, price and cost of each paid call.
    calls = models.JSONField(default=list)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"{self.entry} {self.answer_id}"


class RollupState(models.Model):
    """How far the ledger was summed up. One row."""

    # A snapshot as Postgres writes it: everything that is visible in it has been counted.
    snapshot = models.TextField(blank=True, default="")
    # Which database cluster's, as transactions have other numbers in another.
    cluster = models.CharField(max_length=40, blank=True, default="")
    rolled_up_at = models.DateTimeField(null=True)
    metrics = models.BigIntegerField(default=0)
    # Older metrics were dropped, or are going to be.
    kept_from = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"up to {self.rolled_up_at}"
