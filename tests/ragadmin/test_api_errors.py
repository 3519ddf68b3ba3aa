from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from structlog.contextvars import bound_contextvars

from ragadmin import errors
from ragadmin.drf import page_not_found, server_error

KINDS = [
    (errors.InvalidRequest("No."), 400, "invalid_request"),
    (errors.NotAuthenticated("No."), 401, "not_authenticated"),
    (errors.PermissionDenied("No.", code="special"), 403, "special"),
    (errors.NotFound("No."), 404, "not_found"),
    (errors.Conflict("No."), 409, "conflict"),
    (errors.TooLarge("No."), 413, "too_large"),
    (errors.RateLimited("No."), 429, "rate_limited"),
    (errors.ProviderError("No."), 502, "model_error"),
    (exceptions.ValidationError({"name": ["Too long."]}), 400, "invalid_request"),
    (exceptions.ValidationError("Nonsense."), 400, "invalid_request"),
    (exceptions.ParseError(), 400, "invalid_json"),
    (exceptions.NotAuthenticated(), 401, "not_authenticated"),
    (exceptions.AuthenticationFailed(), 401, "not_authenticated"),
    (exceptions.PermissionDenied(), 403, "permission_denied"),
    (exceptions.NotFound(), 404, "not_found"),
    (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
    (exceptions.UnsupportedMediaType("text/x"), 415, "unsupported_media_type"),
    (exceptions.Throttled(wait=3.2), 429, "rate_limited"),
    (Http404("secret path"), 404, "not_found"),
    (DjangoPermissionDenied("secret reason"), 403, "permission_denied"),
    (ZeroDivisionError("secret value"), 500, "internal"),
]


class Failing(APIView):
    permission_classes = ()
    parser_classes = (JSONParser,)
    error: Exception = AssertionError()

    def get(self, request):
        raise self.error

    def post(self, request):
        return Response(request.data)


def call(method: str = "get", error: Exception = KINDS[0][0], **options) -> Any:
    request = getattr(APIRequestFactory(), method)("/api/v1/x/", **options)
    response: Any = Failing.as_view(error=error)(request)
    response.render()
    return response


@pytest.mark.parametrize(("error", "status", "code"), KINDS, ids=lambda value: repr(value)[:40])
def test_every_kind_of_error_has_the_one_shape(error, status, code):
    response = call(error=error)
    assert response.status_code == status
    assert list(response.data) == ["error"]
    assert list(response.data["error"]) == ["code", "message", "extra"]
    assert response.data["error"]["code"] == code
    assert response.data["error"]["message"]
    assert "secret" not in response.content.decode()


def test_validation_error_has_every_field_and_a_summary():
    fields = {"name": ["Too long."], "items": [{}, {"n": ["Not a number."]}]}
    body = call(error=exceptions.ValidationError(fields)).data["error"]
    assert body["message"] == "name: Too long."
    assert body["extra"]["fields"] == fields


def test_unexpected_error_is_logged_under_the_request_id_it_tells(caplog):
    with bound_contextvars(request_id="abc123"):
        response = call(error=ZeroDivisionError("secret value"))
    assert response.data["error"]["extra"] == {"request_id": "abc123"}
    assert any("ZeroDivisionError" in str(record.msg) for record in caplog.records)


def test_throttled_caller_is_told_when_to_return():
    response = call(error=exceptions.Throttled(wait=3.2))
    assert response["Retry-After"] == "4"
    assert response.data["error"]["extra"] == {"retry_after_seconds": 4}


def test_unauthenticated_caller_is_challenged():
    assert call(error=errors.NotAuthenticated("No."))["WWW-Authenticate"].startswith("Bearer")
    assert call(error=exceptions.NotAuthenticated())["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "invalid_json"),
        ('{"a": NaN}', "application/json", 400, "invalid_json"),
        ("a=1", "text/csv", 415, "unsupported_media_type"),
    ],
)
def test_unreadable_body_is_named(body, kind, status, code):
    response = call("post", data=body, content_type=kind)
    assert (response.status_code, response.data["error"]["code"]) == (status, code)


def test_wrong_method_is_named():
    response = call("delete")
    assert (response.status_code, response.data["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing/", "/api/v2/answers/"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_unknown_route_answers_in_json(client, path, method):
    response = getattr(client, method)(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_wrong_method_on_a_hot_route_is_named(client):
    response = client.get("/api/v1/search/")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_errors_outside_the_api_are_pages(client):
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_errors_before_a_view_are_json_under_the_api():
    request = RequestFactory().get("/api/v1/members/")
    assert page_not_found(request, Http404()).headers["Content-Type"] == "application/json"
    assert server_error(request).headers["Content-Type"] == "application/json"
    assert b"<html" in server_error(RequestFactory().get("/")).content
