"""TCP ports of this machine."""

from __future__ import annotations

import os
import socket

from ragadmin.errors import ConfigurationError


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check_port_is_free(host: str, port: int) -> None:
    """Raises ConfigurationError with what to do if `host:port` cannot be listened on."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} on {host} cannot be used ({os.strerror(error.errno or 0)}): "
            "stop what uses it, or choose another with --port or PORT."
            if not isinstance(error, socket.gaierror)
            else f"HOST {host!r} is not an address of this machine: use 127.0.0.1 or 0.0.0.0."
        ) from None
