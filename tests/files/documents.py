"""Makers of documents of every format that is read: ordinary ones, each with a heading and a text."""

from __future__ import annotations

import io
import json
import zipfile

import docx
import pikepdf
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen import canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

XML = '<?xml version="1.0" encoding="UTF-8"?>'
OFFICE_XML = "application/vnd.openxmlformats-officedocument"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def pdf(pages: int = 1, title: str = "Leave handbook") -> bytes:
    styles, story = getSampleStyleSheet(), []
    for page in range(1, pages + 1):
        story.append(Paragraph(f"Chapter {page}", styles["Heading1"]))
        sentence = f"On page {page} the handbook explains how leave is asked for and granted. "
        story += [Paragraph(sentence * 5, styles["BodyText"]) for _ in range(8)]
        story.append(PageBreak())
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4, title=title, invariant=1).build(story)
    return target.getvalue()


def scanned_pdf(pages: int = 2) -> bytes:
    """Pages that show something but hold no text."""
    target = io.BytesIO()
    page = canvas.Canvas(target)
    for _ in range(pages):
        page.rect(50, 50, 300, 500, fill=1)
        page.showPage()
    page.save()
    return target.getvalue()


def encrypted_pdf(user_password: str) -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        protection = pikepdf.Encryption(owner="owner's word", user=user_password)
        document.save(target, encryption=protection)
    return target.getvalue()


def word(title: str = "Leave policy") -> bytes:
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading("Leave", 1)
    document.add_paragraph("Everybody has thirty days.")
    document.add_heading("Sick leave", 2)
    document.add_paragraph("Tell your team before nine.")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ("Kind", "Days", "Moving", "2"), strict=True):
        cell.text = text
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def word_without_text() -> bytes:
    target = io.BytesIO()
    docx.Document().save(target)
    return target.getvalue()


def html() -> str:
    return (
        "<!DOCTYPE html><html><head><title>Rates &amp; plans</title><style>p{color:red}</style>"
        "<meta name='author' content='nobody'></head><body><h1>Rates</h1>"
        "<script>track()</script><p>See <a href='https://example.org/plans'>the plans</a>.</p>"
        "<h2>Table</h2><table><tr><th>Plan</th><th>Price</th></tr>"
        "<tr><td>Basic</td><td>12</td></tr></table></body></html>"
    )


def zipped(members: dict[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def _office(kind: str, main_part: str, parts: dict[str, str], types: dict[str, str]) -> bytes:
    """An Office package of one main part and the parts that it points to."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{OFFICE_XML}.{type_}+xml"/>'
        for name, type_ in types.items()
    )
    folder, _, name = main_part.partition("/")
    inner = next(part.removeprefix(f"{folder}/") for part in types if part != main_part)
    return zipped(
        {
            "[Content_Types].xml": f'{XML}<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
            "_rels/.rels": _relation("officeDocument", main_part),
            f"{folder}/_rels/{name}.rels": _relation(kind, inner),
            **parts,
        }
    )


def _relation(kind: str, target: str) -> str:
    return (
        f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONSHIPS}/{kind}" Target="{target}"/></Relationships>'
    )


def spreadsheet() -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return _office(
        "worksheet",
        "xl/workbook.xml",
        {
            "xl/workbook.xml": f'{XML}<workbook xmlns="{main}" xmlns:r="{RELATIONSHIPS}">'
            '<sheets><sheet name="Rates" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'{XML}<worksheet xmlns="{main}"><sheetData><row r="1">'
            '<c r="A1" t="inlineStr"><is><t>Plan</t></is></c>'
            '<c r="B1" t="inlineStr"><is><t>Price</t></is></c></row><row r="2">'
            '<c r="A2" t="inlineStr"><is><t>Basic</t></is></c><c r="B2"><v>12.5</v></c>'
            "</row></sheetData></worksheet>",
        },
        {
            "xl/workbook.xml": "spreadsheetml.sheet.main",
            "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
        },
    )


def slides() -> bytes:
    main = "http://schemas.openxmlformats.org/presentationml/2006/main"
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    shapes = "".join(
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{kind}"/><p:cNvSpPr/>'
        f'<p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
        f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        for number, kind, text in ((2, "title", "Our rates"), (3, "body", "Basic costs twelve."))
    )
    return _office(
        "slide",
        "ppt/presentation.xml",
        {
            "ppt/presentation.xml": f'{XML}<p:presentation xmlns:p="{main}" '
            f'xmlns:r="{RELATIONSHIPS}"><p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst>'
            "</p:presentation>",
            "ppt/slides/slide1.xml": f'{XML}<p:sld xmlns:p="{main}" xmlns:a="{drawing}">'
            f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>",
        },
        {
            "ppt/presentation.xml": "presentationml.presentation.main",
            "ppt/slides/slide1.xml": "presentationml.slide",
        },
    )


def open_document(manifest_entry: str = "") -> bytes:
    names = "urn:oasis:names:tc:opendocument:xmlns"
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f'{XML}<office:document-content xmlns:office="{names}:office:1.0" '
            f'xmlns:text="{names}:text:1.0"><office:body><office:text>'
            '<text:h text:outline-level="1">Leave</text:h><text:p>Thirty days.</text:p>'
            "</office:text></office:body></office:document-content>",
            "META-INF/manifest.xml": f'{XML}<manifest:manifest xmlns:manifest="{names}:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="content.xml" '
            f'manifest:media-type="text/xml">{manifest_entry}</manifest:file-entry>'
            "</manifest:manifest>",
        }
    )


def book() -> bytes:
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f'{XML}<container version="1.0" '
            'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>'
            "</rootfiles></container>",
            "book.opf": f'{XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
            'unique-identifier="i"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            '<dc:title>The book of leave</dc:title><dc:identifier id="i">1</dc:identifier>'
            "<dc:language>en</dc:language></metadata><manifest>"
            '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="c"/></spine></package>',
            "c.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>First chapter</h1>'
            "<p>Thirty days.</p></body></html>",
        }
    )


def notebook() -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Analysis\n", "Thirty days."]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["days = 30"]},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def mail() -> str:
    return (
        "From: office@example.org\nTo: team@example.org\nSubject: =?utf-8?q?Leave_f=C3=BCr_all?=\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=part\n\n"
        "--part\nContent-Type: text/html; charset=utf-8\n\n"
        "<h2>Days</h2><p>Thirty days.</p>\n"
        "--part\nContent-Type: application/zip; name=old.zip\n"
        "Content-Disposition: attachment; filename=old.zip\n\nPK\n--part--\n"
    )


def picture(text: str) -> Image.Image:
    """A page as a scanner sees it."""
    page = Image.new("L", (1240, 1754), 255)
    font = ImageFont.load_default(36)
    ImageDraw.Draw(page).multiline_text((80, 80), text, font=font, fill=0, spacing=20)
    return page


def image_file(text: str, kind: str = "PNG", *more: str) -> bytes:
    target = io.BytesIO()
    pages = {"save_all": True, "append_images": [picture(page) for page in more]} if more else {}
    picture(text).save(target, kind, **pages)
    return target.getvalue()


def pdf_of_pages(*pages: tuple[str, str]) -> bytes:
    """Each page is `("text", …)` or `("scan", …)`."""
    target = io.BytesIO()
    drawn = canvas.Canvas(target, pagesize=A4, invariant=1)
    for kind, text in pages:
        if kind == "text":
            drawn.drawString(72, 770, text)
        else:
            drawn.drawInlineImage(picture(text), 0, 0, *A4)
        drawn.showPage()
    drawn.save()
    return target.getvalue()
