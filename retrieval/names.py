"""What names of files may hold so that people can read them, and which say that a file has text."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MAX_PATH_LENGTH = 1000
# What fits the index that keeps names unique: it takes 2,704 bytes in all.
MAX_PATH_BYTES = 2000
# Control characters, lone surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# They make a name read backwards on the page: `exe.txt` for `txt.exe`.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

OFFICE_SUFFIXES = frozenset({"pdf", "docx", "pptx", "xlsx", "odt", "epub", "rtf"})
TEXT_SUFFIXES = frozenset(
    {
        "md",
        "markdown",
        "mdx",
        "txt",
        "text",
        "rst",
        "adoc",
        "asciidoc",
        "org",
        "tex",
        "log",
        "html",
        "htm",
        "xhtml",
        "csv",
        "tsv",
        "json",
        "jsonl",
        "ndjson",
        "xml",
        "yaml",
        "yml",
        "toml",
        "ipynb",
        "eml",
    }
)
DOCUMENT_SUFFIXES = OFFICE_SUFFIXES | TEXT_SUFFIXES
# They are read where text recognition is installed.
PICTURE_SUFFIXES = frozenset({"png", "jpg", "jpeg", "tif", "tiff"})
# Of files that certainly hold no text that can be read: people are told before they send them.
UNREADABLE_SUFFIXES = frozenset(
    [
        "gif",
        "bmp",
        "webp",
        "heic",
        "heif",
        "avif",
        "ico",
        "psd",
        "mp3",
        "wav",
        "ogg",
        "flac",
        "m4a",
        "aac",
        "wma",
        "mp4",
        "m4v",
        "mov",
        "avi",
        "mkv",
        "webm",
        "wmv",
        "zip",
        "gz",
        "tgz",
        "bz2",
        "xz",
        "7z",
        "rar",
        "tar",
        "iso",
        "dmg",
        "exe",
        "dll",
        "so",
        "dylib",
        "bin",
        "msi",
        "deb",
        "rpm",
        "apk",
        "jar",
        "class",
        "pyc",
        "o",
        "ttf",
        "otf",
        "woff",
        "woff2",
        "eot",
        "sqlite",
        "sqlite3",
        "db",
        "mdb",
        "accdb",
        "doc",
        "xls",
        "ppt",
        "pages",
        "numbers",
        "key",
        "ps",
        "eps",
    ]
)


@lru_cache(maxsize=4096)
def misleads(letter: str) -> bool:
    """Whether people could not see the character, or would read others wrongly because of it."""
    return unicodedata.category(letter) in _FORBIDDEN_CATEGORIES or letter in _DIRECTION_MARKS


def make_legible(path: str) -> str:
    """The path as people see it: one Unicode form, � for what cannot or must not be shown."""
    if path.isascii() and path.isprintable():
        return path
    shown = "".join("�" if misleads(letter) else letter for letter in path)
    return unicodedata.normalize("NFC", shown)


def shorten(path: str) -> str:
    """Fits where a path has to fit, with its beginning and its end."""
    fits_bytes = len(path.encode()) <= MAX_PATH_BYTES
    if fits_bytes and len(path) <= MAX_PATH_LENGTH:
        return path
    half = (MAX_PATH_LENGTH if fits_bytes else MAX_PATH_BYTES // 4) // 2 - 1
    return f"{path[:half]}…{path[-half:]}"


def suffix_of(path: str) -> str:
    """`pdf` for `Guides/Start.PDF`; empty where there is none, as for `README` or `.profile`."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot and stem else ""
