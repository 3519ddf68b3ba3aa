"""POST to an address that somebody entered: to the very public address that was checked, in bounded time,
with little read back, and following nothing."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore2

from monitoring.notifiers.base import NotifierError
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.http_client import USER_AGENT, CheckedNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS, WHOLE_SECONDS = 5.0, 10.0
# Of the answer: enough for what receivers say, and no more.
MOST_BYTES = 16 * 2**10
# A receiver that is busy or starts anew; all else below 500 stays as it is.
WORTH_ANOTHER_TRY = (408, 425, 429)
PRIVATE = (
    "{} leads to a private address. Only public addresses are notified; whoever runs this installation"
    " can allow a private host in RAGADMIN_PRIVATE_HOSTS."
)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status, which is a success. Raises NotifierError."""
    network = CheckedNetwork()
    network.deadline = time.monotonic() + WHOLE_SECONDS
    timeouts = dict.fromkeys(("read", "write", "pool"), WHOLE_SECONDS)
    sent = {"User-Agent": USER_AGENT, "Content-Type": "application/json", **headers}
    sent |= {"Content-Length": str(len(body)), "Connection": "close"}
    try:
        with (
            httpcore2.ConnectionPool(network_backend=network) as pool,
            pool.stream(
                "POST",
                url,
                headers=list(sent.items()),
                content=body,
                extensions={"timeout": {"connect": CONNECT_SECONDS, **timeouts}},
            ) as response,
        ):
            _read_a_little(response)
    except SourceUnavailable as error:
        raise _no_address(url, error) from None
    except (httpcore2.TimeoutException, TimeoutError):
        raise NotifierError(f"No answer within {WHOLE_SECONDS:.0f} seconds.") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise NotifierError(f"It cannot be reached ({type(error).__name__}).") from None
    _check(response.status)
    return response.status


def _read_a_little(response: httpcore2.Response) -> None:
    """So that the receiver is not cut off while it answers."""
    size = 0
    for chunk in response.iter_stream():
        size += len(chunk)
        if size > MOST_BYTES:
            return


def _no_address(url: str, error: SourceUnavailable) -> NotifierError:
    host = urlsplit(url).hostname or ""
    if error.code == "private_address":
        return NotifierError(PRIVATE.format(host), permanent=True)
    return NotifierError(f"The name {host} cannot be resolved. Check its spelling.")


def _check(status: int) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotifierError(
            f"It answers {_words(status)}, a redirect, which is not followed: enter the address that"
            " it leads to.",
            permanent=True,
        )
    raise NotifierError(
        f"It answers {_words(status)}.",
        permanent=status < 500 and status not in WORTH_ANOTHER_TRY,
    )


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
