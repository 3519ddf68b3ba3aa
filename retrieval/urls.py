from __future__ import annotations

from django.urls import path

from retrieval.views import (
    comparison,
    document,
    documents,
    feedback,
    isolation,
    overview,
    playground,
    traces,
)

COMPARISON = "operator/isolation/comparison/"
DOCUMENTS = "t/<slug:slug>/documents/"
DOCUMENT = f"{DOCUMENTS}<uuid:document_id>/"
TRACES = "t/<slug:slug>/traces/"

urlpatterns = [
    path("operator/isolation/", isolation.isolation, name="operator-isolation"),
    path(COMPARISON, comparison.comparison, name="operator-isolation-comparison"),
    path(f"{COMPARISON}measure/", comparison.measure, name="operator-isolation-compare"),
    path(f"{COMPARISON}cancel/", comparison.cancel, name="operator-isolation-compare-cancel"),
    path("t/<slug:slug>/", overview.overview, name="tenant-overview"),
    path(DOCUMENTS, documents.list_documents, name="documents"),
    path(f"{DOCUMENTS}upload/", documents.upload_documents, name="document-upload"),
    path(DOCUMENT, document.show_document, name="document"),
    path(f"{DOCUMENT}file/", document.download_document, name="document-file"),
    path(f"{DOCUMENT}retry/", documents.retry, name="document-retry"),
    path(f"{DOCUMENT}delete/", documents.delete, name="document-delete"),
    path("t/<slug:slug>/playground/", playground.show_playground, name="playground"),
    path(TRACES, traces.list_traces, name="traces"),
    path(f"{TRACES}<uuid:trace_id>/", traces.show_trace, name="trace"),
    path(f"{TRACES}<uuid:trace_id>/feedback/", feedback.rate, name="trace-feedback"),
]
