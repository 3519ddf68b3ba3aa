"""A thumbs-down, diagnosed: where on its way from the documents to the page the answer was lost."""

from __future__ import annotations

from retrieval.diagnosis.run import diagnose, diagnose_waiting, mark_waiting

__all__ = ["diagnose", "diagnose_waiting", "mark_waiting"]
