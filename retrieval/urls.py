from __future__ import annotations

from django.urls import path

from retrieval.views import (
    bench,
    bulk,
    cache_settings,
    compare,
    comparison,
    corrections,
    document,
    documents,
    evaluation,
    feedback,
    gaps,
    golden,
    indexing_settings,
    isolation,
    model_settings,
    overview,
    playground,
    review,
    source_forms,
    sources,
    sync_runs,
    trace_settings,
    traces,
    trial,
)

COMPARISON = "operator/isolation/comparison/"
DOCUMENTS = "t/<slug:slug>/documents/"
DOCUMENT = f"{DOCUMENTS}<uuid:document_id>/"
SOURCES = "t/<slug:slug>/sources/"
SOURCE = f"{SOURCES}<uuid:source_id>/"
RUNS = "t/<slug:slug>/sync-runs/"
RUN = f"{RUNS}<uuid:run_id>/"
INDEXING = "t/<slug:slug>/settings/indexing/"
BENCH = "t/<slug:slug>/bench/"
MODELS = "t/<slug:slug>/settings/models/"
CACHE = "t/<slug:slug>/settings/cache/"
KEPT_TRACES = "t/<slug:slug>/settings/traces/"
PLAYGROUND = "t/<slug:slug>/playground/"
CONVERSATIONS = f"{PLAYGROUND}conversations/"
TRACES = "t/<slug:slug>/traces/"
TRACE = f"{TRACES}<uuid:trace_id>/"
REVIEW = "t/<slug:slug>/feedback/"
REVIEWED = f"{REVIEW}<uuid:trace_id>/"
EVALUATION = "t/<slug:slug>/evaluation/"
GOLDEN = "t/<slug:slug>/golden-questions/"

