"""From the bytes of one file to its Markdown. Runs in the child process only: it meets hostile files."""

from __future__ import annotations

import email
import email.policy
import html
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from kreuzberg import ConcurrencyConfig, ExtractionConfig, PageConfig, extract_bytes_sync
from kreuzberg.exceptions import KreuzbergError

from ragadmin.errors import ExtractionError
from retrieval.indexing import ocr
from retrieval.indexing.encodings import CONTROL_CHARACTERS
from retrieval.indexing.file_types import (
    BINARY_FORMATS,
    PICTURES,
    READABLE,
    DetectedFile,
    detect,
    suffix_of,
    unsupported,
)
from retrieval.indexing.plain_formats import has_entity_bomb, prepare_rst, read_json_lines
from retrieval.indexing.scans import read_scans
from retrieval.types import ExtractedText

if TYPE_CHECKING:
    from email.message import EmailMessage

    from kreuzberg import ExtractionResult

MAX_FILE_BYTES = 100 * 2**20
MAX_TEXT_CHARS = 20_000_000
MAX_TITLE_CHARS = 300
# In which a text file declares what it is made of.
MAX_START_BYTES = 2**20
SECONDS_FOR_PICTURE = 55.0
# Formats that are still worth having as plain text when they do not parse.
TEXT_ANYWAY = frozenset({"json", "csv", "tsv", "rst", "xml", "ipynb"})
# Their first heading is a comment, a key or the name of a sheet.
WITHOUT_TITLE = frozenset({"txt", "csv", "tsv", "json", "xml", "xlsx", *PICTURES})
NOT_A_TITLE = frozenset({"untitled", "(untitled)", "(unspecified)", "unspecified", "document"})

FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
FRONT_MATTER_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.M | re.I)
FENCED_CODE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*)$|^(\S.*)\n(?:={2,}|-{2,})[ \t]*$", re.M)
IMAGE = re.compile(r"!\[[^\]]{0,300}\]\([^)]{0,2000}\)")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")

CONFIG = ExtractionConfig(
    use_cache=False,
    enable_quality_processing=False,
    output_format="markdown",
    concurrency=ConcurrencyConfig(max_threads=1),
    # For PDFs: which pages have no text, for `scans`.
    pages=PageConfig(extract_pages=True),
)


def read_file(content: Path | bytes, filename: str) -> ExtractedText:
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if size > MAX_FILE_BYTES:
        raise too_large(f"The file is larger than {MAX_FILE_BYTES >> 20} MB.")
    data = content.read_bytes() if isinstance(content, Path) else content
    file = detect(data, filename)
    if file.format in PICTURES:
        check_picture(file.format, filename)
    markdown, title, pages = convert(file)
    markdown = clean(markdown)
    if len(markdown) > MAX_TEXT_CHARS:
        raise too_large(
            f"The file holds more than {MAX_TEXT_CHARS // 1_000_000} million characters."
        )
    if not re.search(r"\w", IMAGE.sub("", markdown[:100_000]) + markdown[100_000:]):
        raise no_text(file.format)
    if file.format not in WITHOUT_TITLE or suffix_of(filename) == "txt":
        title = proper_title(title) or title_in_markdown(markdown)
    return ExtractedText(markdown, shorten_title(title, filename), file.media_type, pages)


def convert(file: DetectedFile) -> tuple[str, str, int | None]:
    """Markdown, the title in the document's own metadata, the number of pages."""
    if file.text is not None and file.format in {"md", "txt"}:
        return file.text, "", None
    if file.text is not None and file.format == "html":
        return convert_html(file.text)
    if file.format in PICTURES:
        return ocr.read_picture(file.data, SECONDS_FOR_PICTURE), "", None
    if file.format == "eml":
        return convert_email(email.message_from_bytes(file.data, policy=email.policy.default))
    return convert_by_kreuzberg(file)


def convert_by_kreuzberg(file: DetectedFile) -> tuple[str, str, int | None]:
    text = prepare_rst(file.text) if file.text and file.format == "rst" else file.text
    data = file.data if text is None else text.encode("utf-8", "replace")
    if has_entity_bomb(data[:MAX_START_BYTES]):
        raise too_large("The file unpacks to more than can be read safely.")
    try:
        result = parse(data, file.media_type)
    except ExtractionError as error:
        if file.text is None or file.format not in TEXT_ANYWAY or error.code != "corrupt":
            raise
        lines = read_json_lines(file.text) if file.format == "json" else None
        return lines or file.text, "", None
    title = str(result.metadata.get("title") or "")
    if file.format != "pdf":
        return result.content, title, None
    content = read_scans(data, result) if ocr.is_available() else result.content
    return content, title, int(result.metadata.get("page_count") or 0) or None


def convert_html(text: str) -> tuple[str, str, None]:
    # kreuzberg writes what it finds in <head> into the text, so the head is taken out before.
    title, rest = take_element(text, "title")
    body = take_element(rest, "head")[1]
    result = parse(body.encode("utf-8", "replace"), "text/html") if body.strip() else None
    return result.content if result else "", html.unescape(title), None


