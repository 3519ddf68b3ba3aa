"""What the shell of every page needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.conf import settings

from tenants.isolation.runs import newest_result
from tenants.models import Membership, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from tenants.models import IsolationRun

THEMES = ("light", "dark")
# Operators may see thousands: the switch shows the newest, the tenants page finds the rest.
SWITCH_LIMIT = 12
# Paths and not url names: the pages of retrieval are above this layer.
MEMBER_PAGES = (
    ("Overview", "home", ""),
    ("Playground", "message", "playground/"),
    ("Documents", "document", "documents/"),
    ("Traces", "activity", "traces/"),
)
QUALITY_PAGES = (
    ("Dashboard", "chart", "dashboard/"),
    ("Alerts", "bell", "alerts/"),
    ("Reports", "document", "reports/"),
    ("Feedback", "thumb-down", "feedback/"),
    ("Evaluation", "check", "evaluation/"),
)
ADMIN_PAGES = (
    ("Sources", "folder", "sources/"),
    ("Sync runs", "refresh", "sync-runs/"),
    ("Bench", "search", "bench/"),
    ("Members", "users", "members/"),
    ("API keys", "key", "keys/"),
    ("Settings", "settings", "settings/"),
)
CHECK_PAGE = "/operator/isolation/"
# Pages that stand below no link of their own, and the one that leads to them.
BELOW = {
    "new-tenant/": "tenants/",
    "import/": "tenants/",
    "golden-questions/": "evaluation/",
}
OPERATOR_PAGES = (
    ("Overview", "chart", ""),
    ("Alerts", "bell", "alerts/"),
    ("Reports", "document", "reports/"),
    ("Tenants", "tenant", "tenants/"),
    ("Fleet", "list", "fleet/"),
    ("Isolation", "lock", "isolation/"),
    ("Models", "model", "models/"),
    ("Prices", "coins", "prices/"),
    ("Services", "server", "services/"),
    ("Audit", "shield", "audit/"),
)


# By page: what is to be looked at there, of a tenant or (None) of the installation. Filled by the apps
# above when Django starts.
COUNTS: dict[str, Callable[[Tenant | None], int]] = {}


@dataclass(frozen=True, slots=True)
class NavLink:
    label: str
    icon: str
    href: str
    is_current: bool
    count: int = 0


@dataclass(frozen=True, slots=True)
class NavSection:
    title: str
    links: list[NavLink]


class Navigation:
    """Read by templates/base.html. Nothing is looked up until a template asks, so fragments cost nothing."""

    def __init__(self, request: HttpRequest) -> None:
        self._path = request.path
        self._user: Any = getattr(request, "user", None)
        self._role: str = getattr(request, "role", "") or ""
        self.tenant: Tenant | None = getattr(request, "tenant", None)

    @property
    def is_operator(self) -> bool:
        return bool(self._user and self._user.is_authenticated and self._user.is_operator)

    @cached_property
    def sections(self) -> list[NavSection]:
        found = []
        if self.tenant:
            base = f"/t/{self.tenant.slug}/"
            found.append(self._section("", base, MEMBER_PAGES, self.tenant))
            if self._role in (Membership.Role.OWNER, Membership.Role.ADMIN):
                found.append(self._section("Quality", base, QUALITY_PAGES, self.tenant))
                found.append(self._section("Manage", base, ADMIN_PAGES, self.tenant))
        if self.is_operator:
            found.append(self._section("Installation", "/operator/", OPERATOR_PAGES))
        return found

    @cached_property
    def tenants(self) -> list[Tenant]:
        """Where the user can switch to. One query."""
        if not (self._user and self._user.is_authenticated):
            return []
        if self.is_operator:
            newest = list(Tenant.objects.customers().order_by("-created_at")[:SWITCH_LIMIT])
            here = [self.tenant] if self.tenant and self.tenant not in newest else []
            return [*here, *newest]
        return list(Tenant.objects.filter(membership__user=self._user).order_by("name"))

    @cached_property
    def leaking_run(self) -> IsolationRun | None:
        """For the banner on the operator's pages: the newest isolation check, if it found a leak.

        The check's own page says it itself.
        """
        is_told = self._path == CHECK_PAGE or not self._path.startswith("/operator/")
        if is_told or not self.is_operator:
            return None
        newest = newest_result()
        return newest if newest and newest.leaks else None

    def _section(
        self,
        title: str,
        base: str,
        pages: tuple[tuple[str, str, str], ...],
        tenant: Tenant | None = None,
    ) -> NavSection:
        current = self._current_suffix(base)
        links = [
            NavLink(
                label,
                icon,
                base + suffix,
                suffix == current,
                COUNTS[suffix](tenant) if suffix in COUNTS else 0,
            )
            for label, icon, suffix in pages
        ]
        return NavSection(title, links)

    def _current_suffix(self, base: str) -> str | None:
        """Pages under no link of their own belong to the first one, whose address is the base."""
        for suffix in (
            *BELOW,
            *(page[2] for page in (*MEMBER_PAGES, *QUALITY_PAGES, *ADMIN_PAGES, *OPERATOR_PAGES)),
        ):
            if suffix and self._path.startswith(base + suffix):
                return BELOW.get(suffix, suffix)
        return "" if self._path.startswith(base) else None


def navigation(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    return {
        "nav": Navigation(request),
        "theme": theme if theme in THEMES else "",
        "email_is_configured": bool(settings.EMAIL_URL),
    }
