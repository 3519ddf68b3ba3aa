"""The prompt as sent holds the text of documents: whoever may not read one does not see it."""

from __future__ import annotations

import pytest

from retrieval.models import Document
from tenants.context import tenant_context
from tests.retrieval.pages import citation, hit, make_document, make_trace, sign_in

PROMPT = [
    {"role": "system", "content": "You answer questions."},
    {"role": "user", "content": "The kettle whistles at ninety degrees."},
]
SECRET = "whistles at ninety degrees"


@pytest.fixture
def readers(tenant):
    """An owner, and an admin who may read public documents."""
    return sign_in(tenant), sign_in(tenant, role="admin", levels=["public"])


@pytest.fixture
def see(tenant):
    """Whether the prompt comes out: on the trace's page, in its details, and over the API."""

    def see(browser, trace):
        page = f"/t/{tenant.slug}/traces/{trace.pk}/"
        told = browser.get(
            f"/api/v1/answers/{trace.pk}/", HTTP_X_RAGADMIN_TENANT=tenant.slug
        ).json()
        assert told["prompt"] in (None, PROMPT)
        seen = [
            SECRET in browser.get(page).content.decode(),
            SECRET in str(told),
        ]
        assert SECRET not in browser.get(f"{page}details/").content.decode()
        assert SECRET not in browser.get(f"/t/{tenant.slug}/traces/").content.decode()
        assert len(set(seen)) == 1
        assert told["prompt_withheld"] is not seen[0]
        return seen[0]

    return see


def test_those_who_may_read_its_passages_see_it(tenant, readers, see):
    document = make_document(tenant)
    trace = make_trace(tenant, prompt=PROMPT, hits=[hit(document)], citations=[citation(document)])
    assert [see(reader, trace) for reader in readers] == [True, True]


def test_it_is_withheld_from_who_lacks_the_level_of_a_passage(tenant, readers, see):
    seen, secret = make_document(tenant), make_document(tenant, "s.md", access_level="internal")
    trace = make_trace(tenant, prompt=PROMPT, hits=[hit(seen), hit(secret, 2)])
    assert [see(reader, trace) for reader in readers] == [True, False]


def test_it_is_withheld_once_a_document_is_raised_or_deleted(tenant, readers, see):
    owner, admin = readers
    document = make_document(tenant)
    trace = make_trace(tenant, prompt=PROMPT, hits=[hit(document)])
    with tenant_context(tenant):
        Document.objects.filter(pk=document.pk).update(access_level="internal")
    assert [see(owner, trace), see(admin, trace)] == [True, False]
    with tenant_context(tenant):
        document.delete()
    assert not see(owner, trace)


def test_what_was_said_before_counts_as_what_the_asker_could_read(tenant, readers, see):
    trace = make_trace(
        tenant,
        prompt=PROMPT,
        hits=[hit(make_document(tenant))],
        access_levels=["public", "internal"],
        standalone_question=f"Is it so that it {SECRET}?",
    )
    assert [see(reader, trace) for reader in readers] == [True, False]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cache": "exact"}, "the answer was kept"),
        ({"model": "extractive"}, "quoted from the passages"),
        ({"status": "failed", "error_code": "model_timeout"}, "No model began to answer"),
    ],
)
def test_where_no_model_was_asked_the_page_says_so(tenant, readers, values, words):
    trace = make_trace(tenant, **values)
    page = readers[0].get(f"/t/{tenant.slug}/traces/{trace.pk}/").content.decode()
    assert words in page
