"""Which content types of the web are documents, and under which file name each is read."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from retrieval.connectors.links import readable
from retrieval.names import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES

if TYPE_CHECKING:
    from retrieval.connectors.http_client import Answer

OFFICE = "application/vnd.openxmlformats-officedocument"
SUFFIXES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/x-markdown": "md",
    "text/x-rst": "rst",
    "text/prs.fallenstein.rst": "rst",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/jsonl": "json",
    "application/x-ndjson": "json",
    "application/yaml": "txt",
    "application/x-yaml": "txt",
    "text/yaml": "txt",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/x-ipynb+json": "ipynb",
    "message/rfc822": "eml",
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    f"{OFFICE}.wordprocessingml.document": "docx",
    f"{OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{OFFICE}.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/epub+zip": "epub",
}
# What servers say of files that they do not know: the name in the URL then tells.
VAGUE = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/zip", "text/plain"}
)
OTHER_ENDINGS = {
    "htm": "html",
    "xhtml": "html",
    "markdown": "md",
    "mdx": "md",
    "jsonl": "json",
    "ndjson": "json",
}
# Only encodings of text: Python also knows codecs that are none.
CHARSET = re.compile(
    r"(?:windows-|cp|iso-8859-)\d+|koi8-[ru]|gb\w+|big5|shift[-_]jis|euc-\w\w", re.ASCII
)
BINARY = frozenset({"rtf", "pdf", "docx", "xlsx", "pptx", "odt", "epub", "eml"})
KNOWN_ENDINGS = {suffix: suffix for suffix in SUFFIXES.values()} | OTHER_ENDINGS


def suffix_for(answer: Answer) -> str | None:
    """None for what cannot be read as a document."""
    kind = answer.media_type
    if kind in VAGUE and (found := KNOWN_ENDINGS.get(_ending(answer.url))):
        return found
    return SUFFIXES.get(kind)


def has_no_text(url: str) -> bool:
    """By its name alone: pictures, sounds and archives, which pages have many of, are not asked for."""
    return "?" not in url and _ending(url) in UNREADABLE_SUFFIXES | PICTURE_SUFFIXES


def filename_for(url: str, suffix: str) -> str:
    name = readable(PurePosixPath(urlsplit(url).path).name) or "index"
    name = name.replace("/", "-")
    return name if KNOWN_ENDINGS.get(_ending(url)) == suffix else f"{name}.{suffix}"


def readable_bytes(answer: Answer, suffix: str) -> bytes:
    """The body. A text in UTF-8 where only the answer's head says in which encoding it is."""
    charset = answer.charset
    if suffix in BINARY or not CHARSET.fullmatch(charset):
        return answer.body
    try:
        answer.body.decode("utf-8")
    except UnicodeDecodeError:
        return _recode(answer.body, "windows-1252" if charset == "iso-8859-1" else charset)
    return answer.body


def _recode(body: bytes, charset: str) -> bytes:
    try:
        return body.decode(charset, "replace").encode("utf-8")
    except LookupError:
        return body


def _ending(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix.lower().removeprefix(".")
