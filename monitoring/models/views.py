from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from tenants.models import Tenant, User


class SavedView(models.Model):
    """Filters of a page that somebody keeps under a name.

    Encrypted, because a filter may hold words of a question, and this is the public schema.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    # "traces" or another page's URL name.
    page = models.CharField(max_length=40)
    # JSON {"name", "query"}.
    content_encrypted = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["tenant", "user", "page"], name="saved_views_of_page")]

    def __str__(self) -> str:
        return f"{self.page} {self.pk}"
