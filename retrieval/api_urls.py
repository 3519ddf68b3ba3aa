from __future__ import annotations

from django.urls import path

from retrieval.api import documents

urlpatterns = [
    path("documents/", documents.DocumentList.as_view()),
    path("documents/<uuid:document_id>/", documents.DocumentDetail.as_view()),
    path("documents/<uuid:document_id>/chunks/", documents.DocumentChunks.as_view()),
    path("documents/<uuid:document_id>/retry/", documents.DocumentRetry.as_view()),
]
