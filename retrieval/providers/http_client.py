"""The one way to make an HTTP client of a model service."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx2
import openai

if TYPE_CHECKING:
    from ssl import SSLContext


def new_http_client(**options: Any) -> openai.DefaultAioHttpClient:
    return openai.DefaultAioHttpClient(verify=_trusted_certificates(), **options)


@lru_cache(maxsize=1)
def _trusted_certificates() -> SSLContext:
    """The machine's: reading them takes 26 ms of CPU, in which the event loop serves nobody."""
    return httpx2.create_ssl_context()
