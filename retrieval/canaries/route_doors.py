"""Doors of the API and the pages, one for each route that Django knows: a new route is tried from the
day it is added, or the check fails because it does not know what to put into the route's address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from retrieval.canaries.calls import Reply, call_api
from retrieval.canaries.cast import Attempt, Cast  # noqa: TC001 - the door's signature
from retrieval.canaries.doors import NOTHING, Door, Sight, add_up, door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API, PAGES = "API", "Pages"
API_ROOT, PAGE_ROOT = "api/v1/", "t/<slug:slug>/"
LISTS = (
    "documents/", "sources/", "sync-runs/", "golden-questions/", "alert-rules/", "alerts/",
    "alerts/rules/", "alerts/notifiers/", "notifiers/",
)  # fmt: skip
ACTIONS = tuple(
    f"{name}/"
    for name in (
        "retry", "delete", "feedback", "status", "again", "diagnose", "golden", "sync", "pause", "resume",
        "confirm", "cancel", "undo", "save", "mute", "enabled", "test", "secret",
    )
)  # fmt: skip
# What an answer cost and how it was made, without a word of the documents.
FIGURES = ("traces/<uuid:trace_id>/turn/",)
# These are for operators: every visitor of a tenant is refused, its own owner too.
ADMIN_ROOT = "django-admin/"
OPERATOR_ROOTS = ("api/v1/tenants/", "operator/", "metrics", ADMIN_ROOT)
# No tenant's data: probes of life, signing in, the API's own description, whatever is unknown.
OPEN_ROOTS = ("healthz", "readyz", "accounts/", "api/schema/", "api/docs/", "^api/")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Of things that every installation has, and no tenant.
INSTALLATION_IDS = {
    "pk": 1,
    "number": UUID(int=1),
    "kind": "folder",
    "object_id": 1,
    "content_type_id": 1,
    "day": "",
    "chart": "costs",
}
# Of things that a person may not see without its access level.
LEVELLED = frozenset({"document_id", "source_id", "run_id", "question_id"})
# Named with the word of a canary, and with nothing of its documents in them.
WATCHED = frozenset({"rule_id", "alert_id", "notifier_id"})
# What the route wants to read before it looks for the id.
BODIES: dict[str, Any] = {"answers/<uuid:answer_id>/feedback/": {"rating": "up"}}
QUERIES = {"sync-runs/<uuid:run_id>/paths/": "?kind=added"}
# A page that only takes the other method.
WRONG_METHOD = 405


@dataclass(frozen=True, slots=True)
class Route:
    address: str
    methods: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(PARAMETER.findall(self.address))

    @property
    def is_for_operators(self) -> bool:
        return self.address.startswith(OPERATOR_ROOTS)

    @property
    def is_api(self) -> bool:
        return self.address.startswith(API_ROOT)

    def path(self, ids: dict[str, Any]) -> str:
        return "/" + PARAMETER.sub(lambda found: str(ids[found[1]]), self.address)


def route_doors() -> list[Door]:
    routes = sorted(find_routes(), key=lambda route: (route.is_for_operators, not route.is_api))
    doors = []
    for (for_operators, is_page), found in groupby(
        routes, key=lambda route: (route.is_for_operators, not route.is_api)
    ):
        section = PAGES if is_page else API
        if for_operators:
            doors.append(_operator_door(section, list(found)))
        else:
            doors += [_tenant_door(section, route) for route in found]
    return doors


def find_routes() -> list[Route]:
    """Each route that could show or take something of a tenant."""
    return [
        Route(address, _methods(pattern))
        for address, pattern in _walk(get_resolver().url_patterns, "")
        if not address.startswith(OPEN_ROOTS) and address and not _is_admins_own(address)
    ]


def _is_admins_own(address: str) -> bool:
    """Lists of models by expression: they lead to pages that are tried, or to none."""
    return address.startswith(ADMIN_ROOT) and "(?P<" in address


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, address)
        else:
            yield address, pattern


def _methods(pattern: URLPattern) -> tuple[str, ...]:
    """A page does not tell which it takes: one that refuses the first is tried with the second."""
    view = getattr(pattern.callback, "cls", None)
    if view is None:
        return ("GET", "POST")
    wanted = ("get", "post", "put", "patch", "delete")
    return tuple(name.upper() for name in wanted if hasattr(view, name))


def _tenant_door(section: str, route: Route) -> Door:
    return Door(
        section=section,
        title=f"/{route.address}",
        about=f"{', '.join(route.methods)} with the visitor's own "
        f"{'API key' if route.is_api else 'browser session'} and the canary's ids.",
        probe=_probe(route),
        shows_own=_holds_documents(route),
        # Each canary is somebody's target; who it is changes nothing about how a route looks for it.
        every_pair=False,
    )


def _holds_documents(route: Route) -> bool:
    """Lists, a document, a source, a run, an answer, a rule: its owner sees the word there."""
    names = {*LEVELLED, *WATCHED, "answer_id", "trace_id", "evaluation_id"}
    is_list = route.address in {root + name for root in (API_ROOT, PAGE_ROOT) for name in LISTS}
    is_without = route.address.endswith((*ACTIONS, *FIGURES))
    return is_list or (bool(names & set(route.parameters)) and not is_without)


def _operator_door(section: str, routes: list[Route]) -> Door:
    def probe(cast: Cast, attempt: Attempt) -> Sight:
        return add_up(_probe(route)(cast, attempt) for route in routes)

    what = "pages" if section == PAGES else "API"
    about = f"All {len(routes)} routes for operators, with what a tenant's owner has."
    return Door(
        section=section,
        title=f"The operator's {what}",
        about=about,
        probe=probe,
        shows_own=False,
        within=False,
        every_pair=False,
    )


def _probe(route: Route) -> Callable[[Cast, Attempt], Sight]:
    def probe(cast: Cast, attempt: Attempt) -> Sight:
        sights = []
        for ids in _ids(route, attempt):
            unknown = [name for name in route.parameters if name not in ids]
            if unknown:
                return Sight(broken=f"Not probed: no canary has a {unknown[0]}.")
            for method in _methods_to_try(route, attempt):
                # Whatever refuses the method to one refuses it to all.
                if (route.address, method) in cast.kept:
                    continue
                reply = _ask(cast, route, attempt, method, ids)
                if reply.status == WRONG_METHOD:
                    cast.kept[route.address, method] = reply
                sights.append(_judge(route, attempt, method, reply))
        return add_up(sights)

    return probe


def _ids(route: Route, attempt: Attempt) -> Iterator[dict[str, Any]]:
    """The canary's ids below the canary's address, and below the visitor's own."""
    # Today has what was asked for this check.
    today = timezone.now().date().isoformat()
    ids = INSTALLATION_IDS | {"day": today} | dict(attempt.target.ids)
    yield ids
    has_more = set(route.parameters) - {"slug", *INSTALLATION_IDS}
    if attempt.is_foreign and has_more and "slug" in route.parameters:
        yield ids | {"slug": attempt.visitor.tenant.slug}


