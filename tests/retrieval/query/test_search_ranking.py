"""What comes first, and why: meaning and words, rewrites, and when nothing is near enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.providers.embedders import get_embedder
from retrieval.query.request import SearchRequest
from retrieval.query.search import Probe, search
from retrieval.query.search_statement import WORDING_WEIGHT
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.pool import tenant_transaction
from tests.corpora import give_documents
from tests.documents import DOCUMENTS

pytestmark = pytest.mark.usefixtures("loop_resources")
PAGES = {
    "codes.md": (
        "public",
        "# Faults\n\nThe code XK-4471 means that the filter has to be cleaned.\n",
    ),
    "dogs.md": ("public", "# Animals\n\nA puppy should sleep in a warm and quiet corner.\n"),
    "taxes.md": ("public", "# Taxes\n\nThe annual tax return is due at the end of July.\n"),
    "secret.md": ("internal", "# Taxes\n\nThe annual tax return is handed in by Mara, in June.\n"),
}


@pytest.fixture
def reader(tenant):
    give_documents(tenant, DOCUMENTS | PAGES)
    config = replace(tenant_config(tenant), min_similarity=0.0)
    return Caller(config, ("public", "internal"), frozenset({"query"}), "tester")


async def ask(caller, *questions, executed=None, **options):
    vectors = await get_embedder(caller.tenant.embedding_model).embed_questions(questions)
    probes = [Probe(*pair) for pair in zip(questions, vectors, strict=True)]
    embeddings = options.pop("embeddings", False)
    request = SearchRequest(questions[0], **{"top_k": 10, **options})
    async with tenant_transaction(caller.tenant) as connection:
        watched = Watched(connection, executed) if executed is not None else connection
        return await search(watched, caller, request, probes, embeddings=embeddings)


class Watched:
    """Notes what is executed."""

    def __init__(self, connection, executed):
        self.connection, self.executed = connection, executed
        self.corpus_revision = connection.corpus_revision

    async def execute(self, statement, values=None):
        self.executed.append(statement)
        return await self.connection.execute(statement, values)


async def test_a_word_that_only_one_page_has_wins_over_meaning(reader):
    hits = await ask(reader, "XK-4471")
    assert hits[0].path == "codes.md"
    assert hits[0].keyword_place == 1


async def test_what_is_said_in_other_words_is_found_by_meaning(reader):
    best = (await ask(reader, "Where do young canines rest?"))[0]
    assert (best.path, best.vector_place, best.keyword_place) == ("dogs.md", 1, None)


async def test_each_candidate_has_both_scores_whichever_side_found_it(reader):
    question = "When is the tax return due?"
    hybrid, vector = await ask(reader, question), await ask(reader, question, mode="vector")
    words = {hit.chunk_id: hit.score - hit.similarity for hit in hybrid}
    assert max(words.values()) > 0.5 * WORDING_WEIGHT
    assert min(words.values()) >= 0
    assert all(hit.score == pytest.approx(hit.similarity) for hit in vector)
    assert [hit.score for hit in hybrid] == sorted((hit.score for hit in hybrid), reverse=True)


async def test_a_passage_of_another_level_changes_nothing_for_those_who_may_not_read_it(reader):
    public = replace(reader, access_levels=("public",))
    hits = await ask(public, "When is the annual tax return handed in?")
    assert hits[0].path == "taxes.md"
    assert (hits[0].vector_place, hits[0].keyword_place) == (1, 1)
    assert {hit.access_level for hit in hits} == {"public"}


async def test_a_rewrite_finds_what_the_question_does_not(reader):
    vague = "Is there anything that has to be done in summer?"
    alone = await ask(reader, vague, top_k=1)
    helped = await ask(reader, vague, "What does the fault code XK-4471 mean?", top_k=1)
    assert alone[0].path != "codes.md"
    assert helped[0].path == "codes.md"


async def test_the_question_itself_decides_against_one_rewrite_that_went_astray(reader):
    hits = await ask(
        reader, "When is the annual tax return due?", "Which corner is warm?", mode="vector"
    )
    assert hits[0].path in {"taxes.md", "secret.md"}
    assert hits[0].similarity > 0.4


async def test_rewrites_do_not_cost_statements(reader):
    counts = []
    for questions in (["tax"], ["tax", "levy", "duty", "annual return"]):
        executed = []
        await ask(reader, *questions, executed=executed)
        counts.append(len(executed))
    assert counts == [2, 2]


async def test_filters_narrow_every_probe(reader):
    hits = await ask(
        reader, "annual tax return", "warm corner", "XK-4471", filters=(("path_prefix", "dogs"),)
    )
    assert {hit.path for hit in hits} == {"dogs.md"}


async def test_as_many_hits_as_asked_for_beyond_the_usual_candidates(reader):
    hits = await ask(reader, "password session salary tax puppy code", top_k=3)
    assert len(hits) == 3
    assert len(await ask(reader, "password session salary tax puppy code", top_k=50)) == 6


async def test_embeddings_come_only_when_asked_for(reader):
    assert (await ask(reader, "tax"))[0].embedding is None
    found = (await ask(reader, "tax", embeddings=True))[0].embedding
    assert found.shape == (384,)
    assert float(found @ found) == pytest.approx(1, abs=1e-2)


async def test_words_that_nobody_wrote_find_nothing_by_words(reader):
    assert await ask(reader, "zyxgarble qwfpblat", mode="keyword") == []


async def test_nothing_is_found_where_the_best_is_not_near_enough(reader):
    caller = replace(reader, tenant=replace(reader.tenant, min_similarity=0.2))
    assert await ask(caller, "Which planets have rings?") == []
    assert await ask(caller, "How do I prune an apple tree in winter?") == []
    assert (await ask(caller, "When is the tax return due?"))[0].path == "taxes.md"


async def test_a_least_similarity_of_zero_withholds_nothing(reader):
    assert await ask(reader, "Which planets have rings?")
