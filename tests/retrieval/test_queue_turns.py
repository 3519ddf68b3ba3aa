from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from retrieval.indexing import pace, queue
from retrieval.indexing.place_in_line import finish_estimate, place_in_line
from retrieval.models import Document, Source
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant
from tenants.services import create_tenant


@pytest.fixture(autouse=True)
def only_our_jobs():
    DocumentJob.objects.all().delete()
    yield
    DocumentJob.objects.all().delete()


@pytest.fixture
def other():
    return create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")


def enqueue(tenant, count: int) -> list[uuid.UUID]:
    ids = [uuid.uuid4() for _ in range(count)]
    for document_id in ids:
        queue.enqueue(tenant, document_id)
    return ids


def take(worker: str = "w") -> queue.Claim:
    (found,) = queue.claim_batch(worker)
    return found


def test_one_document_does_not_wait_for_another_tenants_thousand(tenant, other):
    enqueue(tenant, 1000)
    assert take().tenant == tenant
    enqueue(other, 1)
    assert take().tenant == other


def test_tenants_take_turns(tenant, other):
    enqueue(tenant, 3)
    enqueue(other, 3)
    turns = [take().tenant.slug for _ in range(6)]
    assert turns[::2] != turns[1::2]
    assert len(set(turns[::2])) == len(set(turns[1::2])) == 1


def test_document_is_claimed_once(tenant):
    enqueue(tenant, 40)
    claimed: list[uuid.UUID] = []

    def work() -> None:
        while found := queue.claim_batch("w"):
            claimed.extend(each.document_id for each in found)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40


def test_suspended_tenant_is_passed_over(tenant):
    enqueue(tenant, 1)
    Tenant.objects.filter(pk=tenant.pk).update(status="suspended")
    assert not queue.has_claimable()
    assert queue.claim_batch("w") == []


def test_lease_ends_by_itself(tenant):
    enqueue(tenant, 1)
    first = take()
    assert queue.claim_batch("w") == []
    DocumentJob.objects.update(lease_until=Now() - timedelta(seconds=1))
    second = take()
    assert (second.document_id, second.attempts) == (first.document_id, 2)
    assert queue.renew([first]) == []
    assert queue.renew([second]) == [second]


def test_restarted_worker_gets_its_own_leases_back_and_no_others(tenant):
    enqueue(tenant, 2)
    take("one@host")
    take("one@host2")
    assert queue.release_leases("one@host") == 1
    take("one@host")
    assert queue.claim_batch("one@host") == []


def test_enqueued_again_it_is_still_one_job(tenant):
    (document_id,) = enqueue(tenant, 1)
    queue.enqueue(tenant, document_id)
    assert DocumentJob.objects.count() == 1


def test_a_claim_reads_one_row_beside_many_jobs(tenant, other):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_documentjob (tenant_id, document_id)"
            " SELECT %s, gen_random_uuid() FROM generate_series(1, 20000)",
            [tenant.id],
        )
        with transaction.atomic():
            cursor.execute(queue._PREPARE)
            cursor.execute(f"EXPLAIN {queue._CHOOSE}", [tenant.id, queue.WANTED, 1])
            plan = "\n".join(row[0] for row in cursor.fetchall())
    DocumentJob.objects.filter(tenant=tenant).delete()
    assert "document_job_turn" in plan
    assert "Sort" not in plan


def test_of_a_workers_places_one_stays_free_for_others(tenant, other):
    enqueue(tenant, 5)
    for _ in range(2):
        assert queue.claim_batch("one@host", 3)[0].tenant == tenant
    assert queue.claim_batch("one@host", 3) == []
    assert queue.claim_batch("two@host", 3)[0].tenant == tenant
    enqueue(other, 1)
    assert queue.claim_batch("one@host", 3)[0].tenant == other


def test_a_worker_with_one_place_serves_a_lone_tenant(tenant):
    enqueue(tenant, 1)
    assert queue.claim_batch("one@host", 1)


def test_a_batch_is_as_large_as_the_tenants_pace_allows(tenant):
    queue.enqueue_many(tenant, [uuid.uuid4() for _ in range(pace.MAX_DOCUMENTS + 10)])
    assert len(queue.claim_batch("w")) == 1
    pace.note(tenant, 32, 0.032)
    pace.note(tenant, 128, 0.128)
    assert len(queue.claim_batch("w")) == pace.MAX_DOCUMENTS
    pace.note(tenant, 64, 64.0)
    assert len(queue.claim_batch("w")) == 1


def test_what_people_wait_for_comes_before_what_is_made_anew(tenant):
    anew, wanted = uuid.uuid4(), uuid.uuid4()
    queue.enqueue_many(tenant, [anew], priority=queue.ANEW)
    queue.enqueue(tenant, wanted)
    assert [take().document_id for _ in range(2)] == [wanted, anew]


def test_a_job_enqueued_again_while_it_is_held_is_not_finished(tenant):
    (document_id,) = enqueue(tenant, 1)
    claim = take()
    queue.enqueue(tenant, document_id)
    assert queue.claim_batch("w") == []
    queue.finish([claim])
    again = take()
    assert (again.document_id, again.attempts) == (document_id, 1)
    queue.finish([again])
    assert not DocumentJob.objects.exists()


def test_given_back_it_counts_as_not_claimed(tenant):
    enqueue(tenant, 1)
    queue.give_back([take()])
    assert take().attempts == 1


def test_place_in_line_follows_the_turns(tenant, other):
    mine = enqueue(tenant, 50)
    theirs = enqueue(other, 3)
    assert place_in_line(tenant, mine[0]) == 2
    assert place_in_line(tenant, mine[9]) == 10 + 3
    assert place_in_line(other, theirs[2]) == 3 + 3
    assert place_in_line(tenant, theirs[0]) is None
    taken = take()
    assert place_in_line(taken.tenant, taken.document_id) is None


def test_the_end_is_estimated_from_what_was_done_lately(tenant):
    enqueue(tenant, 30)
    assert finish_estimate(tenant).seconds_left is None
    with tenant_context(tenant):
        source = Source.objects.create(name="Uploads", kind="upload")
        for number in range(10):
            Document.objects.create(
                source=source, external_id=str(number), path=str(number), access_level="public",
                size_bytes=1, content_hash="", indexed_at=timezone.now() - timedelta(seconds=number),
            )  # fmt: skip
    estimate = finish_estimate(tenant)
    assert estimate.waiting == 30
    assert 20 < estimate.seconds_left < 60
    assert 30 < estimate.documents_a_minute < 90
