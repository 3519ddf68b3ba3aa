"""What each format becomes: Markdown, a title, a media type, pages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from retrieval.indexing.extract import extract
from tests.files import documents

GERMAN = "Die Größe der Räume überschreitet die zulässige Fläche der Straße."
RUSSIAN = "Сотрудники имеют право на ежегодный отпуск. Он оформляется заранее."
JAPANESE = "従業員は年次有給休暇を取得する権利があります。これは日本語の文章です。"
CHINESE = "员工有权享受带薪年假。请提前两周提交申请，并与部门经理协商具体日期。"
ENGLISH = "This manual explains how the product is installed and what to do then. "
MADE_BY_PROGRAMS = Path(documents.__file__).parent / "made_by_programs"


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
        (GERMAN, "iso-8859-15"),
        (GERMAN, "mac_roman"),
        (GERMAN, "cp850"),
        (GERMAN, "utf-32-le"),
        (GERMAN, "utf-32-be"),
        ("L'été, les employés ont droit à des congés.", "cp1252"),
        ("Pracownicy mają prawo do urlopu, także w święta.", "cp1250"),
        ("Zaměstnanci mají nárok na dovolenou, též při nemoci.", "iso-8859-2"),
        ("Minden dolgozónak jár szabadság, előtte két héttel kérje a főnöktől.", "cp1250"),
        ("Çalışanların yıllık izin hakkı vardır, başvuru önceden yapılır.", "cp1254"),
        ("Darbuotojai turi teisę į atostogas, prašymą rašykite iš anksto.", "cp1257"),
        ("Οι εργαζόμενοι δικαιούνται ετήσια άδεια.", "cp1253"),
        *((RUSSIAN, name) for name in ("cp1251", "koi8-r", "cp866", "utf-16-le", "utf-16-be")),
        *((JAPANESE, name) for name in ("shift_jis", "euc_jp", "iso2022_jp", "utf-16-le")),
        *((CHINESE, name) for name in ("gb18030", "utf-16-be", "utf-32-be")),
        ("員工有權享受帶薪年假。請提前兩週提交申請，並與部門經理協商具體日期。", "big5"),
        ("직원은 연차 휴가를 사용할 권리가 있습니다. 신청은 2주 전에 제출해야 합니다.", "euc_kr"),
        (f"# Notes\n\n{ENGLISH * 9}\n{RUSSIAN}\n", "cp1251"),
        (f"# Notes\n\n{ENGLISH * 9}\n{JAPANESE}\n", "shift_jis"),
    ],
)
def test_text_of_any_common_encoding_is_read(read, text, encoding):
    assert read(text.encode(encoding), "notes.txt").markdown == text


def test_stray_control_characters_do_not_turn_a_text_into_another_script(read):
    text = "An ordinary text in which something stands. " * 20
    for control in ("\x00", "\x07", "\x1b"):
        assert read(f"{text}{control}{text}", "a.txt").markdown == text + text


def test_guessing_an_encoding_takes_no_longer_for_hostile_bytes(read):
    started = time.perf_counter()
    for content in (b"a" * 3_000_000 + b"\xff\xfe\xfd", b"\xe4" * 3_000_000, b"\x00a" * 1_500_000):
        read(content, "a.txt")
    assert time.perf_counter() - started < 10


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


@pytest.mark.parametrize(
    ("filename", "title", "parts"),
    [
        (
            "rates.xlsx",
            "rates",
            ["## Rates", "| Basic | 12.5 |", "with \\| pipe", "| Größe | 七 |"],
        ),
        (
            "slides.pptx",
            "Leave at a glance",
            ["## Rules\n\nThirty days a year\n\n- Ask two weeks before", "| Moving | 2 |"],
        ),
        (
            "book.epub",
            "The book of leave",
            ["# First chapter\n\nThirty days. *Always.*\n\n- one", "## Exceptions", "| Moving | 2"],
        ),
        (
            "policy.odt",
            "Leave policy",
            [
                "# Leave\n\nEverybody has thirty days.\n\n- one\n- two\n\n## Sick leave",
                "| Moving | 2 |",
            ],
        ),
    ],
)
def test_file_made_by_a_program_keeps_headings_lists_and_tables(read, filename, title, parts):
    result = read((MADE_BY_PROGRAMS / filename).read_bytes(), filename)
    assert result.title == title
    for part in parts:
        assert part in result.markdown


def test_names_of_sheets_are_headings(read):
    markdown = read((MADE_BY_PROGRAMS / "rates.xlsx").read_bytes(), "rates.xlsx").markdown
    assert [line for line in markdown.splitlines() if line.startswith("#")] == [
        "## Rates",
        "## Staff & rooms",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Name;Preis\nGröße;12,50\n".encode("cp1252"),
        "Name\tPreis\nGröße\t12,50\n".encode("utf-16"),
        b'Name|Preis\nGr\xc3\xb6\xc3\x9fe|"12,50"\n',
        'Name,Preis\n"Größe","12,50"\n'.encode("utf-8-sig"),
    ],
    ids=["semicolon", "tab", "pipe", "comma"],
)
def test_csv_of_any_delimiter_is_a_table(read, content):
    assert read(content, "p.csv").markdown.split() == (
        [
            "|",
            "Name",
            "|",
            "Preis",
            "|",
            "|",
            "---",
            "|",
            "---",
            "|",
            "|",
            "Größe",
            "|",
            "12,50",
            "|",
        ]
    )


def test_lines_of_json_are_paragraphs_of_names_and_values(read):
    lines = '{"id": 1, "text": "Gr\\u00f6\\u00dfe"}\n{"id": 2, "tags": ["a", "b"]}\n'
    expected = '**id:** 1  \n**text:** Größe\n\n**id:** 2  \n**tags:** ["a", "b"]'
    assert read(lines, "lines.jsonl").markdown == expected
    assert read(lines, "lines.json").markdown == expected


def test_broken_data_files_are_read_as_plain_text(read):
    assert read('{"a": 1}\n{"a": \n', "lines.json").markdown == '{"a": 1}\n{"a": \n'


def test_no_directive_of_rst_loses_its_text(read):
    text = (
        "Title\n=====\n\n.. note:: Beware.\n\n.. tip::\n\n   Rest.\n\n"
        ".. py:function:: pump(level)\n\n   Runs it.\n\n   .. versionadded:: 2.1\n      Faster.\n\n"
        ".. code-block:: python\n\n   .. x::\n   y = 1\n"
    )
    markdown = read(text, "a.rst").markdown
    for part in (
        "> [!NOTE]\n> Beware.",
        "Rest.",
        "**pump(level)**\n\nRuns it.",
        "Faster.",
        "y = 1",
    ):
        assert part in markdown


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
