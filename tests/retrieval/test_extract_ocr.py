"""Text recognition: scans are read where tesseract is, within the limits of every file, and not elsewhere."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import psutil
import pytest
from PIL import Image

from ragadmin.errors import ConfigurationError, ExtractionError
from ragadmin.health import NotWell
from retrieval import health
from retrieval.indexing.extract import ExtractionPool
from retrieval.indexing.reader_process import ROOT
from tests.files import documents

LETTER = "The pump behind door seven\nis checked every Monday."


@pytest.fixture
def make_pool(tmp_path):
    pools = []

    def make(**options) -> ExtractionPool:
        pools.append(ExtractionPool(tmp_path, size=1, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@cache
def noise() -> bytes:
    """A picture over which text recognition needs ten seconds and more."""
    target = io.BytesIO()
    pixels = random.Random(1).randbytes(1000 * 1000)
    small = Image.frombytes("L", (1000, 1000), pixels)
    small.resize((5000, 5000), Image.Resampling.NEAREST).save(target, "PNG")
    return target.getvalue()


def tesseract_below(pid: int) -> psutil.Process:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := [p for p in psutil.Process(pid).children() if p.name() == "tesseract"]:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("tesseract was not started")


def is_gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 3
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def code_of(pool: ExtractionPool, content: bytes, filename: str) -> ExtractionError:
    with pytest.raises(ExtractionError) as caught:
        pool.extract(content, filename)
    return caught.value


def test_scanned_pdf_is_read_page_by_page(make_pool):
    content = documents.pdf_of_pages(("scan", LETTER), ("scan", "Thirty days of leave."))
    result = make_pool().extract(content, "scan.pdf")
    assert result.markdown == f"{LETTER}\n\nThirty days of leave.\n"
    assert (result.page_count, result.media_type) == (2, "application/pdf")


def test_scanned_pdf_has_no_text_where_tesseract_is_not(make_pool):
    error = code_of(make_pool(search_path=""), documents.pdf_of_pages(("scan", LETTER)), "a.pdf")
    assert error.code == "no_text"
    assert "Run it through OCR" in error.message


def test_scanned_page_between_others_is_put_in_its_place(make_pool):
    first = "The first page was typed and says what the others are about."
    last = "The last page was typed as well, and signed by those who agreed."
    content = documents.pdf_of_pages(("text", first), ("scan", LETTER), ("text", last))
    assert make_pool().extract(content, "a.pdf").markdown == f"{first}\n\n{LETTER}\n\n{last}\n"


def test_typed_pdf_is_the_same_with_and_without_tesseract(make_pool):
    content = documents.pdf(3)
    assert make_pool().extract(content, "a.pdf") == make_pool(search_path="").extract(
        content, "a.pdf"
    )


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("TIFF", "image/tiff")],
)
def test_picture_of_a_page_is_read(make_pool, kind, media_type):
    result = make_pool().extract(documents.image_file(LETTER, kind), "letter.img")
    assert (result.markdown, result.title, result.media_type) == (LETTER, "letter", media_type)


def test_every_page_of_a_tiff_is_read(make_pool):
    content = documents.image_file("First page.", "TIFF", "Second page.")
    assert make_pool().extract(content, "fax.tif").markdown == "First page.\n\nSecond page."


def test_picture_is_unsupported_where_tesseract_is_not(make_pool):
    error = code_of(make_pool(search_path=""), documents.image_file(LETTER), "letter.png")
    assert error.code == "unsupported"
    assert "where text recognition (tesseract) is installed" in error.message


def test_divided_words_are_joined(make_pool):
    content = documents.image_file("It is checked by the engi-\nneer every Monday.")
    assert "by the engineer every" in make_pool().extract(content, "a.png").markdown


def test_picture_without_text_says_so(make_pool):
    error = code_of(make_pool(), documents.image_file(""), "white.png")
    assert error.code == "no_text"
    assert "Upload a sharper scan" in error.message


def test_damaged_picture_is_corrupt(make_pool):
    whole = documents.image_file(LETTER)
    assert code_of(make_pool(), whole[:50] + bytes(300), "a.png").code == "corrupt"


def test_file_with_the_start_of_a_picture_opens_no_other_file(make_pool, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(documents.image_file(LETTER))
    for start in (
        b"\x89PNG\r\n",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\n",
        b"II*\x00\n",
        b"MM\x00*\n",
    ):
        [outcome] = make_pool().extract_many([(start + f"\n{other}\n".encode() * 9, "a.png")])
        assert isinstance(outcome, ExtractionError)


def test_picture_that_unpacks_to_too_much_fails_alone(make_pool):
    target = io.BytesIO()
    Image.new("L", (20_000, 20_000), 255).save(target, "PNG", compress_level=1)
    pool = make_pool(memory_bytes=300 * 2**20)
    bomb, letter = pool.extract_many(
        [(target.getvalue(), "bomb.png"), (documents.image_file(LETTER), "a.png")]
    )
    assert (bomb.code, letter.markdown) == ("too_large", LETTER)


def test_pdf_with_more_scans_than_are_read_says_so(make_pool):
    error = code_of(make_pool(), documents.scanned_pdf(51), "archive.pdf")
    assert error.code == "too_large"
    assert "51 scanned pages" in error.message


def test_time_limit_ends_tesseract_too(make_pool):
    pool = make_pool(seconds=1.5)
    pool.extract(b"Words.", "a.md")
    [child] = pool.child_pids()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(code_of, pool, noise(), "a.png")
        tesseract = tesseract_below(child)
        assert job.result().code == "timeout"
    assert is_gone(tesseract)
    assert pool.extract(b"Words.", "a.md").markdown == "Words."


def test_tesseract_shares_the_limits_of_its_parent(make_pool):
    pool = make_pool(seconds=2)
    pool.extract(b"Words.", "a.md")
    [child] = pool.child_pids()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(code_of, pool, noise(), "a.png")
        tesseract = tesseract_below(child)
        time.sleep(0.2)
        memory = tesseract.rlimit(psutil.RLIMIT_DATA)
        assert memory[0] < psutil.Process(child).rlimit(psutil.RLIMIT_DATA)[1] < 1.25 * 2**30
        assert tesseract.rlimit(psutil.RLIMIT_CPU)[0] <= 10
        assert os.getsid(tesseract.pid) == child
        job.result()


def test_tesseract_ends_with_a_child_that_is_killed(make_pool):
    pool = make_pool(seconds=3)
    pool.extract(b"Words.", "a.md")
    [child] = pool.child_pids()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(code_of, pool, noise(), "a.png")
        tesseract = tesseract_below(child)
        os.kill(child, signal.SIGKILL)
        assert is_gone(tesseract)
        assert job.result().code == "timeout"  # of the second try


PARENT = """
import sys, threading, time
from pathlib import Path
from retrieval.indexing.extract import ExtractionPool
pool = ExtractionPool(Path(sys.argv[1]))
threading.Thread(target=pool.extract, args=(Path(sys.argv[2]), "a.png"), daemon=True).start()
while not pool.child_pids():
    time.sleep(0.01)
