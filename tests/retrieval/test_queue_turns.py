from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from retrieval.indexing import queue
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
        cursor.execute("ANALYZE tenants_documentjob")
        cursor.execute(f"EXPLAIN {queue._CHOOSE}", [tenant.id, queue.WANTED, 1])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    DocumentJob.objects.filter(tenant=tenant).delete()
    assert "document_job_turn" in plan
    assert "Sort" not in plan
