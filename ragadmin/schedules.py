"""Everything that happens by the clock, in one place. Beat reads it from the database."""

from __future__ import annotations

from dataclasses import dataclass

from django_celery_beat.models import IntervalSchedule, PeriodicTask


@dataclass(frozen=True, slots=True)
class Schedule:
    name: str
    task: str
    every_seconds: int


SCHEDULES = (
    Schedule("Index waiting documents", "retrieval.tasks.dispatch_documents", 5),
    Schedule("Start syncs that are due", "retrieval.tasks.dispatch_syncs", 10),
    Schedule("Purge kept versions", "retrieval.tasks.purge_kept_versions", 3600),
    Schedule("Forget old traces", "retrieval.tasks.forget_traces", 3600),
    Schedule("Look after kept answers", "retrieval.tasks.tend_caches", 10 * 60),
    Schedule("Diagnose thumbs-down", "retrieval.tasks.dispatch_diagnoses", 5 * 60),
    Schedule("Mark interrupted answers", "retrieval.tasks.mark_interrupted", 15 * 60),
    Schedule("Look after re-indexing", "retrieval.tasks.tend_generations", 20),
    Schedule("Evaluate on golden questions", "retrieval.evaluation.tasks.dispatch_evaluations", 60),
    Schedule("Measure vector indexes", "retrieval.tasks.measure_vector_indexes", 24 * 3600),
    Schedule("Look after moves of tenants", "tenants.tasks.tend_moves", 60),
    Schedule("Give back lapsed reservations", "tenants.tasks.give_back_reservations", 60),
    Schedule("Sweep away left files", "tenants.tasks.sweep_leftovers", 3600),
    Schedule("Sum up metrics", "monitoring.tasks.roll_up_metrics", 10),
    Schedule("Follow changed time zones", "monitoring.tasks.follow_changed_zones", 10 * 60),
    Schedule("Watch for alerts", "monitoring.tasks.watch", 60),
    Schedule("Send notifications", "monitoring.tasks.send_notifications", 10),
    Schedule("Make daily reports", "monitoring.tasks.make_reports", 5 * 60),
    Schedule("Forget old alerts", "monitoring.tasks.forget_alerts", 24 * 3600),
    Schedule("Make and drop days of metrics", "monitoring.tasks.tend_figures", 3600),
    Schedule("Check isolation", "retrieval.canaries.tasks.check_isolation", 24 * 3600),
    Schedule(
        "Remove what a killed comparison left",
        "retrieval.comparison.tasks.remove_comparison_tenants",
        600,
    ),
)


def setup_schedules() -> None:
    """Makes or updates each entry. One that somebody switched off stays off."""
    for schedule in SCHEDULES:
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=schedule.every_seconds, period=IntervalSchedule.SECONDS
        )
        wanted = {
            "task": schedule.task,
            "interval": interval,
            # What could not run before its next turn is not worth running twice.
            "expire_seconds": schedule.every_seconds,
        }
        if not PeriodicTask.objects.filter(name=schedule.name, **wanted).exists():
            PeriodicTask.objects.update_or_create(name=schedule.name, defaults=wanted)
