"""What stores that are reached over the network have in common."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote

import fsspec

from retrieval.connectors.base import ItemGone, SourceUnavailable
from retrieval.connectors.local_files import ESCAPED
from retrieval.connectors.selection import is_dropping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from retrieval.connectors.base import Content, SkippedItem, SourceItem
    from retrieval.connectors.selection import Selection

# More is taken for a mistake, or for a server that never ends its list.
MAX_OBJECTS = 1_000_000


class OpenFolder(Protocol):
    """A folder of any store, while a connector uses it."""

    def walk(self) -> Iterator[SourceItem | SkippedItem]: ...

    def read(self, external_id: str, max_bytes: int) -> Content: ...

    def close(self) -> None: ...


def name_key(key: str) -> str:
    """The key below the source's folder as an external id."""
    if "\x00" in key or key.startswith(ESCAPED):
        return ESCAPED + quote(key)
    return key


def key_of(external_id: str) -> str:
    if external_id.startswith(ESCAPED):
        return unquote(external_id.removeprefix(ESCAPED))
    return external_id


def list_object(
    selection: Selection, key: str, size: int, fingerprint: str
) -> SourceItem | SkippedItem | None:
    """None for what stands for a folder, is hidden or left behind by a system."""
    names = [name for name in key.split("/") if name]
    if not names or key.endswith("/") or any(map(is_dropping, names)):
        return None
    return selection.skip_file(key) or selection.make_item(name_key(key), key, size, fingerprint)


def check_key(external_id: str) -> str:
    """Raises ItemGone for what no listing has named. A store that has real folders knows `..`."""
    key = key_of(external_id)
    if not key or {".", ".."} & set(key.split("/")):
        raise ItemGone("There is no such file in the folder.")
    return key


def too_many() -> SourceUnavailable:
    return SourceUnavailable(
        f"The folder lists more than {MAX_OBJECTS:,} objects: choose one further below.",
        code="too_many",
        permanent=True,
    )


def has_package(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def load(module: str, label: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SourceUnavailable(
            describe_missing(label, package), code="package_missing", permanent=True
        ) from None


def describe_missing(label: str, package: str) -> str:
    # These two fit only the fsspec of their own version.
    pin = f"=={fsspec.__version__}" if package in {"s3fs", "gcsfs"} else ""
    return (
        f"{label} needs the Python package {package}, which is not installed: whoever runs this"
        f" installation runs .venv/bin/python -m pip install {package}{pin}, and restarts it."
    )