print(pool.child_pids()[0], flush=True)
time.sleep(60)
"""


def test_tesseract_ends_when_the_worker_is_killed(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(noise())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(path)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ragadmin.settings.test"},
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout
        tesseract = tesseract_below(int(parent.stdout.readline()))
        parent.kill()
    assert is_gone(tesseract)


def test_language_without_data_is_named(make_pool, settings):
    settings.OCR_LANGUAGES = ["xyz"]
    error = code_of(make_pool(), documents.image_file(LETTER), "a.png")
    assert (error.code, "language xyz" in error.message) == ("unsupported", True)
    with pytest.raises(NotWell, match="names xyz, which tesseract has no data for"):
        health.probe_ocr()


def test_services_page_says_whether_scans_are_read(monkeypatch):
    assert health.probe_ocr().startswith("tesseract 5")
    monkeypatch.setenv("PATH", "")
    assert health.probe_ocr().startswith("not installed")


def test_languages_that_are_no_names_stop_the_start(monkeypatch):
    from ragadmin.env import read_languages

    monkeypatch.setenv("RAGADMIN_OCR_LANGUAGES", "deu+eng, chi_sim")
    assert read_languages("RAGADMIN_OCR_LANGUAGES", "eng") == ["deu", "eng", "chi_sim"]
    monkeypatch.setenv("RAGADMIN_OCR_LANGUAGES", "../eng")
    with pytest.raises(ConfigurationError, match="such as eng,deu"):
        read_languages("RAGADMIN_OCR_LANGUAGES", "eng")
