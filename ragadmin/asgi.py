"""One port, two stacks: the hot routes skip Django's middleware, the console is ordinary Django.

Django refuses ASGI's lifespan, so the pools are opened and closed here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.core.asgi import get_asgi_application

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragadmin.settings.dev")
console = get_asgi_application()

from retrieval.query import http, lifespan  # noqa: E402 - needs the settings

# The console answers GET on the same addresses: the list of answers is not hot.
HOT_POSTS = frozenset({"/api/v1/answers/", "/api/v1/search/"})
HOT_PREFIXES = ("/v1/", "/stream/")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan.serve(receive, send)
    elif is_hot(scope):
        await http.application(scope, receive, send)
    else:
        await console(scope, receive, send)


def is_hot(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(HOT_PREFIXES) or (scope.get("method") == "POST" and path in HOT_POSTS)
