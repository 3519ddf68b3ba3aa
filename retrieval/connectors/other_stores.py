"""Google Cloud Storage, Azure Blob Storage and SFTP, by what fsspec makes alike in them."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ragadmin.errors import RagadminError
from retrieval.connectors.base import Content, ItemGone, ItemUnreadable, SourceUnavailable
from retrieval.connectors.hosts import resolve_public
from retrieval.connectors.locations import STORES
from retrieval.connectors.reading import check_size, filename_of, has_settled, read_unchanged
from retrieval.connectors.stores import MAX_OBJECTS, check_key, list_object, load, too_many

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.connectors.base import SkippedItem, SourceItem
    from retrieval.connectors.selection import Selection

GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
CONNECT_S = 10
SSH_PORT = 22


class OtherFolder:
    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        credentials: Mapping[str, str],
        selection: Selection,
    ) -> None:
        self._url = url
        self._kind, _, rest = url.partition("://")
        self._place, _, path = rest.partition("/")
        # An SFTP server has one tree; the others have one in each bucket.
        self._top = f"/{path}" if self._kind == "sftp" else rest
        self._options = options
        self._credentials = {name: value for name, value in credentials.items() if value}
        self._selection = selection
        self._client: Any = None

    def walk(self) -> Iterator[SourceItem | SkippedItem]:
        top = self._top.rstrip("/")
        with self._explained():
            for listed, info in enumerate(self._list_files()):
                if listed > MAX_OBJECTS:
                    raise too_many()
                key = info["name"].removeprefix(top).removeprefix("/")
                item = list_object(self._selection, key, info["size"], fingerprint_of(info))
                if item is not None:
                    yield item

    def _list_files(self) -> Iterator[Mapping[str, Any]]:
        client = self._connected()
        if self._kind != "sftp":
            yield from client.find(self._top, detail=True).values()
            return
        # A folder that cannot be read would look empty if errors were left out.
        for _, _, files in client.walk(self._top, detail=True, on_error="raise"):
            yield from (info for info in files.values() if info["type"] == "file")

    def read(self, external_id: str, max_bytes: int) -> Content:
        path = f"{self._top.rstrip('/')}/{check_key(external_id)}"
        with self._explained(of_object=True):
            return read_unchanged(lambda: self._read_once(path, max_bytes), pause_s=1)

    def _read_once(self, path: str, max_bytes: int) -> Content | None:
        client = self._connected()
        before = client.info(path)
        if before["type"] != "file":
            raise ItemGone("There is no file of that name any more, but something else.")
        check_size(before["size"], max_bytes)
        data = client.cat_file(path, start=0, end=before["size"])
        after = client.info(path)
        fingerprint = fingerprint_of(after)
        if fingerprint_of(before) != fingerprint or len(data) != after["size"]:
            return None
        return Content(data, filename_of(path), fingerprint if is_final(after) else "")

    def _connected(self) -> Any:
        if self._client is None:
            self._client = {
                "gs": self._connect_google,
                "az": self._connect_azure,
                "sftp": self._connect_sftp,
            }[self._kind]()
        return self._client

    def _connect_google(self) -> Any:
        module = self._load("gcsfs")
        key = self._credentials.get("key_json")
        return module.GCSFileSystem(
            token=read_service_account(key) if key else "anon",
            project=self._options.get("project"),
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _connect_azure(self) -> Any:
        module = self._load("adlfs")
        check_no_ambient_azure()
        secret = {name: self._credentials.get(name) for name in ("account_key", "sas_token")}
        return module.AzureBlobFileSystem(
            account_name=self._options.get("account_name"),
            **secret,
            anon=not any(secret.values()),
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _connect_sftp(self) -> Any:
        paramiko = self._load("paramiko")
        module = load("fsspec.implementations.sftp", "SFTP", "paramiko")
        parts = urlsplit(f"//{self._place}")
        port = parts.port or SSH_PORT
        key = self._credentials.get("private_key")
        # The very address that was found to be public.
        return module.SFTPFileSystem(
            str(resolve_public(parts.hostname or "", port)[0]),
            port=port,
            username=self._options.get("username"),
            password=self._credentials.get("password"),
            pkey=read_private_key(paramiko, key) if key else None,
            host_key_policy=pin_host_key(paramiko, self._options.get("host_key", "")),
            look_for_keys=False,
            allow_agent=False,
            timeout=CONNECT_S,
            skip_instance_cache=True,
        )

    def _load(self, module: str) -> Any:
        store = STORES[self._kind]
        return load(module, store.label, store.package)

    @contextmanager
    def _explained(self, *, of_object: bool = False) -> Iterator[None]:
        try:
            yield
        except RagadminError:
            raise
        except FileNotFoundError:
            if of_object:
                raise ItemGone("The file is not in the folder any more.") from None
            raise SourceUnavailable(
                f"There is no folder {self._url}: check its name.", code="folder_missing"
            ) from None
        except PermissionError:
            raise self._explain_refusal(of_object=of_object) from None
        # The clients' own errors, and those of the libraries below them.
        except Exception as error:  # noqa: BLE001
            if is_refusal(error):
                raise self._explain_refusal(of_object=of_object) from None
            raise SourceUnavailable(
                f"{self._url} cannot be read ({type(error).__name__}): check its credentials and"
                " options, and that the server runs.",
                code="unreachable",
            ) from None

    def _explain_refusal(self, *, of_object: bool) -> RagadminError:
        message = f"The credentials are wrong, or may not read {self._url} or a part of it."
        if of_object:
            return ItemUnreadable(message, code="permission_denied", permanent=False)
        return SourceUnavailable(message, code="permission_denied", permanent=True)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._kind == "sftp":
            client.client.close()


def fingerprint_of(info: Mapping[str, Any]) -> str:
    """What the store itself changes with the content, or else size and time."""
    sign = info.get("etag") or info.get("generation")
    if sign:
        return f"{str(sign).strip(chr(34))[:200]}-{info['size']}"
    changed = _changed_at(info)
    return f"{info['size']}-{changed.timestamp():.6f}" if changed else ""


def is_final(info: Mapping[str, Any]) -> bool:
    """Whether a later change cannot leave the fingerprint as it is."""
    if info.get("etag") or info.get("generation"):
        return True
    changed = _changed_at(info)
    return changed is not None and has_settled(changed.timestamp())


def _changed_at(info: Mapping[str, Any]) -> datetime | None:
    changed = info.get("mtime") or info.get("last_modified")
    return changed if isinstance(changed, datetime) else None


def is_refusal(error: Exception) -> bool:
    """Whether the server has answered, and will not let us in."""
    statuses = {getattr(error, name, None) for name in ("code", "status", "status_code")}
    return bool(statuses & {401, 403, "401", "403"}) or "Authentication" in type(error).__name__


def check_no_ambient_azure() -> None:
    """Its client falls back on these, and so would read for a tenant what is the operator's."""
    name = next((name for name in os.environ if name.startswith("AZURE_STORAGE_")), None)
    if name is not None:
        raise SourceUnavailable(
            f"Azure sources are off while the environment sets {name}: whoever runs this"
            " installation has to unset it.",
            code="ambient_credentials",
            permanent=True,
        )


def read_service_account(text: str) -> dict[str, Any]:
    """Only this kind of key: others name addresses to ask and programs to run."""
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if (
        not isinstance(key, dict)
        or key.get("type") != "service_account"
        or key.get("token_uri") != GOOGLE_TOKENS
    ):
        raise SourceUnavailable(
            "The key of Google Cloud Storage is no service account key: download one as JSON.",
            code="bad_credentials",
            permanent=True,
        )
    return key


def read_private_key(paramiko: Any, text: str) -> Any:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(StringIO(text))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise SourceUnavailable(
        "The private key cannot be read: give an Ed25519, ECDSA or RSA key without passphrase.",
        code="bad_credentials",
        permanent=True,
    )


def pin_host_key(paramiko: Any, expected: str) -> Any:
    """Nobody else can pose as the server, and no password goes to a stranger."""

    class Pinned(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            if expected.split()[:2] != [key.get_name(), key.get_base64()]:
                raise SourceUnavailable(
                    "The SFTP server shows another key than the option host_key. Compare with what"
                    " ssh-keyscan prints.",
                    code="host_key",
                    permanent=True,
                )

    return Pinned()
