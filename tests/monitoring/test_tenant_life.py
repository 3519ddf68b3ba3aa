"""What becomes of a tenant's figures when it is deleted, moved, exported and imported."""

from __future__ import annotations

import pytest

from monitoring.models import DailyUsage, QueryMetric
from monitoring.rebuild import rebuild_usage
from monitoring.sums import add_up
from monitoring.tenant_life import count_rows_of
from tenants.archive.import_ import import_tenant
from tenants.moving.request import move_tenant
from tenants.removal import remove_tenant
from tenants.schema import owner
from tests.monitoring.ledger import add_metrics, fleet_sums, roll_up_all
from tests.monitoring.test_rebuild import books
from tests.monitoring.test_rollups import NOON
from tests.tenants.archives import export, new_slug


def sums_of(tenant):
    return add_up(DailyUsage.objects.filter(tenant_id=tenant.pk))


def test_a_deleted_tenant_leaves_its_answers_in_the_fleets_figures_and_nothing_else(tenant):
    add_metrics(tenant.pk, NOON, count=2)
    roll_up_all()
    add_metrics(tenant.pk, NOON, count=3)
    before = fleet_sums().questions
    report = remove_tenant(tenant=tenant, actor=None)
    assert (report.before["metrics"], report.before["usage rows"]) == (5, 4)
    assert report.is_complete
    assert fleet_sums().questions == before + 3
    roll_up_all()
    assert fleet_sums().questions == before + 3
    with owner().cursor() as cursor:
        assert not any(count_rows_of(cursor, tenant.pk).values())


@pytest.fixture(scope="module")
def imported(answered, tmp_path_factory, django_db_blocker):
    with django_db_blocker.unblock():
        path = export(answered, tmp_path_factory.mktemp("archive"))
        return import_tenant(path=path, slug=new_slug(), actor=None).tenant


def test_an_imported_tenant_has_its_figures(answered, imported):
    roll_up_all()
    assert sums_of(imported) == sums_of(answered)
    assert sums_of(imported).questions == 5
    kept = books()
    rebuild_usage(imported)
    assert books() == kept


def test_a_moved_tenant_keeps_its_figures(imported):
    roll_up_all()
    before, kept = QueryMetric.objects.filter(tenant_id=imported.pk).count(), books(imported)
    move_tenant(tenant=imported, to="shared", actor=None)
    imported.refresh_from_db()
    assert books(imported) == kept
    rebuild_usage(imported)
    assert books(imported) == kept
    assert QueryMetric.objects.filter(tenant_id=imported.pk).count() == before
