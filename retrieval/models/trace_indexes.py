"""Indexes for the list of traces under any one filter (benchmarks/trace_list.py).

What is seldom has small indexes of its own; what is common is found among the newest. Row-level security
lets an index be used through operators that leak nothing only: see tenants.schema.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models

OF_LIST = [
    models.Index(
        fields=[
            "tenant_id",
            "-created_at",
            "duration_ms",
            "similarity_avg",
            "total_cost_usd",
        ],
        name="trace_newest",
    ),
    models.Index(
        fields=["tenant_id", "user_id", "-created_at"],
        name="trace_of_user",
        condition=models.Q(user_id__isnull=False),
    ),
    models.Index(
        fields=["tenant_id", "api_key_id", "-created_at"],
        name="trace_of_key",
        condition=models.Q(api_key_id__isnull=False),
    ),
    models.Index(
        fields=["tenant_id", "model", "-created_at"],
        name="trace_of_model",
        condition=~models.Q(model=""),
    ),
    models.Index(
        fields=["tenant_id", "cache", "-created_at"],
        name="trace_cached",
        condition=~models.Q(cache="none"),
    ),
    models.Index(
        fields=["tenant_id", "duration_ms"],
        name="trace_latency",
        condition=models.Q(duration_ms__isnull=False),
    ),
    models.Index(
        fields=["tenant_id", "total_cost_usd"],
        name="trace_cost",
        condition=models.Q(total_cost_usd__isnull=False),
    ),
    models.Index(
        fields=["tenant_id", "similarity_avg"],
        name="trace_similarity",
        condition=models.Q(similarity_avg__isnull=False),
    ),
    models.Index(
        fields=[
            "tenant_id",
            "-created_at",
            "status",
            "error_code",
            "rating",
            "abstained",
            "is_simulated",
        ],
        name="trace_remarkable",
        condition=models.Q(status__in=["failed", "cancelled"])
        | ~models.Q(rating="")
        | models.Q(abstained=True)
        | models.Q(is_simulated=True),
    ),
    models.Index(
        fields=["tenant_id", "-created_at"],
        name="trace_degraded",
        condition=~models.Q(degraded=[]),
    ),
    GinIndex(
        fields=["terms"],
        name="trace_terms",
        condition=models.Q(terms__isnull=False),
        fastupdate=False,
    ),
]
