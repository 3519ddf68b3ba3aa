"""Every error that a caller of ragadmin can meet.

RagadminError
├── ConfigurationError      a setting is missing or malformed: stops the start with one line
├── TenantNotSet            code touched tenant data with no tenant in force
│   └── TenantGone          404, the tenant was deleted meanwhile
├── SchemaMissing           503, a tenant's tables are not where they must be; others are unaffected
├── InvalidRequest          400, what was sent cannot be used
├── NotAuthenticated        401
├── PermissionDenied        403
├── NotFound                404, also for what belongs to somebody else
├── Conflict                409
├── TooLarge                413
├── RateLimited             429
├── BudgetExceeded          429, what may be spent is spent; it goes on when the budget begins anew
├── Unavailable             503, a service this needs is away; trying again can help
├── ExtractionError         a document cannot be read; `code` is one of the document error codes
└── ProviderError           502/503/504, a model endpoint failed; `permanent` says if a retry can help
"""

from __future__ import annotations

from typing import Any


class RagadminError(Exception):
    """Carries what the caller is told: `code`, `message`, `extra` and the HTTP `status`."""

    code = "internal"
    status = 500
    permanent = True
    # As OpenAI's routes call it; empty: by the status.
    openai_type = ""

    def __init__(
        self, message: str, *, code: str | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.extra = extra or {}

    @property
    def headers(self) -> dict[str, str]:
        """Of the response, beside its body. `extra.retry_after_seconds` says when to come again."""
        seconds = self.extra.get("retry_after_seconds")
        return {} if seconds is None else {"Retry-After": str(seconds)}

    def as_body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "extra": self.extra}}

    def as_openai_body(self) -> dict[str, Any]:
        """OpenAI's error shape, for the OpenAI-compatible routes."""
        by_status = "invalid_request_error" if self.status < 500 else "api_error"
        kind = self.openai_type or by_status
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.extra.get("field"),
                "code": self.code,
            }
        }


class ConfigurationError(RagadminError):
    code = "configuration"


class TenantNotSet(RagadminError):
    code = "tenant_not_set"

    def __init__(
        self, message: str = "No tenant is in force: enter tenant_context() first."
    ) -> None:
        super().__init__(message)


class TenantGone(TenantNotSet):
    code = "tenant_gone"
    status = 404


class SchemaMissing(RagadminError):
    code = "schema_missing"
    status = 503

    def __init__(self, slug: str, schema_name: str) -> None:
        super().__init__(
            f"The tables of the tenant {slug} are missing from the database (schema {schema_name}): "
            "an operator of this installation has to restore them from a backup.",
            extra={"tenant": slug},
        )


class InvalidRequest(RagadminError):
    code = "invalid_request"
    status = 400


class NotAuthenticated(RagadminError):
    code = "not_authenticated"
    status = 401
    openai_type = "authentication_error"


class PermissionDenied(RagadminError):
    code = "permission_denied"
    status = 403
    openai_type = "permission_error"


class NotFound(RagadminError):
    code = "not_found"
    status = 404


class Conflict(RagadminError):
    code = "conflict"
    status = 409


class TooLarge(RagadminError):
    code = "too_large"
    status = 413


class RateLimited(RagadminError):
    code = "rate_limited"
    status = 429
    permanent = False
    openai_type = "rate_limit_error"


class BudgetExceeded(RagadminError):
    code = "budget_exceeded"
    status = 429
    openai_type = "insufficient_quota"

    @property
    def headers(self) -> dict[str, str]:
        """OpenAI's clients try a 429 again at once unless they are told not to."""
        return {**super().headers, "x-should-retry": "false"}


class Unavailable(RagadminError):
    code = "unavailable"
    status = 503
    permanent = False


class ExtractionError(RagadminError):
    """`code`: empty, unsupported, encrypted, corrupt, no_text, too_large or timeout."""

    code = "corrupt"
    status = 422


class ProviderError(RagadminError):
    """`code`: model_unreachable, model_timeout, model_error, model_invalid or model_interrupted."""

    code = "model_error"
    status = 502

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        extra: dict[str, Any] | None = None,
        permanent: bool = False,
    ) -> None:
        super().__init__(message, code=code, extra=extra)
        self.permanent = permanent
        # The tokens that it has to be paid for all the same (retrieval.types.Usage); None: none.
        self.usage: Any = None
