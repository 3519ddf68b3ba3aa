"""The tenant schema: everything a customer wrote or was told.

No table refers to a public one: people and keys are plain ids, so that a schema can move to
another node. Rows belong to the tenant in force by the database's own default.
"""

from __future__ import annotations

from retrieval.models.documents import LISTED_BY, Chunk, Document, TermFrequency
from retrieval.models.evaluation import Evaluation, GoldenQuestion
from retrieval.models.queries import CacheEntry, Conversation, Feedback, QueryTrace
from retrieval.models.sources import Source, SyncError, SyncRun

__all__ = [
    "LISTED_BY",
    "CacheEntry",
    "Chunk",
    "Conversation",
    "Document",
    "Evaluation",
    "Feedback",
    "GoldenQuestion",
    "QueryTrace",
    "Source",
    "SyncError",
    "SyncRun",
    "TermFrequency",
]
