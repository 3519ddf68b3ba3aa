"""Where a folder may be: below the operator's roots, or in a store of a kind that is allowed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from django.conf import settings

from ragadmin.errors import InvalidRequest
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.local_files import is_below
from retrieval.names import make_legible, misleads

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_URL_LENGTH = 1000
LOCAL = "file"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")


@dataclass(frozen=True, slots=True)
class Store:
    """A kind of store that is reached over the network. `options` with how they are written."""

    label: str
    package: str
    place: str
    options: Mapping[str, str]
    required: tuple[str, ...] = ()


STORES = {
    "s3": Store(
        "S3",
        "s3fs",
        "bucket",
        {"endpoint_url": r"https?://[\w.:\[\]-]{1,255}/?", "region": r"[a-z0-9-]{1,50}"},
    ),
    "gs": Store("Google Cloud Storage", "gcsfs", "bucket", {"project": r"[\w.:-]{1,100}"}),
    # The account is the first part of the host's name.
    "az": Store(
        "Azure Blob Storage",
        "adlfs",
        "container",
        {"account_name": r"[a-z0-9]{3,24}"},
        ("account_name",),
    ),
    "sftp": Store(
        "SFTP",
        "paramiko",
        "host",
        {"username": r"\S{1,100}", "host_key": r"[\w@.-]{3,50} [A-Za-z0-9+/=]{20,2000}"},
        ("username", "host_key"),
    ),
}
SAME = {"abfs": "az", "gcs": "gs", "ssh": "sftp"}
ALLOWED = "a folder such as /srv/documents, or s3://, gs://, az:// or sftp://"


def refuse(message: str, field: str = "config.url") -> InvalidRequest:
    return InvalidRequest(message, extra={"field": field})


def split_url(value: object) -> tuple[str, str]:
    """The kind (`file` or a key of STORES) and what follows `kind://`. Raises InvalidRequest."""
    if not isinstance(value, str) or not value.strip():
        raise refuse(f"Give the url of the folder: {ALLOWED}.")
    url = value.strip()
    if len(url) > MAX_URL_LENGTH or any(misleads(letter) for letter in url):
        raise refuse("The url is too long or holds control characters: check it.")
    if "::" in url:
        raise refuse(f"Chained urls (::) are not allowed. Give {ALLOWED}.")
    match = _SCHEME.match(url)
    if match is None:
        return LOCAL, url
    scheme = SAME.get(match[1].lower(), match[1].lower())
    if scheme == LOCAL:
        return LOCAL, unquote(url[match.end() :].removeprefix("localhost"))
    if scheme not in STORES or not match[2]:
        raise refuse(f"{match[1]}: is not a kind of folder. Give {ALLOWED}.")
    return scheme, url[match.end() :]


def clean_local(path: str, tenant_slug: str) -> dict[str, str]:
    """The folder, and the root that allows it, which is the border that is kept at each sync."""
    roots = roots_of(tenant_slug)
    if not roots:
        raise refuse(
            "Folders of this machine are not open to sources: whoever runs this installation names"
            " them in RAGADMIN_SYNC_ROOTS."
        )
    path = os.path.normpath(path)
    if not os.path.isabs(path):  # noqa: PTH117
        raise refuse(f"{path} is not absolute: give the whole path, such as {roots[0]}.")
    real = os.path.realpath(path)
    root = next((root for root in roots if is_below(real, os.path.realpath(root))), None)
    # Whether a folder elsewhere exists is nobody's business.
    if root is None:
        raise refuse(
            f"{make_legible(path)} is not below {' or '.join(roots)}. Choose a folder there, or let"
            " whoever runs this installation add it to RAGADMIN_SYNC_ROOTS."
        )
    if not os.path.isdir(real):  # noqa: PTH112
        raise refuse(f"There is no folder {make_legible(path)}: make it first, or check its name.")
    if touches_data(real):
        raise refuse(f"{make_legible(path)} holds this installation's own data: choose another.")
    return {"url": path, "root": root}


def roots_of(tenant_slug: str) -> list[str]:
    """Below which the operator lets this tenant's sources be."""
    return [root.replace("{tenant}", tenant_slug) for root in settings.SYNC_ROOTS]


def outside_roots(path: str) -> SourceUnavailable:
    """For a folder that was allowed when its source was saved."""
    return SourceUnavailable(
        f"The folder {make_legible(path)} is not below RAGADMIN_SYNC_ROOTS any more.",
        code="outside_root",
        permanent=True,
    )


def touches_data(real: str) -> bool:
    """The secret, the database and every tenant's uploads are no source."""
    data = os.path.realpath(settings.DATA_DIR)
    return is_below(real, data) or is_below(data, real)


def clean_remote(kind: str, rest: str) -> str:
    """The url in its normal form. Raises InvalidRequest."""
    store = STORES[kind]
    parts = urlsplit(f"{kind}://{rest}")
    if "@" in parts.netloc or "?" in rest:
        raise refuse("Leave names, passwords and parameters out of the url: they have own fields.")
    place, _, path = rest.partition("/")
    names = [name for name in path.split("/") if name]
    if not re.fullmatch(r"[\w.:\[\]-]{1,255}", place) or {".", ".."} & set(names):
        raise refuse(f"Give the {store.place} and the folder in it: {kind}://{store.place}/folder.")
    return f"{kind}://{place}/{'/'.join(names)}".rstrip("/")


def clean_options(kind: str, value: object) -> dict[str, str]:
    """Raises InvalidRequest."""
    allowed = STORES[kind].options if kind in STORES else {}
    if not isinstance(value, dict):
        raise refuse("options must be an object.", "config.options")
    for name, entry in value.items():
        if name not in allowed:
            names = ", ".join(allowed) or "none"
            raise refuse(f"There is no option {name!r} here; there are: {names}.", "config.options")
        if not isinstance(entry, str) or (entry and not re.fullmatch(allowed[name], entry)):
            raise refuse(
                f"The option {name} is not written as it has to be.", f"config.options.{name}"
            )
    options = {name: entry for name, entry in value.items() if entry}
    missing = [
        name for name in (STORES[kind].required if kind in STORES else ()) if name not in options
    ]
    if missing:
        raise refuse(
            f"{STORES[kind].label} needs the option {missing[0]}.", f"config.options.{missing[0]}"
        )
    return options
