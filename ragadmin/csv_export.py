"""Tables on their way out as CSV, for spreadsheets and for programs.

Comma-separated after RFC 4180, in UTF-8 with a byte order mark: without it Excel takes UTF-8 for
the system's old code page and garbles every umlaut. Readers of Python strip it (pandas and polars
by themselves, the csv module when the file is opened as "utf-8-sig").
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from django.http import HttpRequest

CONTENT_TYPE = "text/csv; charset=utf-8"
BYTE_ORDER_MARK = "\ufeff"
ROWS_AT_ONCE = 500
# What makes a spreadsheet take a cell for a formula; the last four are the wide forms.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def safe_cell(value: object) -> str:
    """As text that no spreadsheet runs. None is an empty cell, times are ISO 8601."""
    match value:
        case None:
            return ""
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
    text = str(value)
    if text.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Without the byte order mark."""
    out = io.StringIO()
    csv.writer(out).writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_response(
    request: HttpRequest, name: str, rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """Streams the rows, the header first among them, as the download `name`.

    Under ASGI a generator is advanced in steps that do not share a context: it must not hold a
    transaction or a tenant between two rows.
    """
    pieces = _pieces(iter(rows))
    # Under ASGI Django would read a plain iterator to its end before it sends the first byte.
    body = _stepwise(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(body, content_type=CONTENT_TYPE)
    response["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(name)}"
    return response


def _pieces(rows: Iterator[Sequence[object]]) -> Iterator[bytes]:
    mark = BYTE_ORDER_MARK
    for first in rows:
        yield (mark + csv_text(chain([first], islice(rows, ROWS_AT_ONCE - 1)))).encode()
        mark = ""


async def _stepwise(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await sync_to_async(next)(pieces, b""):
        yield piece