urlpatterns = [
    path("operator/isolation/", isolation.isolation, name="operator-isolation"),
    path(COMPARISON, comparison.comparison, name="operator-isolation-comparison"),
    path(f"{COMPARISON}measure/", comparison.measure, name="operator-isolation-compare"),
    path(f"{COMPARISON}cancel/", comparison.cancel, name="operator-isolation-compare-cancel"),
    path("t/<slug:slug>/", overview.overview, name="tenant-overview"),
    path(DOCUMENTS, documents.list_documents, name="documents"),
    path(f"{DOCUMENTS}bulk/", bulk.change_many, name="documents-bulk"),
    path(f"{DOCUMENTS}upload/", documents.upload_documents, name="document-upload"),
    path(DOCUMENT, document.show_document, name="document"),
    path(f"{DOCUMENT}file/", document.download_document, name="document-file"),
    path(f"{DOCUMENT}retry/", documents.retry, name="document-retry"),
    path(f"{DOCUMENT}delete/", documents.delete, name="document-delete"),
    path(SOURCES, sources.list_sources, name="sources"),
    path(f"{SOURCES}schedule/", source_forms.say_schedule, name="source-schedule"),
    path(f"{SOURCES}new/<slug:kind>/", source_forms.new_source, name="source-new"),
    path(SOURCE, sources.show_source, name="source"),
    path(f"{SOURCE}edit/", source_forms.edit_source, name="source-edit"),
    path(f"{SOURCE}delete/", sources.delete, name="source-delete"),
    path(f"{SOURCE}sync/", sources.sync, name="source-sync"),
    path(f"{SOURCE}pause/", sources.pause, name="source-pause"),
    path(f"{SOURCE}resume/", sources.resume, name="source-resume"),
    path(RUNS, sync_runs.list_runs, name="sync-runs"),
    path(RUN, sync_runs.show_run, name="sync-run"),
    path(f"{RUN}confirm/", sync_runs.confirm, name="sync-run-confirm"),
    path(f"{RUN}cancel/", sync_runs.cancel, name="sync-run-cancel"),
    path(f"{RUN}retry/", sync_runs.retry, name="sync-run-retry"),
    path(f"{RUN}undo/", sync_runs.undo, name="sync-run-undo"),
    path(MODELS, model_settings.model_settings, name="settings-models"),
    path(f"{MODELS}endpoint/", model_settings.choose_endpoint, name="settings-endpoint"),
    path(f"{MODELS}routes/", model_settings.edit_routes, name="settings-routes"),
    path(CACHE, cache_settings.cache_settings, name="settings-cache"),
    path(f"{CACHE}empty/", cache_settings.empty, name="settings-cache-empty"),
    path(KEPT_TRACES, trace_settings.trace_settings, name="settings-traces"),
    path(INDEXING, indexing_settings.show, name="indexing-settings"),
    path(f"{INDEXING}start/", indexing_settings.start, name="indexing-start"),
    path(f"{INDEXING}cancel/", indexing_settings.cancel, name="indexing-cancel"),
    path(f"{INDEXING}hold/", indexing_settings.hold, name="indexing-hold"),
    path(f"{INDEXING}retry/", indexing_settings.retry, name="indexing-retry"),
    path(f"{INDEXING}switch/", indexing_settings.switch, name="indexing-switch"),
    path(PLAYGROUND, playground.show_playground, name="playground"),
    path(f"{PLAYGROUND}compare/", compare.show_compare, name="compare"),
    path(f"{PLAYGROUND}compare/result/", compare.show_differences, name="compare-result"),
    path(CONVERSATIONS, playground.list_conversations, name="conversations"),
    path(
        f"{CONVERSATIONS}<uuid:conversation_id>/delete/",
        playground.delete,
        name="conversation-delete",
    ),
    path(BENCH, bench.show_bench, name="bench"),
    path(f"{BENCH}save/", bench.save_settings, name="bench-save"),
    path(TRACES, traces.list_traces, name="traces"),
    path(TRACE, traces.show_trace, name="trace"),
    path(f"{TRACE}turn/", traces.show_turn, name="trace-turn"),
    path(f"{TRACE}details/", traces.show_details, name="trace-details"),
    path(f"{TRACE}feedback/", feedback.rate, name="trace-feedback"),
    path(f"{TRACE}golden/", traces.add_golden, name="trace-golden"),
    path(f"{TRACE}corrected/", corrections.show_correction, name="trace-corrected"),
    path(REVIEW, review.list_feedback, name="feedback"),
    path(f"{REVIEW}change/", review.change_many, name="feedback-change"),
    path(f"{REVIEW}gaps/", gaps.show_gaps, name="feedback-gaps"),
    path(f"{REVIEW}gaps/ignore/", gaps.ignore_gap, name="feedback-gaps-ignore"),
    path(REVIEWED, review.show_feedback, name="feedback-item"),
    path(f"{REVIEWED}status/", review.set_status, name="feedback-status"),
    path(f"{REVIEWED}golden/", review.add_golden, name="feedback-golden"),
    path(f"{REVIEWED}again/", review.ask_anew, name="feedback-again"),
    path(f"{REVIEWED}diagnose/", review.diagnose_anew, name="feedback-diagnose"),
    path(GOLDEN, golden.list_questions, name="golden-questions"),
    path(f"{GOLDEN}new/", golden.add, name="golden-question-new"),
    path(f"{GOLDEN}import/", golden.import_csv, name="golden-questions-import"),
    path(f"{GOLDEN}csv/", golden.export_csv, name="golden-questions-csv"),
    path(f"{GOLDEN}delete/", golden.delete, name="golden-questions-delete"),
    path(f"{GOLDEN}<uuid:question_id>/", golden.edit, name="golden-question"),
    # The list is a page of monitoring, which draws charts.
    path(f"{EVALUATION}start/", evaluation.start, name="evaluation-start"),
    path(f"{EVALUATION}nightly/", evaluation.nights, name="evaluation-nightly"),
    path(f"{EVALUATION}trial/", trial.new_trial, name="evaluation-trial"),
    path(f"{EVALUATION}<uuid:evaluation_id>/", evaluation.show, name="evaluation"),
    path(f"{EVALUATION}<uuid:evaluation_id>/cancel/", evaluation.cancel, name="evaluation-cancel"),
    path(f"{EVALUATION}<uuid:evaluation_id>/save/", trial.save_trial, name="evaluation-save"),
]
