from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.connectors.base import SkippedItem
from retrieval.indexing.plan import FEWEST_TO_CONFIRM, make_plan, plan_retry, why_confirm
from tests.retrieval.sync.memory_source import MemorySource, RemoteSource, documents_of

FILES = {"a.md": b"alpha", "b.md": b"beta beta", "c/d.md": b"gamma gamma gamma"}


def counts(plan):
    return {name: count for name, count in plan.counts.items() if count}


def test_a_first_listing_adds_everything_and_reads_nothing():
    source = MemorySource(dict(FILES))
    plan = make_plan(source, [], {})
    assert counts(plan) == {"added": 3}
    assert plan.bytes == sum(map(len, FILES.values()))
    assert source.reads == []


def test_equal_fingerprints_are_unchanged_and_not_read():
    source = MemorySource(dict(FILES))
    plan = make_plan(source, documents_of(source), {})
    assert counts(plan) == {"unchanged": 3}
    assert source.reads == []
    assert plan.touched == []


def test_a_touched_file_is_read_found_unchanged_and_its_fingerprint_noted():
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    source.fingerprints["a.md"] = "5-2"
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"unchanged": 3}
    assert source.reads == ["a.md"]
    assert [(document.path, content.fingerprint) for document, content in plan.touched] == [
        ("a.md", "5-2")
    ]


def test_a_changed_file_is_an_update():
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    source.files["a.md"] = b"alpha and more"
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"updated": 1, "unchanged": 2}
    assert plan.bytes == len(b"alpha and more")


def test_same_size_and_time_with_other_bytes_is_found_by_the_full_check_only():
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    source.files["a.md"] = b"ALPHA"
    assert counts(make_plan(source, documents, {})) == {"unchanged": 3}
    plan = make_plan(source, documents, {}, full_check=True)
    assert counts(plan) == {"updated": 1, "unchanged": 2}
    assert plan.read == 3


def test_a_source_that_tells_no_fingerprint_is_read_each_time():
    source = MemorySource(dict(FILES))
    documents = [replace(each, fingerprint="") for each in documents_of(source)]
    source.fingerprints = dict.fromkeys(FILES, "")
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"unchanged": 3}
    assert sorted(source.reads) == sorted(FILES)


def test_a_document_that_failed_is_tried_again_only_when_its_fingerprint_differs():
    source = MemorySource(dict(FILES))
    documents = documents_of(source, **{"a.md": False, "b.md": False})
    documents[1] = replace(documents[1], fingerprint="")
    plan = make_plan(source, documents, {})
    assert [document.path for document, _ in plan.updated] == ["b.md"]
    assert counts(plan) == {"updated": 1, "unchanged": 2}


@pytest.mark.parametrize("new_name", ["z.md", "A.md", "a.md/inside.md", "deep/down/a.md"])
def test_a_renamed_file_is_the_same_document(new_name):
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    source.files[new_name] = source.files.pop("a.md")
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"updated": 1, "unchanged": 2}
    ((document, item, fingerprint),) = plan.renamed
    assert (document.path, item.path, fingerprint) == ("a.md", new_name, "5-1")
    assert plan.paths()["updated"] == [[new_name, "renamed from a.md", str(document.id)]]


def test_two_files_that_change_names_are_updates_because_both_names_are_still_there():
    source = MemorySource({"a.md": b"one", "b.md": b"three"})
    documents = documents_of(source)
    source.files = {"a.md": b"three", "b.md": b"one"}
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"updated": 2}


def test_of_two_gone_twins_each_is_renamed_once():
    source = MemorySource({"a.md": b"same", "b.md": b"same"})
    documents = documents_of(source)
    source.files = {"x.md": b"same", "y.md": b"same", "z.md": b"same"}
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"added": 1, "updated": 2}
    assert {document.path for document, _, _ in plan.renamed} == {"a.md", "b.md"}


def test_only_new_files_as_large_as_a_missing_one_are_read_for_renames():
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    del source.files["a.md"]
    source.files |= {"other.md": b"12345", "long.md": b"much longer than five"}
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"added": 2, "deleted": 1, "unchanged": 2}
    assert source.reads == ["other.md"]


def test_a_document_that_is_not_indexed_is_no_model_for_a_rename():
    source = MemorySource(dict(FILES))
    documents = documents_of(source, **{"a.md": False})
    source.files["z.md"] = source.files.pop("a.md")
    assert counts(make_plan(source, documents, {})) == {"added": 1, "deleted": 1, "unchanged": 2}


