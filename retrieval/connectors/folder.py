"""Folders: of this machine, below the operator's roots, or in a store such as S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings

from ragadmin.errors import InvalidRequest
from retrieval.connectors.base import Connector
from retrieval.connectors.globs import clean_patterns
from retrieval.connectors.local_folder import LocalFolder
from retrieval.connectors.locations import (
    LOCAL,
    STORES,
    clean_local,
    clean_options,
    clean_remote,
    outside_roots,
    refuse,
    roots_of,
    split_url,
)
from retrieval.connectors.selection import Selection
from retrieval.connectors.stores import describe_missing, has_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.connectors.base import Content, KnownItem, SkippedItem, SourceItem
    from retrieval.connectors.stores import OpenFolder

FIELDS = ("url", "include", "exclude", "options")


class FolderConnector(Connector):
    kind: ClassVar[str] = "folder"
    label: ClassVar[str] = "Folder"
    credential_fields: ClassVar[Mapping[str, str]] = {
        "key": "Access key ID (S3)",
        "secret": "Secret access key (S3)",
        "token": "Session token (S3, if any)",
        "key_json": "Service account key as JSON (Google Cloud Storage)",
        "account_key": "Account key (Azure)",
        "sas_token": "SAS token (Azure)",
        "password": "Password (SFTP)",
        "private_key": "Private key (SFTP)",
    }

    def __init__(self, config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        super().__init__(config, credentials)
        self._kind, _ = split_url(config["url"])
        self._folder = self._open_folder()

    def _open_folder(self) -> OpenFolder:
        config = self.config
        selection = Selection(config["include"], config["exclude"])
        if self._kind == LOCAL:
            return LocalFolder(config["url"], config["root"], selection)
        # They take a while to import, and few need them.
        if self._kind == "s3":
            from retrieval.connectors.s3_folder import S3Folder as Folder
        else:
            from retrieval.connectors.other_stores import OtherFolder as Folder
        return Folder(config["url"], config["options"], self.credentials, selection)

    @property
    def reads_cheaply(self) -> bool:
        return self._kind == LOCAL

    @property
    def fingerprints_content(self) -> bool:
        return self._kind == "s3"

    @classmethod
    def clean_config(cls, config: Mapping[str, Any], *, tenant_slug: str) -> dict[str, Any]:
        """Of a local folder also `root`, found anew each time and not taken from what is sent."""
        unknown = set(config) - {*FIELDS, "root"}
        if unknown:
            raise InvalidRequest(
                f"A folder has no {', '.join(map(repr, sorted(unknown)))}; it has {', '.join(FIELDS)}.",
                extra={"field": "config"},
            )
        kind, rest = split_url(config.get("url"))
        if kind in STORES and not has_package(STORES[kind].package):
            raise refuse(describe_missing(STORES[kind].label, STORES[kind].package))
        place = (
            clean_local(rest, tenant_slug) if kind == LOCAL else {"url": clean_remote(kind, rest)}
        )
        return {
            **place,
            "include": clean_patterns(config.get("include", []), "include"),
            "exclude": clean_patterns(config.get("exclude", []), "exclude"),
            "options": clean_options(kind, config.get("options", {})),
        }

    @classmethod
    def check_place(cls, config: Mapping[str, Any], *, tenant_slug: str) -> None:
        if "root" in config and config["root"] not in roots_of(tenant_slug):
            raise outside_roots(config["url"])

    def list_items(self, known: Mapping[str, KnownItem]) -> Iterator[SourceItem | SkippedItem]:
        return self._folder.walk()

    def fetch(self, external_id: str) -> Content:
        return self._folder.read(external_id, settings.MAX_UPLOAD_BYTES)

    def describe(self) -> str:
        return self.config["url"]

    def close(self) -> None:
        self._folder.close()
