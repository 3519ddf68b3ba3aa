"""Makers of files that try to hurt whoever reads them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import cache

from tests.files.documents import word, zipped


def word_bomb(megabytes: int) -> bytes:
    """A DOCX whose text is that many megabytes of the same letter."""
    return zipped({"[Content_Types].xml": "x", "word/document.xml": b"a" * (megabytes << 20)})


def lying_word_bomb(megabytes: int) -> bytes:
    """The same, but both headers declare 10 bytes, with the checksum of those."""
    data = bytearray(word_bomb(megabytes))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        info = archive.getinfo("word/document.xml")
    central = data.rindex(b"PK\x01\x02")
    checksum = zlib.crc32(b"a" * 10)
    for crc_at, size_at in (
        (info.header_offset + 14, info.header_offset + 22),
        (central + 16, central + 24),
    ):
        struct.pack_into("<I", data, crc_at, checksum)
        struct.pack_into("<I", data, size_at, 10)
    return bytes(data)


def nested_zip(depth: int) -> bytes:
    data: bytes = b"at the bottom"
    for level in range(depth):
        data = zipped({f"level{level}.zip": data})
    return data


def word_with_nested_zip(depth: int) -> bytes:
    target = io.BytesIO(word())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("word/embeddings/package.zip", nested_zip(depth))
    return target.getvalue()


def password_protected_zip() -> bytes:
    """The flag of encryption set on each member, as archivers do."""
    data = bytearray(word())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 4)
    return bytes(data)


def encrypted_office() -> bytes:
    """The outer shell of an encrypted DOCX: an OLE container that names its encrypted package."""
    sector = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    return sector + "EncryptionInfo".encode("utf-16-le") + "EncryptedPackage".encode("utf-16-le")


def old_office() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "WordDocument".encode("utf-16-le")


@cache
def pdf_bomb(megabytes: int) -> bytes:
    """One page whose drawing commands unpack to that many megabytes."""
    commands = zlib.compress(b"BT (x) Tj ET\n" * (megabytes * 80_660), 9)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(commands), commands),
    ]
    body, places = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, start=1):
        places.append(b"%010d 00000 n \n" % len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(places)
    return (
        bytes(body)
        + table
        + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(body)
    )


def endless_html(elements: int) -> bytes:
    """Small to send, but each nested element costs the parser hundreds of bytes."""
    return b"<div>" * elements + b"text"


def entity_bomb() -> bytes:
    """A billion laughs: entities that each stand for ten of the one before."""
    entities = b'<!ENTITY a0 "laugh">'
    for level in range(1, 10):
        entities += b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10)
    return b'<?xml version="1.0"?><!DOCTYPE r [' + entities + b"]><r>words &a9;</r>"
