"""What each format becomes: Markdown, a title, a media type, pages."""

from __future__ import annotations

import time

import pytest

from retrieval.indexing.extract import extract
from tests.files import documents


@pytest.fixture
def read(tmp_path):
    def read_bytes(content: str | bytes, filename: str):
        path = tmp_path / "stored"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return extract(path, filename)

    return read_bytes


def test_markdown_stays_as_it_is(read):
    text = "# Leave\n\n* thirty *days*\n\n```\n# no heading\n```\n"
    result = read(text, "leave.md")
    assert (result.markdown, result.title) == (text, "Leave")
    assert (result.media_type, result.page_count) == ("text/markdown", None)


def test_front_matter_gives_the_title(read):
    result = read('---\nlayout: page\ntitle: "From above"\n---\n# Below\n\nText.\n', "a.md")
    assert result.title == "From above"
    assert "layout: page" in result.markdown


def test_title_falls_back_to_underlined_heading_and_to_the_name(read):
    assert read("Underlined\n==========\n\nText.", "a.md").title == "Underlined"
    assert read("Only text.", "On leave.v2.md").title == "On leave.v2"
    assert read("# [Linked](x) `code` #\n\nText.", "a.md").title == "Linked code"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe – “quoted” café", "utf-8"),
        ("Größe – “quoted” café", "utf-8-sig"),
        ("Größe – “quoted” café", "utf-16"),
        ("Größe and more ordinary text", "utf-16-le"),
        ("Größe and more ordinary text", "utf-16-be"),
        ("Größe – “quoted” café", "utf-32"),
        ("Größe – “quoted” café", "cp1252"),
        ("Größe über Straße", "latin-1"),
        ("Сотрудники имеют право на ежегодный отпуск. Он оформляется заранее.", "cp1251"),
        ("従業員は年次有給休暇を取得する権利があります。これは日本語の文章です。", "shift_jis"),
    ],
)
def test_text_of_any_common_encoding_is_read(read, text, encoding):
    assert read(text.encode(encoding), "notes.txt").markdown == text


def test_a_few_broken_bytes_leave_the_rest_of_utf8_readable(read):
    result = read("Größe über Straße und Füße ".encode() * 4 + b"\xff end", "notes.txt")
    assert result.markdown.startswith("Größe über Straße")


def test_newlines_are_unified_and_control_characters_removed(read):
    text = b"one\r\ntwo\rthree\x00\x07 four" + b" and more words" * 40
    assert read(text, "a.txt").markdown.startswith("one\ntwo\nthree four and")


def test_html_keeps_headings_links_and_tables_and_drops_scripts(read):
    result = read(documents.html(), "rates.html")
    assert result.markdown.startswith("# Rates\n")
    assert "[the plans](https://example.org/plans)" in result.markdown
    assert "| Plan  | Price |" in result.markdown
    assert "track()" not in result.markdown
    assert "nobody" not in result.markdown
    assert (result.title, result.media_type) == ("Rates & plans", "text/html")


def test_html_in_a_declared_encoding_is_read(read):
    page = "<html><head><meta charset='iso-8859-2'></head><p>Zażółć gęślą</p></html>"
    assert "Zażółć gęślą" in read(page.encode("iso-8859-2"), "a.html").markdown


def test_pdf_gives_text_by_page_with_headings_and_the_number_of_pages(read):
    result = read(documents.pdf(3), "handbook.pdf")
    assert result.page_count == 3
    assert (result.title, result.media_type) == ("Leave handbook", "application/pdf")
    for page in (1, 2, 3):
        assert f"# Chapter {page}\n\nOn page {page} the handbook" in result.markdown


def test_pdf_with_only_an_owner_password_is_read(read):
    assert "Chapter 1" in read(documents.encrypted_pdf(user_password=""), "a.pdf").markdown


def test_placeholder_titles_of_programs_are_not_used(read):
    assert read(documents.pdf(title="untitled"), "a.pdf").title == "Chapter 1"
    assert read(documents.pdf(title="Microsoft Word - old.doc"), "a.pdf").title == "Chapter 1"


def test_word_document_keeps_headings_and_tables(read):
    result = read(documents.word(), "policy.docx")
    assert "# Leave\n\nEverybody has thirty days.\n\n## Sick leave" in result.markdown
    assert "| Moving | 2 |" in result.markdown
    assert result.title == "Leave policy"


@pytest.mark.parametrize(
    ("content", "filename", "expected", "title"),
    [
        (documents.spreadsheet(), "r.xlsx", "## Rates\n\n| Plan | Price |", "r"),
        (documents.slides(), "r.pptx", "Our rates\n\nBasic costs twelve.", "Our rates"),
        (documents.open_document(), "l.odt", "# Leave\n\nThirty days.", "Leave"),
        (documents.book(), "b.epub", "# First chapter\n\nThirty days.", "The book of leave"),
        (documents.notebook(), "n.ipynb", "# Analysis", "Analysis"),
        (documents.mail(), "m.eml", "## Days\n\nThirty days.", "Leave für all"),
        ("plan,price\nBasic,12\n", "p.csv", "| plan | price |\n| --- | --- |\n| Basic | 12 |", "p"),
        ("plan\tprice\nBasic\t12\n", "p.tsv", "| Basic | 12 |", "p"),
        ('{"plan": {"price": 12}}', "p.json", "12", "p"),
        (
            "Leave\n=====\n\nDays\n----\n\nThirty.\n",
            "l.rst",
            "# Leave\n\n## Days\n\nThirty.",
            "Leave",
        ),
        ("<?xml version='1.0'?><plan><price>12</price></plan>", "p.xml", "12", "p"),
        (
            r"{\rtf1\ansi Thirty {\b days}.\par Na\'efve.\par}",
            "l.rtf",
            "Thirty **days**.\n\nNaï",
            "l",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 8 else "",
)
def test_format_is_read(read, content, filename, expected, title):
    result = read(content, filename)
    assert expected in result.markdown
    assert result.title == title


def test_attachments_of_a_mail_are_named_not_unpacked(read):
    assert "**Attachments:** old.zip" in read(documents.mail(), "m.eml").markdown


def test_broken_data_files_are_read_as_plain_text(read):
    assert read('{"a": 1}\n{"a": 2}\n', "lines.json").markdown == '{"a": 1}\n{"a": 2}\n'


def test_content_decides_over_the_name(read):
    assert read(documents.pdf(), "renamed.txt").media_type == "application/pdf"
    assert read(documents.html(), "page.txt").media_type == "text/html"
    assert "thirty days" in read(documents.word(), "word.bin").markdown


def test_ten_page_pdf_takes_well_below_a_second(read):
    content = documents.pdf(10)
    read(content, "warm.pdf")
    started = time.perf_counter()
    assert read(content, "ten.pdf").page_count == 10
    assert time.perf_counter() - started < 1
