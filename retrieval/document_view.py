"""A document's state in words: what it waits for, or why it failed and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.connectors.upload import UploadConnector
from retrieval.models import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNFINISHED = (Document.Status.QUEUED, Document.Status.INDEXING)
KNOWN = {
    "empty": ("Empty", "Put text into it."),
    "unsupported": ("Type cannot be read", "Save it in another format, such as DOCX or PDF."),
    "encrypted": ("Protected by a password", "Remove the password."),
    "corrupt": ("Damaged", "Open it in the program that made it and save it anew."),
    "no_text": ("No text in it", "Give a version that has text, not only pictures of it."),
    "too_large": ("Too large", "Split it, or leave out what nobody asks about."),
    "timeout": ("Took too long to read", "Split it, or save it in a simpler format."),
    "memory": ("Takes too much memory", "Split it, or save it in a simpler format."),
    "interrupted": ("Stops its reader", "Split it, or save it in another format."),
    "file_missing": ("File is gone", "Give the file again."),
}
# Of what is not the document's fault.
RETRY = "Try again when the cause has passed."
PASSING = {
    "gone": "Not in its source any more",
    "unreadable": "Could not be read from its source",
    "permission_denied": "May not be read in its source",
    "forbidden": "May not be read in its source",
    "bad_credentials": "Credentials of its source are refused",
    "robots_disallowed": "Excluded by robots.txt",
    "changing": "Changes while it is read",
    "source_unavailable": "Source cannot be reached",
    "unreachable": "Source cannot be reached",
    "unresolvable": "Source cannot be reached",
    "model_unreachable": "Embedding model cannot be reached",
    "model_timeout": "Embedding model took too long",
    "model_error": "Embedding model failed",
    "model_invalid": "Embedding model answered wrongly",
    "model_interrupted": "Embedding model broke off",
    "database": "Database failed",
    "internal": "Indexing broke off",
}


@dataclass(frozen=True, slots=True)
class DocumentView:
    document: Document
    source_name: str
    source_is_seen: bool
    is_synced: bool

    @property
    def is_failed(self) -> bool:
        return self.document.status == Document.Status.FAILED

    @property
    def is_unfinished(self) -> bool:
        return self.document.status in UNFINISHED

    @property
    def reason(self) -> str:
        """In a few words; empty unless it failed, or waits to be tried again."""
        code = self.document.error_code
        return reason_label(code) if code else ""

    @property
    def advice(self) -> str:
        code = self.document.error_code
        if code not in KNOWN:
            return RETRY
        after = (
            "Change it in its source: the next sync takes it."
            if self.is_synced
            else "Then upload it again under the same name."
        )
        return f"{KNOWN[code][1]} {after}"

    @property
    def earlier_text_stays(self) -> bool:
        """What was indexed before is searched until something newer is."""
        return self.document.status != Document.Status.READY and self.document.chunk_count > 0


def view_documents(
    documents: Iterable[Document], access_levels: Sequence[str]
) -> list[DocumentView]:
    return [view_document(document, access_levels) for document in documents]


def view_document(document: Document, access_levels: Sequence[str]) -> DocumentView:
    """The source of a document that was moved to another level may be out of the caller's sight."""
    source = document.source
    is_seen = not source.access_level or source.access_level in access_levels
    name = source.name if is_seen else "Not visible to you"
    return DocumentView(document, name, is_seen, source.kind != UploadConnector.kind)


def reason_label(code: str) -> str:
    if code in KNOWN:
        return KNOWN[code][0]
    return PASSING.get(code) or code.replace("_", " ").capitalize()


def time_left(seconds: float | None) -> str:
    """An estimate, and so in round words. Empty when none can be made."""
    if seconds is None:
        return ""
    if seconds < 45:
        return "less than a minute"
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    hours = round(minutes / 60)
    return f"about {hours} hours" if hours < 36 else f"about {round(hours / 24)} days"