def test_a_remote_rename_is_known_by_its_etag_without_reading():
    source = RemoteSource(dict(FILES))
    documents = documents_of(source)
    source.files["z.md"] = source.files.pop("a.md")
    source.files["b.md"] = b"changed"
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"updated": 2, "unchanged": 1}
    assert len(plan.renamed) == 1
    assert source.reads == []
    assert plan.renames_are_known


def test_an_item_listed_twice_counts_once():
    class Doubled(MemorySource):
        def list_items(self, known):
            yield from super().list_items(known)
            yield from super().list_items(known)

    plan = make_plan(Doubled(dict(FILES)), [], {})
    assert counts(plan) == {"added": 3}


def test_a_file_that_cannot_be_taken_any_more_is_failed_and_its_document_kept():
    source = MemorySource(dict(FILES))
    documents = documents_of(source)
    del source.files["a.md"]
    source.skipped = [
        SkippedItem("a.md", "The file is larger than allowed.", "too_large", is_failure=True),
        SkippedItem("photo.raw", "This type cannot be read.", "unsupported_type"),
    ]
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"unchanged": 2, "failed": 1}
    assert [item.path for item in plan.skipped] == ["photo.raw"]


def test_a_document_that_this_run_made_before_it_broke_off_is_added_still():
    source = MemorySource(dict(FILES))
    documents = documents_of(source, **{"a.md": False})
    documents[0] = replace(documents[0], fingerprint="", content_hash="", is_new=True)
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"added": 1, "unchanged": 2}
    assert plan.documents == 2


def test_a_file_that_vanishes_while_it_is_compared_is_left_to_the_worker():
    class Vanishing(MemorySource):
        def list_items(self, known):
            yield from list(super().list_items(known))
            self.files.clear()

    source = Vanishing(dict(FILES))
    documents = [replace(each, fingerprint="0-0") for each in documents_of(source)]
    assert counts(make_plan(source, documents, {})) == {"updated": 3}


def test_keep_alive_is_called_for_each_item_and_can_end_the_plan():
    class Enough(Exception):
        pass

    calls = []

    def keep_alive():
        calls.append(1)
        if len(calls) == 2:
            raise Enough

    with pytest.raises(Enough):
        make_plan(MemorySource(dict(FILES)), [], {}, keep_alive=keep_alive)


def many(count):
    return MemorySource({f"{n}.md": f"content {n}".encode() for n in range(count)})


def plan_after_losing(count, lost):
    source = many(count)
    documents = documents_of(source)
    for name in list(source.files)[:lost]:
        del source.files[name]
    return make_plan(source, documents, {})


def test_an_empty_listing_always_asks_even_for_one_document():
    plan = plan_after_losing(1, 1)
    assert "nothing at all" in why_confirm(plan, 1.0, frozenset())


def test_mass_deletion_asks_from_ten_documents_above_the_share():
    assert why_confirm(plan_after_losing(30, 9), 0.3, frozenset()) == ""
    assert why_confirm(plan_after_losing(12, FEWEST_TO_CONFIRM - 1), 0.3, frozenset()) == ""
    assert why_confirm(plan_after_losing(100, 30), 0.3, frozenset()) == ""
    reason = why_confirm(plan_after_losing(100, 31), 0.3, frozenset())
    assert reason.startswith("31 of 100 documents would be deleted, more than the 30%")


def test_renames_are_no_deletions():
    source = many(40)
    documents = documents_of(source)
    source.files = {f"moved/{name}": data for name, data in source.files.items()}
    plan = make_plan(source, documents, {})
    assert counts(plan) == {"updated": 40}
    assert why_confirm(plan, 0.3, frozenset()) == ""


def test_what_was_confirmed_does_not_cover_what_vanished_since():
    plan = plan_after_losing(100, 40)
    confirmed = frozenset(str(document.id) for document in plan.deleted)
    assert why_confirm(plan, 0.3, confirmed) == ""
    assert why_confirm(plan, 0.3, frozenset(list(confirmed)[:39])) != ""


def test_a_retry_takes_only_what_failed_and_is_not_indexed_since():
    source = MemorySource(dict(FILES))
    documents = documents_of(source, **{"a.md": False})
    plan = plan_retry(documents, [("a.md", "a.md"), ("b.md", "b.md"), ("new.md", "new.md")])
    assert [document.path for document, _ in plan.updated] == ["a.md"]
    assert [item.path for item in plan.added] == ["new.md"]
    assert [document.path for document in plan.unchanged] == ["b.md"]
    assert plan.deleted == []
