"""Sockets that connect to public addresses only, whatever a name or a redirect leads to."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retrieval.connectors.hosts import check_address, resolve_public

if TYPE_CHECKING:
    from collections.abc import Callable


def guard_sockets(endpoint: str | None) -> Callable[[Any], socket.socket]:
    """For aiohttp, which asks for a socket when it has the address that it is going to connect to.

    Raises SourceUnavailable for an endpoint that is private and not allowed.
    """
    allowed = set()
    if endpoint:
        parts = urlsplit(endpoint)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        allowed = {(address, port) for address in resolve_public(parts.hostname or "", port)}

    def make_socket(target: Any) -> socket.socket:
        family, kind, proto, _, (host, port, *_) = target
        if (ip_address(host), port) not in allowed:
            check_address(host)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)
        return made

    return make_socket
