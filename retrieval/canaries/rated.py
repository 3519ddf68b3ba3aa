"""A canary's answer as one that was rated down, diagnosed by the name of an internal document, and
corrected: whatever pages show of that is tried too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from retrieval.models import Feedback

if TYPE_CHECKING:
    from tenants.models import Tenant


def rate_down(tenant: Tenant, trace_id: str, word: str, document_id: str, level: str) -> None:
    """Not through rate_answer, which would take the answer out of the cache. With the tenant in force."""
    path = f"{word}.md"
    Feedback.objects.update_or_create(
        trace_id=trace_id,
        defaults={
            "rating": Feedback.Rating.DOWN,
            "rated_by": f"owner@{tenant.slug}.invalid",
            "diagnosis": Feedback.Diagnosis.IGNORED,
            "diagnosis_detail": {
                "document_id": document_id,
                "path": path,
                "access_level": level,
                "explanation": f"The model was shown “{path}” and did not answer from it.",
                "fix": f"Read “{path}”.",
            },
            "diagnosed_at": timezone.now(),
            "status": Feedback.Status.FIXED,
            "new_trace_id": trace_id,
        },
    )
