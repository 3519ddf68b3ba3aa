from __future__ import annotations

from django.urls import path

from retrieval.api import answers, documents

urlpatterns = [
    # POST on the list is a hot route: ragadmin.asgi hands it to retrieval.query.http.
    path("answers/", answers.AnswerListView.as_view()),
    path("answers/<uuid:answer_id>/", answers.AnswerView.as_view()),
    path("answers/<uuid:answer_id>/feedback/", answers.FeedbackView.as_view()),
    path("documents/", documents.DocumentList.as_view()),
    path("documents/<uuid:document_id>/", documents.DocumentDetail.as_view()),
    path("documents/<uuid:document_id>/chunks/", documents.DocumentChunks.as_view()),
    path("documents/<uuid:document_id>/retry/", documents.DocumentRetry.as_view()),
]
