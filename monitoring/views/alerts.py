"""What is wrong now, and what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from monitoring.alert_list import alerts_of, rows_of
from monitoring.alert_rules import muted_until, rules_of

if TYPE_CHECKING:
    from django.http import HttpResponse

    from monitoring.views.place import Place, PlaceRequest

PAST_ON_A_PAGE = 25
# More open ones than this are not read one by one.
MOST_OPEN = 200


@require_safe
def alerts(request: PlaceRequest, place: Place) -> HttpResponse:
    now = timezone.now()
    found = alerts_of(place.owner)
    still_open = found.filter(resolved_at=None)
    past = found.filter(resolved_at__isnull=False)
    page = Paginator(past, PAST_ON_A_PAGE).get_page(request.GET.get("page"))
    rows = rows_of(still_open[:MOST_OPEN], now)
    context = {
        "place": place,
        "section": "alerts",
        "open": rows,
        "open_count": still_open.count() if len(rows) == MOST_OPEN else len(rows),
        "muted": muted_until([row.alert.rule for row in rows], place.owner),
        "page": page,
        "past": rows_of(page, now),
        "has_rules": rules_of(place.owner).filter(is_enabled=True).exists(),
    }
    template = "_alerts" if request.htmx else "alerts"
    return render(request, f"monitoring/{template}.html", context)
