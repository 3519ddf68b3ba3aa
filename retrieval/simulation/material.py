"""What questions are made from: passages of a tenant's documents, and topics found in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.models import Document
from retrieval.selectors import searched_chunks
from retrieval.simulation.topics import Passage, topics_of
from retrieval.terms import QUESTION_TERMS, term_counts
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.simulation.topics import Topic
    from tenants.context import TenantLike

# Enough for some hundreds of different questions, and read in milliseconds however many there are.
MOST_DOCUMENTS = 120
PASSAGES_A_DOCUMENT = 10
# Of a question's own words; with fewer known ones it is about something else.
KNOWN_SHARE = 0.5
ELSEWHERE = (
    "What is the capital of Australia?",
    "How tall is Mont Blanc?",
    "Who painted the Mona Lisa?",
    "What should I cook for dinner tonight?",
    "How many moons does Jupiter have?",
    "When does the next train to Lisbon leave?",
    "Who won the football final last summer?",
    "What is the boiling point of ethanol?",
    "How do I prune an apple tree?",
    "Which vaccines do I need for Kenya?",
    "What is the exchange rate of the Swiss franc?",
    "How long does a sourdough loaf bake?",
    "Can you recommend a novel about sailing?",
    "How do I remove a wine stain from a carpet?",
    "Will it rain in Oslo tomorrow?",
    "What does a violin teacher charge?",
)


@dataclass(frozen=True, slots=True)
class Material:
    """Of one tenant. `elsewhere` are questions that its documents say nothing about."""

    topics: tuple[Topic, ...]
    elsewhere: tuple[str, ...]


def read_material(tenant: TenantLike) -> Material:
    """Raises SchemaMissing or TenantGone."""
    with tenant_context(tenant):
        return make_material(_read_passages())


def make_material(passages: Sequence[Passage]) -> Material:
    """Without a passage there is nothing to ask about, elsewhere neither."""
    counts = [term_counts(passage.text) for passage in passages]
    documents = Counter(term for count in counts for term in count)
    elsewhere = [question for question in ELSEWHERE if _is_elsewhere(question, documents)]
    topics = dict.fromkeys(topic for passage in passages for topic in topics_of(passage))
    return Material(tuple(topics), tuple(elsewhere) if topics else ())


def _is_elsewhere(question: str, known: Counter[int]) -> bool:
    own = set(term_counts(question)) - QUESTION_TERMS
    return sum(term in known for term in own) < KNOWN_SHARE * len(own)


def _read_passages() -> list[Passage]:
    """Of the tenant in force: the beginnings of any documents, always the same ones."""
    ready = Document.objects.filter(status=Document.Status.READY, chunk_count__gt=0)
    documents = {
        document.id: document.title or document.path.rsplit("/", 1)[-1]
        for document in ready.order_by("id").only("id", "title", "path")[:MOST_DOCUMENTS]
    }
    rows = searched_chunks().filter(document__in=documents, ordinal__lt=PASSAGES_A_DOCUMENT)
    return list(_passages(rows.order_by("document_id", "ordinal").values_list(
        "document_id", "heading_path", "text", "access_level"
    ), documents))  # fmt: skip


def _passages(rows: Iterable[tuple], subjects: dict) -> Iterable[Passage]:
    for document_id, heading_path, text, access_level in rows:
        yield Passage(subjects[document_id], heading_path, text, access_level)
