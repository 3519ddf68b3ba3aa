from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class RagadminConfig(AppConfig):
    name = "ragadmin"

    def ready(self) -> None:
        # Tasks of every app are bound to this Celery app, in whichever process they are named.
        import_module("ragadmin.celery")