def _methods_to_try(route: Route, attempt: Attempt) -> tuple[str, ...]:
    """A visitor who is at home may change what is theirs: only what is out of sight is tried.

    Without an id in the address there is nothing of another tenant's to change.
    """
    if route.is_for_operators:
        return route.methods
    out_of_sight = _has_level(route) and not _may_read(attempt)
    changes_something = route.parameters and (attempt.is_foreign or out_of_sight)
    return route.methods if changes_something else tuple(set(route.methods) & {"GET"})


def _may_read(attempt: Attempt) -> bool:
    """Owners at home."""
    return not attempt.is_foreign and "internal" in attempt.visitor.levels


def _must_refuse(route: Route, attempt: Attempt) -> bool:
    if attempt.is_foreign:
        return route.is_for_operators or bool(route.parameters)
    return _has_level(route) and not _may_read(attempt)


def _has_level(route: Route) -> bool:
    return not LEVELLED.isdisjoint(route.parameters)


def _ask(cast: Cast, route: Route, attempt: Attempt, method: str, ids: dict[str, Any]) -> Reply:
    """Where nothing of the canary's is in the request, it is the same for all that the visitor is
    after: sent once, and looked at for each. Owners at home have been there before."""
    if not INSTALLATION_IDS.keys() >= set(route.parameters):
        return _call(route, attempt, method, ids)
    request = (attempt.visitor.key_id, attempt.is_foreign, method, route.address)
    if request not in cast.kept:
        cast.kept[request] = _call(route, attempt, method, ids)
    return cast.kept[request]


def _call(route: Route, attempt: Attempt, method: str, ids: dict[str, Any]) -> Reply:
    path, visitor = route.path(ids), attempt.visitor
    if not route.is_api:
        return visitor.browser.call(method, path)
    name = route.address.removeprefix(API_ROOT)
    path += QUERIES.get(name, "")
    return call_api(method, path, visitor.key, BODIES.get(name))


def _judge(route: Route, attempt: Attempt, method: str, reply: Reply) -> Sight:
    said = f"{method} {route.address} said {reply.status}."
    if reply.status == WRONG_METHOD:
        return NOTHING
    if reply.status >= 500:
        return Sight(broken=said)
    if not _must_refuse(route, attempt):
        return Sight(reply.text, broken="" if reply.status < 400 or _is_own(route) else said)
    if reply.is_refused:
        return Sight(reply.text)
    if reply.status < 400:
        return Sight(reply.text, granted=said)
    return Sight(reply.text, broken=f"Refused before the id was looked at: {said}")


def _is_own(route: Route) -> bool:
    """Below one's own tenant a 403 or 404 is an answer: a role that may not, a thing not seen."""
    return bool(route.parameters)


@door(API, "The API with a browser session", shows_own=True, within=False)
def use_session_for_api(cast: Cast, attempt: Attempt) -> Sight:
    """GET /api/v1/documents/ with the visitor's browser session, in the name of the canary's tenant."""
    headers = {"x-ragadmin-tenant": attempt.target.tenant.slug}
    reply = attempt.visitor.browser.call("GET", "/api/v1/documents/", headers)
    if not attempt.is_foreign:
        return Sight(reply.text)
    said = "" if reply.is_refused else f"It said {reply.status}."
    return Sight(reply.text, granted=said)
