"""Canaries between two runs."""

from __future__ import annotations

from retrieval.canaries.cast import KEY_NAME, assemble
from retrieval.services.documents import delete_document
from tenants.models import ApiKey, Tenant


def test_whole_canaries_are_kept_and_broken_ones_made_anew():
    with assemble() as cast:
        kept, broken = cast.canaries[0], cast.canaries[1]
    old = broken.documents["public"]
    delete_document(tenant=broken.tenant, document_id=old.document_id)
    with assemble() as again:
        words = {each.tenant.slug: each.documents["public"].word for each in again.canaries}
    assert words[kept.tenant.slug] == kept.documents["public"].word
    assert words[broken.tenant.slug] != old.word


def test_visitors_leave_no_key_behind():
    with assemble():
        assert ApiKey.objects.filter(name=KEY_NAME).exists()
    assert not ApiKey.objects.filter(name=KEY_NAME).exists()


def test_a_suspended_canary_is_a_problem_and_the_others_go_on():
    slug = "canary-schema-1"
    with assemble():
        pass  # makes it
    Tenant.objects.filter(slug=slug).update(status="suspended")
    try:
        with assemble() as found:
            assert list(found.problems) == [slug]
            assert len(found.canaries) == 5
    finally:
        Tenant.objects.filter(slug=slug).update(status="active")
