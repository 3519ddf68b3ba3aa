"""Hits shown with what stands around them in their document."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.query.embed import embed_question
from retrieval.query.neighbours import with_neighbours
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find_context
from retrieval.types import Hit
from tenants.pool import tenant_transaction
from tests.corpora import give_documents

pytestmark = pytest.mark.usefixtures("loop_resources")

PARTS = ["apples", "bridges", "candles", "deserts", "engines", "ferries"]
ALL_CHUNKS = """
SELECT c.id, document_id::text, ordinal, text, c.access_level
FROM retrieval_chunk c JOIN retrieval_document d ON d.id = document_id
WHERE path = 'parts.md' ORDER BY ordinal
"""


def page(words):
    paragraphs = (
        f"# About {word}\n\n" + " ".join(f"This is sentence {n} about {word}." for n in range(20))
        for word in words
    )
    return "\n\n".join(paragraphs) + "\n"


@pytest.fixture
def corpus(tenant):
    tenant.chunk_tokens = 200
    tenant.save()
    give_documents(
        tenant,
        {
            "parts.md": ("public", page(PARTS)),
            "other.md": ("public", page(["gardens", "harbours", "islands"])),
        },
    )
    return tenant


async def chunks_of(caller):
    async with tenant_transaction(caller.tenant) as connection:
        rows = await (await connection.execute(ALL_CHUNKS)).fetchall()
    return [
        Hit(
            chunk_id=row["id"],
            document_id=row["document_id"],
            path="parts.md",
            heading_path="",
            text=row["text"],
            score=1.0,
            similarity=0.5,
            access_level=row["access_level"],
            rank=0,
            ordinal=row["ordinal"],
        )
        for row in rows
    ]


def parts_in(hit):
    return [word for word in PARTS if word in (hit.shown or hit.text)]


@pytest.mark.parametrize(
    ("chosen", "reach", "shown"),
    [
        ([2], 1, [["bridges", "candles", "deserts"]]),
        ([2], 2, [["apples", "bridges", "candles", "deserts", "engines"]]),
        ([0], 1, [["apples", "bridges"]]),
        ([5], 3, [["candles", "deserts", "engines", "ferries"]]),
        ([2, 4], 1, [["bridges", "candles", "deserts"], ["engines", "ferries"]]),
        ([3, 2], 1, [["deserts", "engines"], ["bridges", "candles"]]),
        ([1, 4], 3, [["apples", "bridges", "candles", "deserts"], ["engines", "ferries"]]),
    ],
)
async def test_each_text_is_shown_once_and_with_the_better_hit(caller, chosen, reach, shown):
    chunks = await chunks_of(caller)
    assert [parts_in(chunk) for chunk in chunks] == [[word] for word in PARTS]
    hits = await with_neighbours(caller, [chunks[n] for n in chosen], reach)
    assert [parts_in(hit) for hit in hits] == shown
    assert [hit.text for hit in hits] == [chunks[n].text for n in chosen]


async def test_neighbours_are_in_the_order_of_the_document(caller):
    chunks = await chunks_of(caller)
    (hit,) = await with_neighbours(caller, [chunks[2]], 1)
    assert hit.shown == "\n\n".join(chunk.text for chunk in chunks[1:4])


async def test_a_neighbour_above_the_callers_level_is_not_shown(caller):
    chunks = await chunks_of(caller)
    async with tenant_transaction(caller.tenant) as connection:
        await connection.execute(
            "UPDATE retrieval_chunk SET access_level = 'internal' WHERE ordinal = 3"
        )
    outsider = replace(caller, access_levels=("public",))
    (inside,) = await with_neighbours(caller, [chunks[2]], 2)
    (outside,) = await with_neighbours(outsider, [chunks[2]], 2)
    assert parts_in(inside) == PARTS[:5]
    assert parts_in(outside) == PARTS[:3], "nor what stands behind it, which would leave a hole"


async def test_another_documents_chunks_are_no_neighbours(caller):
    chunks = await chunks_of(caller)
    (hit,) = await with_neighbours(caller, [chunks[1]], 3)
    assert "gardens" not in hit.shown
    assert "harbours" not in hit.shown


async def test_a_search_shows_neighbours_where_the_tenant_wants_them(caller):
    query = replace(caller.tenant.query, neighbours=1)
    tenant = replace(caller.tenant, query=query, min_similarity=0.0)
    question = "What is there to say about candles?"
    vector = await embed_question(caller, question)
    asking = replace(caller, tenant=tenant)
    context = await find_context(asking, SearchRequest(question, top_k=1), question, vector)
    assert parts_in(context.hits[0]) == ["bridges", "candles", "deserts"]
    assert "bridges" not in context.hits[0].text


async def test_neighbours_of_no_hits_are_none(caller):
    assert await with_neighbours(caller, [], 2) == []
