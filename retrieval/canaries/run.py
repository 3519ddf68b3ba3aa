"""One run of the matrix: every door, tried by each canary tenant's people at every other's canary."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connections
from django.utils import timezone

from retrieval.canaries import (  # noqa: F401 - each adds its doors
    bulk_doors,
    database_doors,
    query_doors,
    store_doors,
)
from retrieval.canaries.cast import Attempt, Cast, assemble
from retrieval.canaries.doors import DOORS, ERROR, LEAK, SURVEYS, Door, Survey, Verdict
from retrieval.canaries.route_doors import route_doors
from tenants.audit import record_event
from tenants.isolation.runs import begin_run, drop_old_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenants.models import IsolationRun

log = structlog.get_logger("ragadmin.isolation")

ACTOR = "isolation check"
MOST_NOTES = 20
THREADS = 3
# Each probe is a request: a line for each would bury what happens meanwhile.
REQUEST_LOGS = ("ragadmin.request", "ragadmin.query", "django.request")
# Where it says that a canary could not be made.
CANARIES = "Canaries"
SECTIONS = (CANARIES, "Database", "Search", "Answers", "API", "Pages", "Stores and tasks")


def check_isolation(run: IsolationRun | None = None) -> IsolationRun:
    """Tries everything and keeps the result. Raises Conflict while another run is going on."""
    run = run or begin_run()
    with _quiet_request_logs():
        try:
            _try_all(run)
        except Exception:
            _add(run, _row(CANARIES, "The check itself", "", [_cell("all", [_broke_off()])]))
            raise
        finally:
            _finish(run)
    return run


def _try_all(run: IsolationRun) -> None:
    with assemble() as cast:
        # Once the canaries are there: on a new installation theirs are the only tables to look at.
        for survey in SURVEYS:
            _add(run, _survey_row(survey))
        for slug, problem in cast.problems.items():
            note = _note("", slug, Verdict(ERROR, problem, 1))
            _add(
                run, _row(CANARIES, slug, "The canary is made or renewed.", [_cell("all", [note])])
            )
        for row in _door_rows(cast):
            _add(run, row)


def _door_rows(cast: Cast) -> Iterator[dict[str, Any]]:
    """Where owners ask first, so that what is kept of their answers is there for the others."""
    yield from (_door_row(door, cast) for door in DOORS if door.shows_own)
    # Requests mostly wait for the database. The others share an event loop, or look at what is there.
    with ThreadPoolExecutor(THREADS) as threads:
        yield from threads.map(lambda door: _row_in_thread(door, cast), route_doors())
    yield from (_door_row(door, cast) for door in DOORS if not door.shows_own)


def _row_in_thread(door: Door, cast: Cast) -> dict[str, Any]:
    try:
        return _door_row(door, cast)
    finally:
        connections.close_all()


def _survey_row(survey: Survey) -> dict[str, Any]:
    cell = _cell("all", [_note("", "", survey.run())])
    return _row(survey.section, survey.title, survey.about, [cell])


def _door_row(door: Door, cast: Cast) -> dict[str, Any]:
    cast, cells = replace(cast, kept={}), {}

    def keep(key: str, attempt: Attempt, verdict: Verdict) -> None:
        note = _note(attempt.visitor.tenant.slug, attempt.target.tenant.slug, verdict)
        cells.setdefault(key, []).append(note)

    for attempt in cast.own() if door.shows_own else ():
        verdict = door.try_own(cast, attempt)
        keep("own", attempt, verdict)
    for attempt in cast.across() if door.every_pair else cast.across_levels():
        levels = f"{attempt.visitor.tenant.isolation}-{attempt.target.tenant.isolation}"
        keep(levels, attempt, door.try_foreign(cast, attempt))
    for attempt in cast.within() if door.within else ():
        verdict = door.try_foreign(cast, attempt)
        keep(f"within-{attempt.target.tenant.isolation}", attempt, verdict)
    found = [_cell(key, notes) for key, notes in cells.items()]
    return _row(door.section, door.title, door.about, found)


def _note(visitor: str, target: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "visitor": visitor,
        "target": target,
        "status": verdict.status,
        "tried": verdict.tried,
        "detail": verdict.detail,
    }


def _broke_off() -> dict[str, Any]:
    return _note("", "", Verdict(ERROR, "The check broke off: the log has the reason.", 1))


def _cell(key: str, notes: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = {note["status"] for note in notes}
    status = LEAK if LEAK in statuses else ERROR if ERROR in statuses else "ok"
    return {"key": key, "status": status, "notes": notes}


def _row(section: str, title: str, about: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"section": section, "title": title, "about": about, "cells": cells}


def _add(run: IsolationRun, row: dict[str, Any]) -> None:
    """Saved at once: the page shows how far it is."""
    run.results.append(row)
    for cell in row["cells"]:
        for note in cell["notes"]:
            run.probes += note["tried"]
            run.leaks += note["status"] == LEAK
            run.errors += note["status"] == ERROR
    run.save(update_fields=["probes", "leaks", "errors"])


def _finish(run: IsolationRun) -> None:
    # Tried in another order: owners first, so that whatever is kept of an answer is there to be found.
    run.results.sort(key=lambda row: SECTIONS.index(row["section"]))
    run.finished_at = timezone.now()
    run.save()
    drop_old_runs()
    if not (run.leaks or run.errors):
        log.info("isolation_checked", run=run.pk, probes=run.probes)
        return
    titles = [row["title"] for row in run.results if any(c["status"] != "ok" for c in row["cells"])]
    log.error(
        "isolation_broken" if run.leaks else "isolation_not_proven",
        run=run.pk, leaks=run.leaks, errors=run.errors, doors=titles[:MOST_NOTES],
    )  # fmt: skip
    record_event(
        "isolation.leak" if run.leaks else "isolation.error",
        actor=ACTOR,
        target=f"run {run.pk}",
        leaks=run.leaks,
        errors=run.errors,
        doors=titles[:MOST_NOTES],
    )


@contextmanager
def _quiet_request_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in REQUEST_LOGS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
