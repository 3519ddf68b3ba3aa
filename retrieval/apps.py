from __future__ import annotations

from django.apps import AppConfig


class RetrievalConfig(AppConfig):
    name = "retrieval"

    def ready(self) -> None:
        from retrieval.health import register_probes
        from retrieval.indexing.imported import register_import
        from retrieval.services.reindex import register_reindex

        register_probes()
        register_reindex()
        register_import()
