"""Whether a full run now would show the model what it saw when a kept answer was made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.query.context import reserve_from
from retrieval.query.retrieve import find_context, search_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.query.context import Context
    from retrieval.query.run import Run
    from retrieval.types import Hit


def fingerprint(hits: Sequence[Hit]) -> str:
    """SHA-256 of the passages in order, as the model reads them, and of who may read them."""
    parts = [
        (hit.chunk_id, hit.document_id, hit.content_hash, hit.path, hit.heading_path,
         hit.access_level, hit.shown or hit.text)
        for hit in hits
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def levels_of(hits: Sequence[Hit]) -> list[str]:
    return sorted({hit.access_level for hit in hits})


async def find_again(
    run: Run, question: str, vector: np.ndarray, rewrites: Sequence[str]
) -> Context | None:
    """What the run's caller would be shown for `question`; None where that cannot be said just now.

    It is the search of an answer itself, whatever is left of the budget, and asks no chat model.
    """
    request, tenant = run.request, run.caller.tenant
    wanted = replace(search_request(run), top_k=request.top_k or tenant.top_k)
    try:
        context = await find_context(
            run.caller, wanted, question, vector, rewrites,
            clock=run.clock, reserve=reserve_from(run),
        )  # fmt: skip
    except ProviderError:
        return None
    run.outcome.calls += context.calls
    return None if context.degraded else context
