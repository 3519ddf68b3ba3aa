"""The operator's page of the isolation check: the matrix of one run, the runs before, a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRefresh
from kombu.exceptions import KombuError

from ragadmin.errors import Conflict
from retrieval.canaries.tasks import check_isolation
from tenants.access import OperatorHttpRequest, operator_page
from tenants.audit import record_event
from tenants.isolation.levels import LEVELS
from tenants.isolation.runs import begin_run, list_runs, newest_result, running_run

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from tenants.models import IsolationRun, User

SHOWN_RUNS = 20
EVERYWHERE = "all"
PAGE = "operator-isolation"


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is that of the cells below it."""

    key: str
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class ColumnGroup:
    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    row: int
    key: str
    status: str
    tried: int
    title: str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One cell for each column, None where there is nothing to try; or one for all."""

    title: str
    whole: Cell | None
    cells: list[Cell | None]


GROUPS = (
    ColumnGroup("Own", (Column("own", "finds it", "The owner finds the own canary"),)),
    *(
        ColumnGroup(
            f"From {visitor}",
            tuple(
                Column(f"{visitor}-{target}", target, f"From {visitor} into {target}")
                for target in LEVELS
            ),
        )
        for visitor in LEVELS
    ),
    ColumnGroup(
        "Access levels",
        tuple(
            Column(f"within-{level}", level, f"From public into internal, at {level}")
            for level in LEVELS
        ),
    ),
)
COLUMNS = tuple(column for group in GROUPS for column in group.columns)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def isolation(request: OperatorHttpRequest) -> HttpResponse:
    if request.method == "POST":
        _start(request, request.user)
        return redirect(PAGE)
    run = _chosen_run(request)
    probe = _chosen_probe(request, run)
    if probe is not None and request.htmx:
        return render(request, "retrieval/_isolation_probe.html", {"probe": probe})
    running, newest = running_run(), newest_result()
    if request.htmx:
        return _progress(request, running, newest)
    context = {
        "run": run,
        "newest": newest,
        "running": running,
        "percent": _percent(running, newest),
        "runs": list_runs()[:SHOWN_RUNS],
        "groups": GROUPS,
        "column_count": len(COLUMNS),
        "sections": _matrix(run) if run else [],
        "probe": probe,
    }
    return render(request, "retrieval/isolation.html", context)


def _progress(
    request: HttpRequest, running: IsolationRun | None, newest: IsolationRun | None
) -> HttpResponse:
    """Asked every two seconds by a page that shows a run; the page comes anew when it has ended."""
    if running is None:
        return HttpResponseClientRefresh()
    context = {"running": running, "percent": _percent(running, newest)}
    return render(request, "retrieval/_isolation_progress.html", context)


def _start(request: HttpRequest, operator: User) -> None:
    try:
        run = begin_run()
    except Conflict as error:
        messages.info(request, error.message)
        return
    try:
        check_isolation.apply_async(args=[run.pk], retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError:
        run.delete()
        messages.error(
            request,
            "The queue cannot be reached, so no worker can run the check: "
            "run `python manage.py check_isolation` instead.",
        )
        return
    record_event("isolation.started", actor=operator, target=f"run {run.pk}")


def _chosen_run(request: HttpRequest) -> IsolationRun | None:
    """The one that the address names, else the newest that has ended, with its matrix."""
    wanted = request.GET.get("run", "")
    if not wanted:
        newest = newest_result()
        return list_runs().defer(None).get(pk=newest.pk) if newest else None
    found = list_runs().defer(None).filter(finished_at__isnull=False)
    run = found.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 18 else None
    if run is None:
        raise Http404("There is no such run, or it has not ended yet.")
    return run


def _chosen_probe(request: HttpRequest, run: IsolationRun | None) -> dict[str, Any] | None:
    """The cell that the address names, and its row."""
    row_number, key = request.GET.get("row", ""), request.GET.get("cell", "")
    if run is None or not (row_number.isdecimal() and key):
        return None
    row = dict(enumerate(run.results)).get(int(row_number[:6]))
    cells = [cell for cell in row["cells"] if cell["key"] == key] if row else []
    if row is None or not cells:
        raise Http404("The run has no such probe.")
    titles = {column.key: column.title for column in COLUMNS}
    where = titles.get(key, "The whole installation")
    return {"row": row, "where": where, "notes": cells[0]["notes"], "status": cells[0]["status"]}


def _percent(running: IsolationRun | None, newest: IsolationRun | None) -> int | None:
    """Against the last run: how many probes there are shows only when all are done."""
    if running is None or newest is None or not newest.probes:
        return None
    return min(99, 100 * running.probes // newest.probes)


def _matrix(run: IsolationRun) -> list[tuple[str, list[MatrixRow]]]:
    """By section, in the order of the run."""
    sections: dict[str, list[MatrixRow]] = {}
    for number, row in enumerate(run.results):
        cells = {cell["key"]: _cell(number, cell) for cell in row["cells"]}
        found = MatrixRow(
            title=row["title"],
            whole=cells.get(EVERYWHERE),
            cells=[cells.get(column.key) for column in COLUMNS],
        )
        sections.setdefault(row["section"], []).append(found)
    return list(sections.items())


def _cell(row: int, cell: dict[str, Any]) -> Cell:
    titles = {column.key: column.title for column in COLUMNS}
    return Cell(
        row=row,
        key=cell["key"],
        status=cell["status"],
        tried=sum(note["tried"] for note in cell["notes"]),
        title=titles.get(cell["key"], "The whole installation"),
    )