def take_element(text: str, name: str) -> tuple[str, str]:
    """The content of the first such element, and the text without it. Plain searches: a pattern
    over a hostile page would take the square of its length."""
    opening = re.search(rf"<{name}[\s>]", text, re.I)
    closing = re.compile(rf"</{name}\s*>", re.I).search(text, opening.end()) if opening else None
    if opening is None or closing is None:
        return "", text
    inner = text[opening.end() - 1 : closing.start()].partition(">")[2]
    return inner, text[: opening.start()] + text[closing.end() :]


def convert_email(message: EmailMessage) -> tuple[str, str, None]:
    """Subject, people and body. Attachments are only named: each is a document of its own."""
    subject = str(message.get("subject", ""))
    lines = [
        f"**{name}:** {message[name]}" for name in ("From", "To", "Cc", "Date") if message[name]
    ]
    names = [part.get_filename() for part in message.iter_attachments()]
    if any(names):
        lines.append(f"**Attachments:** {', '.join(name for name in names if name)}")
    heading = f"# {subject}\n\n" if subject else ""
    people = "  \n".join(lines)
    return f"{heading}{people}\n\n{read_body(message)}", subject, None


def read_body(message: EmailMessage) -> str:
    body = message.get_body(preferencelist=("html", "plain"))
    if body is None:
        return ""
    try:
        text = body.get_content()
    except LookupError:  # an encoding that nobody knows
        text = bytes(body.get_payload(decode=True)).decode("latin-1")
    return convert_html(text)[0] if body.get_content_subtype() == "html" else text


def parse(data: bytes, media_type: str) -> ExtractionResult:
    try:
        return extract_bytes_sync(data, media_type, CONFIG)
    except KreuzbergError as error:
        raise explain(error) from error


def explain(error: KreuzbergError) -> ExtractionError:
    text = str(error).lower()
    if "password" in text or "encrypt" in text:
        return ExtractionError(
            "The file is protected by a password. Remove the password and upload it again.",
            code="encrypted",
        )
    if "recursion" in text:
        return too_large("The file is nested too deeply to be read.")
    if "bomb" in text or "too large" in text or "exceed" in text:
        return too_large("The file unpacks to more than can be read safely.")
    return ExtractionError(
        "The file is damaged and cannot be read. Save or export it again and upload the new copy.",
        code="corrupt",
    )


def too_large(what: str) -> ExtractionError:
    return ExtractionError(f"{what} Split it into smaller documents.", code="too_large")


def check_picture(format_name: str, filename: str) -> None:
    """Raises unless it can be read: a name that promises another kind of document is a mistake."""
    what = f"The file is {PICTURES[format_name]}"
    if suffix_of(filename) in BINARY_FORMATS:
        raise unsupported(what, filename)
    if not ocr.is_available():
        raise ExtractionError(
            f"{what}. Text in pictures is read where text recognition (tesseract) is installed:"
            " ask whoever runs this installation, or upload the document as one of"
            f" {READABLE}.",
            code="unsupported",
        )


def no_text(format_name: str) -> ExtractionError:
    if format_name in PICTURES or (format_name == "pdf" and ocr.is_available()):
        message = (
            "No text was found in the pictures of this file, also not by text recognition (OCR)."
            " Upload a sharper scan, or the document that was printed."
        )
    elif format_name == "pdf":
        message = (
            "The PDF has pages but no text: it is probably a scan."
            " Run it through OCR (text recognition) and upload the result."
        )
    else:
        message = "No text was found in the file. Upload a version that has text, not only images."
    return ExtractionError(message, code="no_text")


def clean(text: str) -> str:
    """One kind of newline, and nothing that Postgres or a page cannot hold."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\v", "\n")
    text = CONTROL_CHARACTERS.sub("", text).replace("\x1b", "").removeprefix("\ufeff")
    return text.encode("utf-8", "replace").decode("utf-8")


def proper_title(title: str) -> str:
    """Programs put placeholders and file names into the metadata: those are no titles."""
    title = title.strip().removeprefix("Microsoft Word - ")
    is_filename = suffix_of(title) in {"doc", "docx", "indd", "tmp"}
    return "" if is_filename or title.lower() in NOT_A_TITLE else title


def shorten_title(title: str, filename: str) -> str:
    found = on_one_line(title) or on_one_line(PurePath(filename).stem) or filename
    return found[:MAX_TITLE_CHARS]


def title_in_markdown(markdown: str) -> str:
    front = FRONT_MATTER.match(markdown)
    if front and (title := FRONT_MATTER_TITLE.search(front[1])):
        return title[1].strip().strip("\"'")
    body = markdown[front.end() if front else 0 :][:100_000]
    heading = HEADING.search(FENCED_CODE.sub("", body))
    if heading is None:
        return ""
    text = (heading[1] or heading[2])[:1000].rstrip("# \t")
    return LINK.sub(r"\1", text).replace("`", "").strip("*_ ")


def on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", CONTROL_CHARACTERS.sub("", text)).strip()
