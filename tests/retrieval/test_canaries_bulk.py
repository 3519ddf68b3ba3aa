"""Ids in bodies: refused as they should be, and found out when they are not."""

from __future__ import annotations

from retrieval.canaries.bulk_doors import change_many_by_api, change_many_by_page
from retrieval.canaries.cast import assemble
from retrieval.models import Document
from retrieval.services import bulk


def test_ids_in_bodies_open_nothing_and_a_planted_fault_is_found(monkeypatch):
    with assemble() as cast:
        assert cast.problems == {}
        foreign, within = list(cast.across_levels()), list(cast.within())
        targets = {attempt.target.tenant.pk for attempt in foreign}
        assert targets == {canary.tenant.pk for canary in cast.canaries}
        for probe in (change_many_by_api, change_many_by_page):
            for attempt in (*foreign, *within):
                sight = probe(cast, attempt)
                assert (sight.granted, sight.broken) == ("", "")
                assert not attempt.target.shown_in(sight.text)
                assert sight.tried >= 2
        monkeypatch.setattr(bulk, "visible_documents", lambda levels: Document.objects.all())
        assert change_many_by_api(cast, within[0]).granted
        assert change_many_by_page(cast, within[1]).granted
        assert not change_many_by_api(cast, foreign[0]).granted
