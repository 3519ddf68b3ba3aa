"""Zip-based documents: which one it is, and how large it really unpacks, before a parser sees it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from ragadmin.errors import ExtractionError
from retrieval.indexing.plain_formats import has_entity_bomb

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 300 * 2**20
# Office XML shrinks 5 to 30 times; text that shrinks 200 times is a bomb or of no use.
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 32 * 2**20

MARKER_MEMBERS = {
    "word/document.xml": "docx",
    "xl/workbook.xml": "xlsx",
    "ppt/presentation.xml": "pptx",
}
MIMETYPE_MEMBERS = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
}
ZIP_FORMATS = frozenset({*MARKER_MEMBERS.values(), *MIMETYPE_MEMBERS.values()})
LOCAL_HEADER = struct.Struct("<4s22xHH")
PIECE = 1 << 16


def name_zip_format(data: bytes, expected: str) -> str:
    """`expected` is what the name promises: it only makes the message fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _name_members(archive, expected)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise damaged() from error


def _name_members(archive: zipfile.ZipFile, expected: str) -> str:
    members = {info.filename: info for info in archive.infolist()}
    if any(info.flag_bits & 1 for info in members.values()):
        raise encrypted()
    for name, found in MARKER_MEMBERS.items():
        if name in members:
            return found
    found = MIMETYPE_MEMBERS.get(_read_start(archive, "mimetype").strip())
    if found is None:
        raise not_a_document(expected)
    if b"encryption-data" in _read_start(archive, "META-INF/manifest.xml"):
        raise encrypted()
    return found


def _read_start(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as member:
            return member.read(1 << 20)
    except (KeyError, zlib.error, EOFError):
        return b""


def check_sizes(data: bytes) -> None:
    """Counts what the members declare, then what they really unpack to, which a bomb hides."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    declared = sum(info.file_size for info in members)
    if len(members) > MAX_MEMBERS or _is_bomb(declared, len(data)):
        raise bomb()
    real = 0
    for info in members:
        for number, piece in enumerate(unpack(data, info)):
            real += len(piece)
            if _is_bomb(real, len(data)) or (number == 0 and has_entity_bomb(bytes(piece[:PIECE]))):
                raise bomb()


def _is_bomb(unpacked: int, packed: int) -> bool:
    dense = unpacked > RATIO_COUNTS_FROM_BYTES and unpacked > packed * MAX_RATIO
    return unpacked > MAX_UNPACKED_BYTES or dense


def unpack(data: bytes, info: zipfile.ZipInfo) -> Iterator[bytes | memoryview]:
    """The pieces of one member, whatever its header claims."""
    try:
        signature, name_size, extra_size = LOCAL_HEADER.unpack_from(data, info.header_offset)
    except struct.error as error:
        raise damaged() from error
    start = info.header_offset + 30 + name_size + extra_size
    if signature != b"PK\x03\x04" or start + info.compress_size > len(data):
        raise damaged()
    packed = memoryview(data)[start : start + info.compress_size]
    if info.compress_type == zipfile.ZIP_STORED:
        yield packed
    elif info.compress_type == zipfile.ZIP_DEFLATED:
        yield from _inflate(packed)
    else:
        raise damaged()


def _inflate(packed: memoryview) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-15)
    try:
        for offset in range(0, len(packed), PIECE):
            rest = bytes(packed[offset : offset + PIECE])
            while rest and not inflater.eof:
                yield inflater.decompress(rest, PIECE * 16)
                rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise damaged() from error


def damaged() -> ExtractionError:
    return ExtractionError(
        "The file is damaged and cannot be opened. Save or export it again and upload the new copy.",
        code="corrupt",
    )


def encrypted() -> ExtractionError:
    return ExtractionError(
        "The file is protected by a password. Remove the password and upload it again.",
        code="encrypted",
    )


def bomb() -> ExtractionError:
    return ExtractionError(
        "The file unpacks to more than can be read safely. Split it into smaller documents.",
        code="too_large",
    )


def not_a_document(expected: str) -> ExtractionError:
    named = f", although its name ends in .{expected}" if expected in ZIP_FORMATS else ""
    return ExtractionError(
        f"The file is a zip archive{named}. Unpack it and upload the documents in it.",
        code="unsupported",
    )
