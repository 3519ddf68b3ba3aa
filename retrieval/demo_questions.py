"""Golden questions of the demo tenant that holds the Python language reference: a newcomer's first
evaluation has something to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragadmin.errors import Conflict
from retrieval.services.golden import add_golden_question
from retrieval.services.golden_nights import set_nights
from tenants.context import tenant_context

if TYPE_CHECKING:
    from tenants.models import Tenant

# Question, the document that answers it, and what has to stand in the answer.
ANSWERABLE = (
    ("What does the assert statement do?", "statements/assert.md", "assert"),
    ("Which names does the global statement declare?", "statements/global.md", "global"),
    ("When is the else clause of a for loop executed?", "statements/for.md", ""),
    ("What does a lambda expression yield?", "expressions/lambda.md", "function"),
    ("How is the power operator written?", "expressions/power.md", "**"),
    ("What is the truth value of an empty sequence?", "expressions/truth.md", "false"),
    ("Which methods does a context manager have?", "data-model/context-managers.md", "__enter__"),
    ("How is a field aligned in a format string?", "types/formatstrings.md", ""),
)
UNANSWERABLE = (
    "Which vaccinations does a traveller to Kenya need?",
    "How long does sourdough bread have to rise?",
)
MADE_BY = "demo"


def add_demo_questions(tenant: Tenant) -> None:
    """Safe to repeat. They are not asked at night: a model that costs money may be connected."""
    with tenant_context(tenant):
        for question, path, text in ANSWERABLE:
            expected = {"expected_paths": [path], "must_contain": [text] if text else []}
            _add(tenant, question, **expected)
        for question in UNANSWERABLE:
            _add(tenant, question, must_abstain=True)
        set_nights(is_on=False, actor=None)


def _add(tenant: Tenant, question: str, **expected: object) -> None:
    try:
        add_golden_question(
            question=question,
            access_levels=tenant.access_levels,
            created_by=MADE_BY,
            **expected,  # pyright: ignore[reportArgumentType]
        )
    except Conflict:
        return  # of a load that was cut short
