"""A folder in S3, or in any store that speaks its language."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragadmin.errors import RagadminError, TooLarge
from retrieval.connectors.base import Content, ItemGone, ItemUnreadable, SourceUnavailable
from retrieval.connectors.guarded_sockets import guard_sockets
from retrieval.connectors.reading import check_size, filename_of
from retrieval.connectors.stores import MAX_OBJECTS, check_key, list_object, load, too_many

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.connectors.base import SkippedItem, SourceItem
    from retrieval.connectors.selection import Selection

CONNECT_S = 5
ANSWER_S = 30
WHOLE_FILE_S = 300
READ_AT_ONCE = 2**20
BAD_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "TokenRefreshRequired",
}
FORBIDDEN = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
WRONG_REGION = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "301",
    "IllegalLocationConstraintException",
}
NO_OBJECT = {"NoSuchKey", "404"}


class S3Folder:
    """Without credentials it is read as anybody could: never as this machine itself."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        credentials: Mapping[str, str],
        selection: Selection,
    ) -> None:
        self._bucket, _, path = url.removeprefix("s3://").partition("/")
        self._prefix = f"{path}/" if path else ""
        self._options = options
        self._credentials = credentials
        self._selection = selection
        self._client: Any = None

    def walk(self) -> Iterator[SourceItem | SkippedItem]:
        listed = 0
        more: dict[str, str] = {}
        while True:
            page = self._list_page(more)
            for entry in page.get("Contents", ()):
                listed += 1
                item = self._list_object(entry)
                if item is not None:
                    yield item
            if not page.get("IsTruncated"):
                return
            if listed > MAX_OBJECTS or page["NextContinuationToken"] in more.values():
                raise too_many()
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _list_page(self, more: Mapping[str, str]) -> dict[str, Any]:
        with self._explained():
            return self._call("list_objects_v2", Prefix=self._prefix, **more)

    def _list_object(self, entry: Mapping[str, Any]) -> SourceItem | SkippedItem | None:
        key = entry["Key"][len(self._prefix) :]
        return list_object(self._selection, key, entry["Size"], _fingerprint(entry, entry["Size"]))

    def read(self, external_id: str, max_bytes: int) -> Content:
        key = check_key(external_id)
        with self._explained(of_object=True):
            answer = self._call("get_object", Key=self._prefix + key)
            check_size(answer.get("ContentLength", 0), max_bytes)
            data = self._read_body(answer["Body"], max_bytes)
        return Content(data, filename_of(key), _fingerprint(answer, len(data)))

    def _read_body(self, body: Any, max_bytes: int) -> bytes:
        from fsspec.asyn import sync

        data: Any = sync(self._client.loop, _read_all, body, max_bytes, timeout=WHOLE_FILE_S)
        return data

    def _call(self, method: str, **arguments: str) -> dict[str, Any]:
        if self._client is None:
            self._client = self._connect()
        return self._client.call_s3(method, Bucket=self._bucket, **arguments)

    def _connect(self) -> Any:
        s3fs = load("s3fs", "S3", "s3fs")
        endpoint = self._options.get("endpoint_url")
        client = s3fs.S3FileSystem(
            anon=not self._credentials.get("key"),
            key=self._credentials.get("key"),
            secret=self._credentials.get("secret"),
            token=self._credentials.get("token") or None,
            endpoint_url=endpoint,
            client_kwargs={"region_name": self._options.get("region") or "us-east-1"},
            config_kwargs={
                "connect_timeout": CONNECT_S,
                "read_timeout": ANSWER_S,
                "retries": {"mode": "standard", "total_max_attempts": 3},
                # They would connect in our place, to where we cannot see.
                "proxies": {},
                # Not every server of one's own has a name for each bucket.
                "s3": {"addressing_style": "path" if endpoint else "auto"},
                "connector_args": {"socket_factory": guard_sockets(endpoint)},
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        # The client itself tries again; what it hands on is meant to be the end.
        client.retries = 1
        return client

    @contextmanager
    def _explained(self, *, of_object: bool = False) -> Iterator[None]:
        try:
            yield
        except RagadminError:
            raise
        # The client's own errors, and those of four libraries below it.
        except Exception as error:  # noqa: BLE001
            raise self._explain(error, of_object=of_object) from None

    def _explain(self, error: BaseException, *, of_object: bool) -> RagadminError:
        chain = list(_causes(error))
        refused = next((cause for cause in chain if isinstance(cause, SourceUnavailable)), None)
        if refused is not None:
            return refused
        code = next((_code_of(cause) for cause in chain if _code_of(cause)), "")
        if of_object and code in NO_OBJECT:
            return ItemGone("The object is not in the bucket any more.")
        if of_object and code == "InvalidObjectState":
            return ItemUnreadable("The object is archived: restore it first.", permanent=False)
        if of_object and code in FORBIDDEN:
            return ItemUnreadable(
                "These credentials may not read this object: allow s3:GetObject.",
                code="permission_denied",
                permanent=False,
            )
        return self._explain_source(code, chain[-1])

    def _explain_source(self, code: str, error: BaseException) -> SourceUnavailable:
        bucket = self._bucket
        if code == "NoSuchBucket":
            message = f"There is no bucket {bucket}. Check its name, endpoint_url and region."
            return SourceUnavailable(message, code="bucket_missing", permanent=True)
        if code in BAD_CREDENTIALS:
            message = f"S3 does not accept the credentials ({code}). Enter them anew."
            return SourceUnavailable(message, code="bad_credentials", permanent=True)
        if code in FORBIDDEN:
            message = (
                f"These credentials may not list the bucket {bucket}: allow s3:ListBucket and"
                " s3:GetObject."
                if self._credentials.get("key")
                else f"The bucket {bucket} is not open to everybody: enter an access key."
            )
            return SourceUnavailable(message, code="permission_denied", permanent=True)
        if code in WRONG_REGION:
            message = f"The bucket {bucket} is in another region: set the option region to it."
            return SourceUnavailable(message, code="wrong_region", permanent=True)
        place = self._options.get("endpoint_url") or "S3"
        said = f"it said {code}" if code else f"{type(error).__name__}"
        return SourceUnavailable(
            f"{place} cannot be reached or does not answer as S3 does ({said}). Check endpoint_url,"
            " and that the server runs.",
            code="unreachable",
        )

    def close(self) -> None:
        self._client = None


def _fingerprint(entry: Mapping[str, Any], size: int) -> str:
    etag = str(entry.get("ETag", "")).strip('"')
    return f"{etag[:200]}-{size}" if etag else ""


async def _read_all(body: Any, max_bytes: int) -> bytes:
    """Whatever length the server has announced."""
    data = bytearray()
    while part := await body.read(READ_AT_ONCE):
        data += part
        if len(data) > max_bytes:
            body.close()
            raise TooLarge(f"The file has more than {max_bytes / 2**20:.0f} MiB: split it.")
    return bytes(data)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the very first last."""
    while error is not None:
        yield error
        inner = getattr(error, "kwargs", None)
        inner = inner.get("error") if isinstance(inner, dict) else None
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _code_of(error: BaseException) -> str:
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
