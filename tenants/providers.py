"""Model endpoints that an operator adds in the console."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import openai
from django.db import IntegrityError, transaction
from django.db.models import Count

from ragadmin.errors import Conflict, InvalidRequest, ProviderError
from tenants.audit import record_event
from tenants.config import ModelEndpoint
from tenants.models import Provider
from tenants.provider_usage import usage_of
from tenants.secrets import decrypt, encrypt

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import User

TEST_SECONDS = 8.0
ERRNO = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True, slots=True)
class EndpointTest:
    """What GET /models said: how many there are, and which of the two wanted are not among them."""

    models: tuple[str, ...]
    missing: tuple[str, ...]


def list_providers() -> QuerySet[Provider]:
    """With `tenant_count`, those that chose it, and `route_count`."""
    counts = {
        "tenant_count": Count("tenant", distinct=True),
        "route_count": Count("modelroute", distinct=True),
    }
    return Provider.objects.annotate(**counts).order_by("-is_default", "name")


def endpoint_of(provider: Provider) -> ModelEndpoint:
    stored = provider.api_key_encrypted
    return ModelEndpoint(
        name=provider.name,
        base_url=provider.base_url,
        api_key=decrypt(stored) if stored else "",
        small_model=provider.small_model,
        large_model=provider.large_model,
    )


def unsaved_endpoint(entered: ModelEndpoint, provider: Provider | None) -> ModelEndpoint:
    """What was entered, with the stored key where none was. Raises InvalidRequest."""
    if provider is None or entered.api_key or not provider.api_key_encrypted:
        return entered
    _check_key_stays_home(provider, entered)
    return replace(entered, api_key=decrypt(provider.api_key_encrypted))


def save_provider(
    endpoint: ModelEndpoint,
    *,
    actor: User,
    provider: Provider | None = None,
    forget_key: bool = False,
) -> Provider:
    """Adds an endpoint or changes `provider`. No key given: the stored one stays, unless forgotten."""
    row = provider or Provider()
    verb = "changed" if row.pk else "added"
    if row.pk and row.api_key_encrypted and not forget_key and not endpoint.api_key:
        _check_key_stays_home(row, endpoint)
    row.name, row.base_url = endpoint.name, endpoint.base_url
    row.small_model, row.large_model = endpoint.small_model, endpoint.large_model
    if endpoint.api_key or forget_key:
        row.api_key_encrypted = encrypt(endpoint.api_key) if endpoint.api_key else ""
    try:
        with transaction.atomic():
            row.save()
            record_event(f"provider.{verb}", actor=actor, target=row.name, base_url=row.base_url)
    except IntegrityError:
        raise Conflict(
            f"There is already an endpoint named {endpoint.name!r}: choose another name.",
            extra={"field": "name"},
        ) from None
    return row


def _check_key_stays_home(row: Provider, endpoint: ModelEndpoint) -> None:
    """A stored key is shown to nobody, so it may not be sent to a new address unseen either."""
    if row.base_url != endpoint.base_url:
        raise InvalidRequest(
            "The address has changed: enter the key for it, or remove the stored one.",
            extra={"field": "api_key"},
        )


@transaction.atomic
def make_default(provider: Provider, *, actor: User) -> None:
    Provider.objects.filter(is_default=True).exclude(pk=provider.pk).update(is_default=False)
    if Provider.objects.filter(pk=provider.pk, is_default=False).update(is_default=True):
        record_event("provider.made_default", actor=actor, target=provider.name)


@transaction.atomic
def delete_provider(provider: Provider, *, actor: User) -> None:
    """Tenants that chose it go on with the default; routes to it go with it."""
    name, usage = provider.name, usage_of(provider)
    provider.delete()
    record_event(
        "provider.deleted",
        actor=actor,
        target=name,
        tenants_chose_it=usage.tenant_count,
        routes_deleted=usage.route_count,
    )


def try_endpoint(endpoint: ModelEndpoint) -> EndpointTest:
    """Asks the endpoint for its models. Raises ProviderError that says what was wrong."""
    client = openai.OpenAI(
        base_url=endpoint.base_url or None,
        api_key=endpoint.api_key or "none",
        timeout=TEST_SECONDS,
        max_retries=0,
    )
    with client:
        models = _ask_for_models(client, str(client.base_url))
    wanted = dict.fromkeys((endpoint.small_model, endpoint.large_model))
    return EndpointTest(models, tuple(name for name in wanted if name not in models))


def _ask_for_models(client: openai.OpenAI, address: str) -> tuple[str, ...]:
    try:
        return tuple(model.id for model in client.models.list().data)
    except openai.APITimeoutError:
        raise ProviderError(
            f"No answer from {address} within {TEST_SECONDS:.0f} seconds.", code="model_timeout"
        ) from None
    except openai.APIConnectionError as error:
        reason = ERRNO.sub("", str(error.__cause__ or error))
        raise ProviderError(
            f"{address} cannot be reached: {reason}.", code="model_unreachable"
        ) from None
    except openai.APIStatusError as error:
        raise ProviderError(_refusal(address, error.status_code)) from None
    except (openai.OpenAIError, AttributeError, TypeError, ValueError):
        raise ProviderError(
            f"What answers at {address} is not an OpenAI-compatible endpoint. "
            "The address usually ends with /v1.",
            code="model_invalid",
        ) from None


def _refusal(address: str, status: int) -> str:
    if status in (401, 403):
        return f"{address} refuses the API key (HTTP {status}): enter another one."
    if status == 404:
        return f"{address} has no /models (HTTP 404): the address usually ends with /v1."
    return f"{address} answered with HTTP {status}."
