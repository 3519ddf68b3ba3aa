"""What Celery runs to keep the figures."""

from __future__ import annotations
