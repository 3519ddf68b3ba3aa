"""What went wrong at an OpenAI-compatible endpoint, in words that say what to do."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from ragadmin.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator

PERMANENT = frozenset({400, 401, 403, 404, 422})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`subject` begins a sentence; `address` and `credential` say where they are set."""

    subject: str
    address: str
    credential: str
    expected: str


@contextmanager
def told_plainly(endpoint: Endpoint) -> Iterator[None]:
    """Raises ProviderError: model_unreachable, model_timeout, model_error, model_invalid, or
    model_interrupted for a connection that ended in the middle."""
    try:
        yield
    except (openai.APIConnectionError, httpx2.TimeoutException, TimeoutError) as error:
        raise _connection_error(endpoint, error) from error
    except openai.APIStatusError as error:
        raise _status_error(endpoint, error) from error
    except (openai.APIError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ProviderError(
            f"{endpoint.subject} answered with something that is not {endpoint.expected} "
            f"({type(error).__name__}: {str(error)[:120]}): check {endpoint.address}, which often "
            "ends in /v1, and the model's name.",
            code="model_invalid",
            permanent=True,
        ) from error
    except (httpx2.HTTPError, OSError) as error:
        raise ProviderError(
            f"{endpoint.subject} stopped in the middle of its answer: try again.",
            code="model_interrupted",
        ) from error


def _connection_error(endpoint: Endpoint, error: Exception) -> ProviderError:
    """A refused connection reaches us as a connect timeout; both mean that nobody answers there."""
    late = isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError))
    if late and not isinstance(error.__cause__, httpx2.ConnectTimeout):
        return ProviderError(
            f"{endpoint.subject} did not answer in time: try again, or choose another model.",
            code="model_timeout",
        )
    return ProviderError(
        f"{endpoint.subject} cannot be reached: check {endpoint.address}.",
        code="model_unreachable",
    )


def _status_error(endpoint: Endpoint, error: openai.APIStatusError) -> ProviderError:
    advice = {
        401: f"check {endpoint.credential}",
        403: "the API key may not use this model",
        404: f"check {endpoint.address} and the model's name",
        429: "it limits the rate or the budget is used up; wait a little",
    }.get(error.status_code, "try again, or choose another model")
    extra: dict[str, Any] = {"upstream_status": error.status_code}
    if seconds := _retry_after(error.response.headers.get("retry-after", "")):
        extra["retry_after"] = seconds
    return ProviderError(
        f"{endpoint.subject} answered {error.status_code}: {advice}.",
        extra=extra,
        permanent=error.status_code in PERMANENT,
    )


def _retry_after(header: str) -> float:
    """In seconds; 0 for none, for a date that has passed and for what cannot be read."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
