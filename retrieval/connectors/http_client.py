"""GET for websites that may be hostile: from checked addresses, slowly, and never too much.

One request at a time with a gap between them, over connections that are kept. Redirects are told
and not followed, proxies of the environment not used.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpcore2

from ragadmin.errors import RagadminError, TooLarge
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.hosts import resolve_public
from retrieval.connectors.links import origin_of
from retrieval.connectors.turns import end_turn, take_turn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from httpcore2 import SOCKET_OPTION

CONNECT_SECONDS = 10.0
# How much of an error page is read so that the connection can be kept.
MAX_ERROR_BYTES = 64 * 2**10
MAX_ADDRESSES = 3
USER_AGENT = "ragadmin"
CHUNK = 64 * 2**10


class NoAnswer(RagadminError):
    """The server cannot be reached, is too slow, or what it sends is no HTTP."""

    code = "unreachable"
    status = 502
    permanent = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of `headers` are lower case. Without its body where that was not wanted."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    is_whole: bool = False

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        parameters = self.headers.get("content-type", "").lower().partition("charset=")[2]
        return parameters.partition(";")[0].strip(" \"'")

    @property
    def location(self) -> str:
        if self.status not in {301, 302, 303, 307, 308}:
            return ""
        value = self.headers.get("location", "")
        try:
            return value.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return value


def read_all(_: Answer) -> bool:
    return True


class HttpClient:
    """`origin`: the only place that is told the credentials."""

    def __init__(self, origin: str, credentials: Mapping[str, str], gap: float) -> None:
        self.origin = origin
        self.gap = gap
        self._credentials = credentials
        self._network = CheckedNetwork()
        self._pool = httpcore2.ConnectionPool(
            max_connections=2, keepalive_expiry=60, network_backend=self._network
        )

    def close(self) -> None:
        self._pool.close()

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        wants_body: Callable[[Answer], bool] = read_all,
        max_bytes: int,
        seconds: float = 30.0,
    ) -> Answer:
        """Raises NoAnswer, TooLarge, and SourceUnavailable for a private address."""
        sent = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"}
        sent |= headers or {}
        origin = origin_of(url)
        if origin == self.origin:
            sent |= authorize(self._credentials)
        for is_last in (False, True):
            take_turn(origin, self.gap)
            self._network.deadline = time.monotonic() + seconds
            try:
                return self._get(url, sent, wants_body, max_bytes)
            except httpcore2.RemoteProtocolError as error:
                # Most often a kept connection that the server just closed.
                if is_last:
                    raise NoAnswer(f"The server breaks off ({_plain(error)}).") from None
            except (httpcore2.TimeoutException, TimeoutError):
                raise NoAnswer(
                    f"No whole answer in {seconds:.0f} seconds.", code="timeout"
                ) from None
            except (httpcore2.NetworkError, httpcore2.ProtocolError, zlib.error) as error:
                raise NoAnswer(f"The server cannot be reached ({_plain(error)}).") from None
            finally:
                end_turn(origin)
        raise AssertionError("the second try returns or raises")

    @property
    def identity(self) -> str:
        """The same for those to whom a site shows the same, and tells nothing of credentials."""
        return hashlib.sha256(repr(sorted(self._credentials.items())).encode()).hexdigest()

    def _get(
        self,
        url: str,
        headers: Mapping[str, str],
        wants_body: Callable[[Answer], bool],
        max_bytes: int,
    ) -> Answer:
        timeouts = {"connect": CONNECT_SECONDS, "read": 15.0, "write": 15.0, "pool": 15.0}
        with self._pool.stream(
            "GET", url, headers=list(headers.items()), extensions={"timeout": timeouts}
        ) as response:
            answer = Answer(url, response.status, _join_headers(response.headers))
            if answer.status == 200 and wants_body(answer):
                body = read_body(response.iter_stream(), answer, max_bytes)
                return Answer(url, answer.status, answer.headers, body, is_whole=True)
            if answer.status != 200:
                _drain(response.iter_stream())
            return answer


def authorize(credentials: Mapping[str, str]) -> dict[str, str]:
    """Raises SourceUnavailable for a token that no header can carry."""
    username, password = credentials.get("username", ""), credentials.get("password", "")
    if token := credentials.get("token", "").strip():
        if not (token.isascii() and token.isprintable()):
            raise SourceUnavailable(
                "The token has characters that no token has. Enter it again.",
                code="forbidden",
                permanent=True,
            )
        return {"Authorization": f"Bearer {token}"}
    if username or password:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        return {"Authorization": f"Basic {pair}"}
    return {}


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__


def _join_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def read_body(chunks: Iterable[bytes], answer: Answer, max_bytes: int) -> bytes:
    """Decoded, and given up as soon as it is too large. Raises TooLarge, NoAnswer."""
    length = answer.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        chunks = unpack(chunks, max_bytes)
    elif encoding not in {"", "identity"}:
        raise NoAnswer(f"The answer is encoded as {encoding!r}, which was not asked for.")
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def unpack(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """gzip, in pieces: how little it takes to make gigabytes does not matter. Raises zlib.error."""
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=31)
            yield unpacker.decompress(data, CHUNK)
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while not unpacker.eof and (rest := unpacker.decompress(b"", CHUNK)):
        yield rest
    if not unpacker.eof:
        raise zlib.error("the packed answer ends too early")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The answer is larger than {max_bytes // 2**20} MB.")


def _drain(chunks: Iterable[bytes]) -> None:
    """A connection can be used again when its answer was read to the end."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_ERROR_BYTES:
            return


class CheckedNetwork(httpcore2.NetworkBackend):
    """Connects to the very address that was checked. `deadline` binds the request as a whole."""

    def __init__(self) -> None:
        self._network = httpcore2.SyncBackend()
        self.deadline = float("inf")

    def limit(self, timeout: float | None) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        *others, last = resolve_public(host, port)[:MAX_ADDRESSES]
        for address in others:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self._connect(str(address), port, timeout, socket_options)
        return self._connect(str(last), port, timeout, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        options: Iterable[SOCKET_OPTION] | None,
    ) -> httpcore2.NetworkStream:
        stream = self._network.connect_tcp(
            address, port, self.limit(timeout), socket_options=options
        )
        return _LimitedStream(stream, self)


class _LimitedStream(httpcore2.NetworkStream):
    """A body that trickles on for ever ends with the time for its request."""

    def __init__(self, stream: httpcore2.NetworkStream, network: CheckedNetwork) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.limit(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.limit(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        limit = self._network.limit(timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        return _LimitedStream(stream, self._network)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
