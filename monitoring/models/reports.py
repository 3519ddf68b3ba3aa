from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.models import Tenant


class DailyReport(models.Model):
    """The figures of one day, once it is over. No tenant: the fleet's. Questions are not in it: they are
    read from the tenant's own tables when a report is shown or sent."""

    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE)
    # Of the tenant's time zone; the fleet's is UTC.
    date = models.DateField()
    figures = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "date"], name="one_report_a_day", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.date}"
