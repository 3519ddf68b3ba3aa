"""Every document error code, from real awkward files; the next file is read as ever."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from ragadmin.errors import ExtractionError
from retrieval.indexing.extract import ExtractionPool
from tests.files import documents, hostile

MADE_BY_PROGRAMS = Path(documents.__file__).parent / "made_by_programs"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
WINDOWS_PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00" + bytes(200) + b"This program cannot be run"


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = ExtractionPool(tmp_path_factory.mktemp("extract"), size=1)
    yield pool
    pool.close()


@pytest.fixture
def refuse(pool, tmp_path):
    def refuse_bytes(content: bytes, filename: str) -> ExtractionError:
        path = tmp_path / "stored"
        path.write_bytes(content)
        with pytest.raises(ExtractionError) as caught:
            pool.extract(path, filename)
        path.write_text("The next file is read.")
        assert pool.extract(path, "next.md").markdown == "The next file is read."
        return caught.value

    return refuse_bytes


@pytest.mark.parametrize(
    "content", [b"", b" \r\n\t \n", b"\xef\xbb\xbf", "\n \u00a0\n".encode("utf-16"), bytes(100)]
)
def test_empty_file(refuse, content):
    error = refuse(content, "a.txt")
    assert error.code == "empty"
    assert "Upload one that has text" in error.message


@pytest.mark.parametrize(
    ("content", "filename", "told"),
    [
        (PNG, "scan.pdf", "PNG image, although its name ends in .pdf"),
        (WINDOWS_PROGRAM, "notes.txt", "Windows program"),
        (random.Random(1).randbytes(5000), "data.bin", "binary data"),
        (random.Random(1).randbytes(5000), "data.docx", "although its name ends in .docx"),
        (documents.zipped({"a.txt": "text"}), "policy.docx", "zip archive, although"),
        (hostile.nested_zip(30), "all.zip", "Unpack it"),
        (hostile.old_office(), "policy.doc", "Save it as DOCX"),
        (b"Just a text.", "policy.pdf", "the file is plain text"),
        (b"<html><p>Please sign in</p></html>", "policy.docx", "the file is plain text"),
    ],
)
def test_unsupported_file(refuse, content, filename, told):
    error = refuse(content, filename)
    assert error.code == "unsupported"
    assert told in error.message


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (documents.encrypted_pdf("user's word"), "a.pdf"),
        (hostile.encrypted_office(), "a.docx"),
        (hostile.password_protected_zip(), "a.docx"),
        (documents.open_document("<manifest:encryption-data/>"), "a.odt"),
        ((MADE_BY_PROGRAMS / "protected.xlsx").read_bytes(), "rates.xlsx"),
    ],
    ids=["pdf", "office", "zip", "odt", "excel"],
)
def test_encrypted_file(refuse, content, filename):
    error = refuse(content, filename)
    assert error.code == "encrypted"
    assert "Remove the password" in error.message


def damage(content: bytes) -> bytes:
    """Other bytes in the middle of the largest member of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = archive.getinfo("word/document.xml")
    start = info.header_offset + 60
    return content[:start] + bytes(255 for _ in range(200)) + content[start + 200 :]


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (documents.pdf(3)[:3000], "half.pdf"),
        (b"%PDF-1.7\n" + random.Random(2).randbytes(4000), "junk.pdf"),
        (documents.word()[:9000], "half.docx"),
        (damage(documents.word()), "damaged.docx"),
        (b"PK\x03\x04" + random.Random(3).randbytes(500), "junk.zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_corrupt_file(refuse, content, filename):
    error = refuse(content, filename)
    assert error.code == "corrupt"
    assert "upload the new copy" in error.message


@pytest.mark.parametrize("filename", ["book.epub", "policy.odt", "rates.xlsx", "slides.pptx"])
def test_half_of_a_file_is_corrupt(refuse, filename):
    content = (MADE_BY_PROGRAMS / filename).read_bytes()
    assert refuse(content[: len(content) // 2], filename).code == "corrupt"


def test_scanned_pdf_has_no_text(refuse):
    error = refuse(documents.scanned_pdf(), "scan.pdf")
    assert error.code == "no_text"
    assert "OCR" in error.message


def test_documents_without_a_word_have_no_text(refuse):
    assert refuse(documents.word_without_text(), "a.docx").code == "no_text"
    assert refuse(b"<html><img src='a.png'></html>", "a.html").code == "no_text"


@pytest.mark.parametrize(
    "make",
    [
        lambda: hostile.word_bomb(301),
        lambda: hostile.word_bomb(40),
        lambda: hostile.lying_word_bomb(301),
        lambda: b"word and word\n" * 1_500_000,
    ],
    ids=["bomb", "ratio", "lying", "long text"],
)
def test_file_that_unpacks_to_too_much(refuse, make):
    content = make()
    error = refuse(content, "a.docx" if content.startswith(b"PK") else "a.md")
    assert error.code == "too_large"
    assert "Split it into smaller documents" in error.message


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (hostile.entity_bomb(), "bomb.xml"),
        (documents.zipped({"word/document.xml": hostile.entity_bomb()}), "bomb.docx"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "deep.json"),
        ("[" * 100_000 + "]" * 100_000, "deep.json"),
    ],
    ids=["xml", "docx", "objects", "lists"],
)
def test_file_that_grows_or_nests_without_end(refuse, content, filename):
    data = content.encode() if isinstance(content, str) else content
    assert refuse(data, filename).code == "too_large"


def test_archive_inside_a_document_is_left_alone(pool, tmp_path):
    path = tmp_path / "stored"
    path.write_bytes(hostile.word_with_nested_zip(30))
    assert "thirty days" in pool.extract(path, "a.docx").markdown


def test_hostile_markup_is_read_in_linear_time(pool, tmp_path):
    path = tmp_path / "stored"
    for content in (b"<head " * 200_000, b"<title " * 200_000, b"# a" + b" #" * 50_000 + b" a"):
        path.write_bytes(b"<html>words" + content)
        assert "words" in pool.extract(path, "a.md" if b"# a" in content else "a.html").markdown


def test_missing_file_is_not_the_documents_fault(pool, tmp_path):
    with pytest.raises(FileNotFoundError):
        pool.extract(tmp_path / "gone", "a.md")
