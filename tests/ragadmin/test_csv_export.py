"""Tables as CSV: what a spreadsheet runs, garbles or loses must not get there."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import AsyncRequestFactory, RequestFactory

from ragadmin.csv_export import ROWS_AT_ONCE, csv_response, csv_text, safe_cell


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "-", "+"],
)
def test_a_cell_that_would_be_a_formula_is_text(cell):
    assert safe_cell(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (None, ""),
        (-3, "-3"),
        (-0.25, "-0.25"),
        ("-12.5", "-12.5"),
        ("+1e5", "+1e5"),
        (Decimal("0.00000002"), "0.00000002"),
        (Decimal("1E+3"), "1000"),
        (datetime(2026, 11, 1, 2, tzinfo=UTC), "2026-11-01T02:00:00+00:00"),
        ("a=b", "a=b"),
    ],
)
def test_numbers_times_and_harmless_text_stay_as_they_are(cell, written):
    assert safe_cell(cell) == written


def test_commas_quotes_and_line_breaks_come_back():
    rows = [["name", "text"], ["Müller, A.", 'He said "no"\nand left']]
    assert list(csv.reader(io.StringIO(csv_text(rows), newline=""))) == rows


def rows_of(count):
    yield ["Place", "Grüße"]
    yield from ([place, "=x"] for place in range(count))


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory], ids=["wsgi", "asgi"])
def test_a_long_table_is_streamed_whole_and_marked_as_utf8(factory):
    response = csv_response(factory().get("/"), "täglich.csv", rows_of(2 * ROWS_AT_ONCE))
    pieces = asyncio.run(collect(response)) if response.is_async else list(response)
    assert len(pieces) == 3
    read = list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"), newline="")))
    assert b"".join(pieces).startswith(b"\xef\xbb\xbfPlace")
    assert (len(read), read[0], read[-1]) == (1001, ["Place", "Grüße"], ["999", "'=x"])
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''t%C3%A4glich.csv"


async def collect(response):
    return [piece async for piece in response]
