"""What a kind of source has to do: list its items, and read one.

A connector is one file with one class, named in `retrieval.connectors.registry`. It is made for one
run or one batch of documents, used by one thread, and closed. It sees no tenant and no database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ragadmin.errors import RagadminError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What fits the index that keeps names unique in a source.
MAX_EXTERNAL_ID_BYTES = 2000


class SourceUnavailable(RagadminError):
    """The source as a whole cannot be listed or read. A run that meets it fails and deletes nothing.

    `permanent` when trying again cannot help, such as wrong credentials.
    """

    code = "source_unavailable"
    status = 502
    permanent = False

    def __init__(self, message: str, *, code: str | None = None, permanent: bool = False) -> None:
        super().__init__(message, code=code)
        self.permanent = permanent


class ItemGone(RagadminError):
    """The item was listed, but is not there any more."""

    code = "gone"
    status = 404


class ItemUnreadable(RagadminError):
    """This one item cannot be read; the others can. `permanent=False`: another try can help."""

    code = "unreadable"
    status = 502

    def __init__(self, message: str, *, code: str | None = None, permanent: bool = True) -> None:
        super().__init__(message, code=code)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One thing that can be a document.

    `external_id` names it for ever: valid Unicode, at most MAX_EXTERNAL_ID_BYTES. `path` is what
    people see. `fingerprint` (at most 300 characters) is different when the content may be; empty
    when the source tells nothing, so that the item is read each time. `state` comes back in `known`
    at the next listing.
    """

    external_id: str
    path: str
    fingerprint: str
    size: int | None = None
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """Not a document, and why: of a type that cannot be read, excluded, a link out of the source.

    With `is_failure` it should have been one, and counts as failed; `external_id` then names it,
    if it is not the path.
    """

    path: str
    reason: str
    code: str = "skipped"
    is_failure: bool = False
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What is known of an item from the last sync."""

    fingerprint: str
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """One consistent version of an item: all its bytes, and the fingerprint that goes with them.

    `fingerprint` is empty when a later change could leave it as it is.
    """

    data: bytes
    filename: str
    fingerprint: str
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Connector(ABC):
    """`config` is what `clean_config` returned; `credentials` are decrypted and never logged."""

    kind: ClassVar[str]
    label: ClassVar[str]
    # Reading costs little, so a plan compares contents and not only fingerprints.
    reads_cheaply: ClassVar[bool] = False
    # Equal fingerprints of two items mean equal content, as with etags.
    fingerprints_content: ClassVar[bool] = False
    # Hand-fed: no schedule, and a sync never deletes.
    is_upload: ClassVar[bool] = False
    # Names of secrets that people may enter, with their labels.
    credential_fields: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        self.config = config
        self.credentials = credentials

    @classmethod
    @abstractmethod
    def clean_config(cls, config: Mapping[str, Any], *, tenant_slug: str) -> dict[str, Any]:
        """The configuration in its normal form, defaults filled in. Looks at nothing outside.

        Raises InvalidRequest that names the field in `extra`.
        """

    @classmethod  # noqa: B027 - most are where they are for everybody
    def check_place(cls, config: Mapping[str, Any], *, tenant_slug: str) -> None:
        """Before each use: what was allowed when the source was saved, or elsewhere before the
        tenant was imported, may not be any more. Raises SourceUnavailable."""

    @abstractmethod
    def list_items(self, known: Mapping[str, KnownItem]) -> Iterator[SourceItem | SkippedItem]:
        """Everything that is there, in any order. Raises SourceUnavailable, also midway."""

    @abstractmethod
    def fetch(self, external_id: str) -> Content:
        """Raises ItemGone, ItemUnreadable, TooLarge, SourceUnavailable."""

    @abstractmethod
    def describe(self) -> str:
        """Where it is, in a few words, without secrets."""

    def link_to(self, external_id: str) -> str:
        """A URL at which people can see the original; empty when there is none."""
        return ""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Ends connections."""
