"""How people come in: by invitation, with a browser session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpResponse
from rest_framework.authentication import CSRFCheck, SessionAuthentication

from ragadmin.errors import PermissionDenied
from tenants.access import OperatorCaller, caller_of_person

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from tenants.config import Caller
    from tenants.models import User

TENANT_HEADER = "X-Ragadmin-Tenant"


class InvitationOnlyAdapter(DefaultAccountAdapter):
    """Accounts are made by owners, admins and operators; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return "/"


class TenantSessionAuthentication(SessionAuthentication):
    """A browser session, for the tenant that the header or `?tenant=` names; CSRF is enforced.

    With no tenant named, an operator acts on the fleet and anybody else may do nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Caller | OperatorCaller | None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: User = found[0]
        slug = request.headers.get(TENANT_HEADER) or request.query_params.get("tenant", "")
        if slug:
            return user, caller_of_person(user, slug)
        if user.is_operator:
            return user, OperatorCaller(label=user.email, user_id=user.pk)
        return user, None

    def enforce_csrf(self, request: Request) -> None:
        check = CSRFCheck(lambda _request: HttpResponse())
        check.process_request(request)
        if check.process_view(request, None, (), {}):
            raise PermissionDenied(
                "The CSRF token is missing or wrong: send the X-CSRFToken header "
                "with the value of the csrftoken cookie, from the same site.",
                code="csrf_failed",
            )
