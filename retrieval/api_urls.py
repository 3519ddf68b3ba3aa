from __future__ import annotations

from django.urls import path

from retrieval.api import answers, documents, evaluations, golden, sources, sync_runs

urlpatterns = [
    # POST on the list is a hot route: ragadmin.asgi hands it to retrieval.query.http.
    path("answers/", answers.AnswerListView.as_view()),
    path("answers/<uuid:answer_id>/", answers.AnswerView.as_view()),
    path("answers/<uuid:answer_id>/feedback/", answers.FeedbackView.as_view()),
    path("documents/", documents.DocumentList.as_view()),
    path("documents/bulk/", documents.DocumentBulk.as_view()),
    path("documents/<uuid:document_id>/", documents.DocumentDetail.as_view()),
    path("documents/<uuid:document_id>/chunks/", documents.DocumentChunks.as_view()),
    path("documents/<uuid:document_id>/retry/", documents.DocumentRetry.as_view()),
    path("golden-questions/", golden.GoldenQuestionList.as_view()),
    path("golden-questions/<uuid:question_id>/", golden.GoldenQuestionDetail.as_view()),
    path("evaluations/", evaluations.EvaluationList.as_view()),
    path("evaluations/<uuid:evaluation_id>/", evaluations.EvaluationDetail.as_view()),
    path("evaluations/<uuid:evaluation_id>/cancel/", evaluations.EvaluationCancel.as_view()),
    path("sources/", sources.SourceList.as_view()),
    path("sources/<uuid:source_id>/", sources.SourceDetail.as_view()),
    path("sources/<uuid:source_id>/sync/", sources.SourceSync.as_view()),
    path("sources/<uuid:source_id>/pause/", sources.SourcePause.as_view()),
    path("sources/<uuid:source_id>/resume/", sources.SourceResume.as_view()),
    path("sync-runs/", sync_runs.SyncRunList.as_view()),
    path("sync-runs/<uuid:run_id>/", sync_runs.SyncRunDetail.as_view()),
    path("sync-runs/<uuid:run_id>/paths/", sync_runs.SyncRunPaths.as_view()),
    path("sync-runs/<uuid:run_id>/confirm/", sync_runs.SyncRunConfirm.as_view()),
    path("sync-runs/<uuid:run_id>/cancel/", sync_runs.SyncRunCancel.as_view()),
    path("sync-runs/<uuid:run_id>/retry/", sync_runs.SyncRunRetry.as_view()),
    path("sync-runs/<uuid:run_id>/undo/", sync_runs.SyncRunUndo.as_view()),
]
