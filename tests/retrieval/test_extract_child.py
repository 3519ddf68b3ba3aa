"""The child process: its limits hold, it is replaced when it fails, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from ragadmin.errors import ExtractionError
from retrieval.indexing.extract import MAX_BATCH_FILES, MAX_SENT_BYTES, ExtractionPool
from retrieval.indexing.reader_process import ROOT
from tests.files import hostile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make_pool(tmp_path):
    pools = []

    def make(**options) -> ExtractionPool:
        pools.append(ExtractionPool(tmp_path, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def note(tmp_path) -> Path:
    path = tmp_path / "note.md"
    path.write_text("Words.")
    return path


@pytest.fixture
def slow_file(tmp_path) -> Path:
    """About two seconds of work."""
    path = tmp_path / "slow.csv"
    path.write_bytes(b"a,b\n" * 400_000)
    return path


def wait_for(condition, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def is_busy(pid: int) -> bool:
    return sum(psutil.Process(pid).cpu_times()[:2]) > 0.6


def test_child_is_reused(make_pool, note):
    pool = make_pool()
    pids = {pid for _ in range(5) if pool.extract(note, "note.md") for pid in pool.child_pids()}
    assert len(pids) == 1


def test_contents_are_read_as_files_are_small_and_large_ones(make_pool, tmp_path):
    pool = make_pool()
    for size in (10, MAX_SENT_BYTES, MAX_SENT_BYTES + 1):
        text = "word " * (size // 5) + "e" * (size % 5)
        assert pool.extract(text.encode(), "a.md").markdown == text
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]


def test_many_files_come_back_in_order_with_errors_in_their_places(make_pool, note):
    pool = make_pool()
    files: list = [(f"Number {number}.".encode(), "a.md") for number in range(MAX_BATCH_FILES * 2)]
    files[7:7] = [(b"", "empty.md"), (note, "note.md"), (b"%PDF-1.7 nothing", "a.pdf")]
    outcomes = pool.extract_many(files)
    assert [outcomes[place].code for place in (7, 9)] == ["empty", "corrupt"]
    assert outcomes[8].markdown == "Words."
    texts = [outcome.markdown for outcome in outcomes[:7] + outcomes[10:]]
    assert texts == [f"Number {number}." for number in range(MAX_BATCH_FILES * 2)]
    assert len(pool.child_pids()) == 1


def test_no_files_are_no_work(make_pool):
    pool = make_pool()
    assert pool.extract_many([]) == []
    assert pool.child_pids() == []


def test_hostile_file_among_many_fails_alone(make_pool):
    pool = make_pool(memory_bytes=200 * 2**20)
    files = [(f"Number {number}.".encode(), "a.md") for number in range(10)]
    files[4] = (hostile.pdf_bomb(500), "bomb.pdf")
    signs: list[int] = []
    outcomes = pool.extract_many(files, after_each=lambda: signs.append(1))
    assert len(signs) == 10
    assert outcomes.pop(4).code == "too_large"
    assert [outcome.markdown for outcome in outcomes] == [
        f"Number {number}." for number in range(10) if number != 4
    ]


def test_slow_file_among_many_fails_alone(make_pool):
    pool = make_pool(seconds=0.5)
    files = [(b"First.", "a.md"), (b"a,b\n" * 400_000, "a.csv"), (b"Last.", "a.md")]
    first, slow, last = pool.extract_many(files)
    assert (first.markdown, slow.code, last.markdown) == ("First.", "timeout", "Last.")


def test_stopped_child_that_takes_no_more_input_times_out(make_pool):
    pool = make_pool(seconds=0.5)
    pool.extract(b"Words.", "a.md")
    os.kill(pool.child_pids()[0], signal.SIGSTOP)
    with pytest.raises(ExtractionError) as caught:
        pool.extract(b"word " * 200_000, "a.md")
    assert caught.value.code == "timeout"


def test_jobs_at_once_share_no_child_and_never_exceed_the_size(make_pool, tmp_path):
    pool = make_pool(size=2)

    def read(number: int) -> str:
        path = tmp_path / f"{number}.md"
        path.write_text(f"Number {number}.")
        return pool.extract(path, path.name).markdown

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(60))) == [f"Number {number}." for number in range(60)]
    assert len(pool.child_pids()) <= 2


def test_stopped_child_times_out_and_is_replaced(make_pool, note):
    pool = make_pool(seconds=0.5)
    pool.extract(note, "note.md")
    [stopped] = pool.child_pids()
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(ExtractionError) as caught:
        pool.extract(note, "note.md")
    assert caught.value.code == "timeout"
    assert "Split it" in caught.value.message
    assert is_gone(stopped)
    assert pool.extract(note, "note.md").markdown == "Words."


def test_busy_child_is_ended_by_the_time_limit(make_pool, slow_file):
    pool = make_pool(seconds=0.5)
    with pytest.raises(ExtractionError) as caught:
        pool.extract(slow_file, "slow.csv")
    assert caught.value.code == "timeout"


def test_killed_child_is_replaced_and_the_job_done_again(make_pool, slow_file):
    pool = make_pool()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(pool.extract, slow_file, "slow.csv")
        assert wait_for(lambda: pool.child_pids() and is_busy(pool.child_pids()[0]))
        [killed] = pool.child_pids()
        os.kill(killed, signal.SIGKILL)
        assert "| a | b |" in job.result().markdown
    assert is_gone(killed)


def test_file_that_kills_its_child_twice_is_corrupt(make_pool, slow_file):
    pool = make_pool()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(pool.extract, slow_file, "slow.csv")
        killed: set[int] = set()
        while len(killed) < 2:
            assert wait_for(lambda: set(pool.child_pids()) - killed)
            pid = (set(pool.child_pids()) - killed).pop()
            assert wait_for(lambda pid=pid: is_busy(pid))
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        with pytest.raises(ExtractionError) as caught:
            job.result()
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize(
    ("make", "filename"),
    [
        (lambda: hostile.endless_html(2_000_000), "a.html"),
        (lambda: hostile.pdf_bomb(500), "a.pdf"),
        (lambda: b"a,b,c,d\n" * 1_500_000, "a.csv"),
    ],
    ids=["html", "pdf", "csv"],
)
def test_memory_limit_is_enforced_by_the_system(make_pool, tmp_path, note, make, filename):
    pool = make_pool(memory_bytes=200 * 2**20)
    path = tmp_path / "stored"
    path.write_bytes(make())
    with pytest.raises(ExtractionError) as caught:
        pool.extract(path, filename)
    assert caught.value.code == "too_large"
    assert pool.extract(note, "note.md").markdown == "Words."


def test_limits_are_set_on_the_process_itself(make_pool, note):
    pool = make_pool()
    pool.extract(note, "note.md")
    child = psutil.Process(pool.child_pids()[0])
    memory = child.rlimit(psutil.RLIMIT_DATA)
    assert memory[0] == memory[1] < 1.25 * 2**30
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_FSIZE)[1] == 100 * 2**20
    assert 0 < child.rlimit(psutil.RLIMIT_CPU)[0] <= 70


def test_child_that_grew_is_replaced(make_pool, tmp_path, note):
    pool = make_pool()
    path = tmp_path / "large.json"
    path.write_bytes(b"[" + b'"a",' * 2_500_000 + b"1]")
    pool.extract(path, "large.json")
    assert pool.child_pids() == []
    assert pool.extract(note, "note.md").markdown == "Words."


def test_child_gets_no_secrets_and_imports_no_framework(make_pool, note):
    pool = make_pool()
    pool.extract(note, "note.md")
    environment = psutil.Process(pool.child_pids()[0]).environ()
    assert "HOME" not in environment
    assert not [name for name in environment if "KEY" in name or "URL" in name or "DJANGO" in name]
    check = (
        "import sys, retrieval.indexing.extract_child;"
        "sys.exit(','.join({'django', 'celery', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)


def test_children_are_gone_after_close_even_busy_ones(make_pool, note, slow_file):
    slow_file.write_bytes(b"a,b\n" * 4_000_000)  # still busy when the pool is closed
    pool = make_pool(size=2)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(pool.extract, slow_file, "slow.csv")
        assert wait_for(lambda: pool.child_pids() and is_busy(pool.child_pids()[0]))
        pool.extract(note, "note.md")
        pids = pool.child_pids()
        assert len(pids) == 2
        pool.close()
        with pytest.raises(RuntimeError, match="closed"):
            job.result()
    assert all(is_gone(pid) for pid in pids)
    assert pool.child_pids() == []


PARENT = """
import sys, threading, time
from pathlib import Path
from retrieval.indexing.extract import ExtractionPool
pool = ExtractionPool(Path(sys.argv[1]))
threading.Thread(target=pool.extract, args=(Path(sys.argv[2]), "a.csv"), daemon=True).start()
while not pool.child_pids():
    time.sleep(0.01)
print(pool.child_pids()[0], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("lines", [1, 1_500_000], ids=["idle", "busy"])
def test_child_ends_when_its_parent_is_killed(tmp_path, lines):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" * lines)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(path)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ragadmin.settings.test"},
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert lines == 1 or wait_for(lambda: is_busy(child))
        parent.kill()
    assert wait_for(lambda: is_gone(child), seconds=3)


def test_shutdown_while_threads_wait_leaves_no_thread_hanging(make_pool, note):
    pool = make_pool(size=1)
    pool.extract(note, "note.md")
    os.kill(pool.child_pids()[0], signal.SIGSTOP)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            pool.extract(note, "note.md")
        except RuntimeError as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    pool.close()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 3
