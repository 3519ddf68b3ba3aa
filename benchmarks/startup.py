"""How long until ragadmin serves, what it weighs when idle, and how soon a PDF can be found."""

from __future__ import annotations

import io
import time
from typing import Any

from benchmarks.common import (
    Installation,
    manuals,
    memory_mb,
    percentile,
    report,
    temporary_folder,
)

PAGES = 10
WORDS_A_PAGE = 400
GOALS = {"second_start_s": 10, "idle_rss_mb": 1228.8, "pdf_s": 5}
SETTLING_SECONDS = 5
UPLOADS = 3


def main() -> None:
    with temporary_folder() as folder:
        facts: dict[str, Any] = {}
        with Installation(folder / "data", demo=True) as first:
            facts["first_start_with_demo_s"] = first.start_seconds
        with Installation(folder / "data", demo=True) as second:
            facts["second_start_s"] = second.start_seconds
            time.sleep(SETTLING_SECONDS)
            memory = memory_mb(second.program.pid)
            facts |= {"idle_rss_mb": memory["rss_mb"], "idle_pss_mb": memory["pss_mb"]}
            seconds = upload_pdfs(second)
            facts |= {"pdf_s": percentile(seconds, 0.5), "first_pdf_s": seconds[0]}
            facts["stop_s"] = second.program.stop()
    rows = [
        {"what": name, "value": value, "goal": GOALS.get(name, "")} for name, value in facts.items()
    ]
    report("startup", rows, reached=all(facts[name] <= goal for name, goal in GOALS.items()))


def upload_pdfs(installation: Installation) -> list[float]:
    """Seconds from upload to a search that finds the text, one file after the other."""
    key = installation.make_tenant("bench")
    seconds = []
    for number in range(UPLOADS):
        mark = f"benchmarkword{number}"
        data = make_pdf(mark)
        start = time.monotonic()
        installation.upload(key, {f"manual-{number}.pdf": data})
        wait_until_found(installation, key, mark)
        seconds.append(time.monotonic() - start)
    return seconds


def wait_until_found(installation: Installation, key: str, mark: str) -> None:
    deadline = time.monotonic() + 60
    asked = {"question": mark, "mode": "keyword"}
    while time.monotonic() < deadline:
        hits = installation.ask("/api/v1/search/", key, asked)["hits"]
        if any(mark in hit["text"] for hit in hits):
            return
        time.sleep(0.05)
    raise RuntimeError("The PDF was not found within a minute.")


def make_pdf(mark: str) -> bytes:
    """Ten pages of this project's manuals; `mark` stands on the last one."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import simpleSplit
    from reportlab.pdfgen.canvas import Canvas

    words = b" ".join(manuals().values()).decode().split()
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=A4)
    for page in range(PAGES):
        text = " ".join(words[page * WORDS_A_PAGE : (page + 1) * WORDS_A_PAGE])
        if page == PAGES - 1:
            text += f" The mark is {mark}."
        lines = canvas.beginText(50, 790)
        for line in simpleSplit(text, "Helvetica", 10, 490):
            lines.textLine(line)
        canvas.drawText(lines)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


if __name__ == "__main__":
    main()
