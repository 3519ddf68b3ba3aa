"""What a file is, by its content first and its name second; and text of any common encoding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from ragadmin.errors import ExtractionError
from retrieval.indexing.encodings import decode_text
from retrieval.indexing.zip_archive import check_sizes, name_zip_format

OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    "md": "text/markdown",
    "txt": "text/plain",
    "html": "text/html",
    "rst": "text/x-rst",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "xml": "application/xml",
    "ipynb": "application/x-ipynb+json",
    "eml": "message/rfc822",
    "rtf": "application/rtf",
    "pdf": "application/pdf",
    "docx": f"{OFFICE}.wordprocessingml.document",
    "xlsx": f"{OFFICE}.spreadsheetml.sheet",
    "pptx": f"{OFFICE}.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "epub": "application/epub+zip",
    "png": "image/png",
    "jpg": "image/jpeg",
    "tiff": "image/tiff",
}
PICTURES = {"png": "a PNG image", "jpg": "a JPEG image", "tiff": "a TIFF image"}
TEXT_FORMATS = {
    "md": "md",
    "markdown": "md",
    "mdx": "md",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "rst": "rst",
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "xml": "xml",
    "ipynb": "ipynb",
    "eml": "eml",
}
BINARY_FORMATS = frozenset({"pdf", "docx", "xlsx", "pptx", "odt", "epub", "rtf"})
READABLE = "PDF, DOCX, PPTX, XLSX, ODT, EPUB, RTF, HTML, Markdown, text, CSV, JSON, RST and e-mail"

# In full: text recognition takes what is none of these for a list of files to open.
PICTURE_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
}
SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"GIF8": "a GIF image",
    b"BM": "a bitmap image",
    b"MZ": "a Windows program",
    b"\x7fELF": "a Linux program",
    b"\xcf\xfa\xed\xfe": "a macOS program",
    b"\xca\xfe\xba\xbe": "a compiled program",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"RIFF": "a sound, video or image file",
    b"OggS": "a sound file",
    b"ID3": "a sound file",
    b"fLaC": "a sound file",
    b"SQLite format 3": "a SQLite database",
    b"%!PS": "a PostScript file",
}
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")

HTML_START = re.compile(
    r"\s*(<!--((?!-->).)*-->\s*)*<(!doctype html|html|head|body)\b", re.I | re.S
)
MAIL_START = re.compile(r"([A-Za-z][\w-]*:[^\n]*\n([ \t][^\n]*\n)*){2,}")


@dataclass(frozen=True, slots=True)
class DetectedFile:
    """`format` is a key of MEDIA_TYPES; `text` is set where the format is a text."""

    format: str
    data: bytes
    text: str | None = None

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]


def detect(data: bytes, filename: str) -> DetectedFile:
    if not data.strip(b"\x00 \t\r\n\f\v\xef\xbb\xbf\xff\xfe"):
        raise ExtractionError("The file is empty. Upload one that has text in it.", code="empty")
    binary = detect_binary(data, filename)
    return DetectedFile(binary, data) if binary else detect_text(data, filename)


def detect_binary(data: bytes, filename: str) -> str | None:
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        found = name_zip_format(data, expected=suffix_of(filename))
        check_sizes(data)
        return found
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if data.startswith(OLE_SIGNATURE):
        raise explain_ole(data)
    for signature, picture in PICTURE_SIGNATURES.items():
        if data.startswith(signature):
            return picture
    return refuse_known_binary(data, filename)


def explain_ole(data: bytes) -> ExtractionError:
    """Office wraps an encrypted DOCX, XLSX or PPTX in the container of its pre-2007 formats."""
    if ENCRYPTED_PACKAGE in data:
        return ExtractionError(
            "The file is protected by a password. Remove the password and upload it again.",
            code="encrypted",
        )
    return ExtractionError(
        "This is a file of an Office version before 2007. Save it as DOCX, XLSX, PPTX or PDF"
        " and upload that.",
        code="unsupported",
    )


def refuse_known_binary(data: bytes, filename: str) -> None:
    for signature, kind in SIGNATURES.items():
        # Two letters may also begin a text: they count only where what follows is binary.
        if data.startswith(signature) and (len(signature) > 3 or b"\x00" in data[:4096]):
            raise unsupported(f"The file is {kind}", filename)


def unsupported(what: str, filename: str) -> ExtractionError:
    suffix = suffix_of(filename)
    named = f", although its name ends in .{suffix}" if suffix in MEDIA_TYPES else ""
    return ExtractionError(
        f"{what}{named}. Upload the document itself, as one of {READABLE}.", code="unsupported"
    )


def detect_text(data: bytes, filename: str) -> DetectedFile:
    text = decode_text(data)
    if text is None:
        raise unsupported("The file holds binary data that is no known document", filename)
    if not text.replace("\x00", "").replace("\ufeff", "").strip():
        raise ExtractionError("The file is empty. Upload one that has text in it.", code="empty")
    suffix = suffix_of(filename)
    if suffix in BINARY_FORMATS:
        raise ExtractionError(
            f"The name ends in .{suffix}, but the file is plain text. Give it its right name,"
            " such as .txt or .html, and upload it again.",
            code="unsupported",
        )
    return DetectedFile(name_text_format(text, suffix), data, text)


def name_text_format(text: str, suffix: str) -> str:
    found = TEXT_FORMATS.get(suffix, "txt")
    if found == "txt" and HTML_START.match(text[:4096]):
        return "html"
    if found == "eml" and not MAIL_START.match(text[:65536].replace("\r\n", "\n")):
        return "txt"
    return found


def suffix_of(filename: str) -> str:
    return PurePath(filename).suffix.lower().lstrip(".")
