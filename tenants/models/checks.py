"""What the checks of isolation found."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class IsolationRun(models.Model):
    """One run of the canary matrix: every door, tried from every other tenant."""

    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    probes = models.PositiveIntegerField(default=0)
    leaks = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.probes} probes, {self.leaks} leaks"


class IsolationComparison(models.Model):
    """The three levels measured side by side on this installation."""

    measured_at = models.DateTimeField(db_default=Now(), editable=False)
    documents = models.PositiveIntegerField()
    results = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.documents} documents"
