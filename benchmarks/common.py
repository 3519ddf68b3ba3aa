"""What benchmarks share: process measurements, tables, results, a stack and a stub model of their own."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS = Path(__file__).parent / "results"
# Whatever the shell has set must not reach the installation that is measured.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PORT", "HOST")


def process_tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, ended ones included."""
    total = 0.0
    for process in process_tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system
    return total


def memory_mb(pid: int) -> dict[str, float]:
    """`rss` counts shared pages once for each process, `pss` once in all (Linux only)."""
    rss = pss = 0
    for process in process_tree(pid):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            rss += process.memory_info().rss
            pss += getattr(process.memory_full_info(), "pss", 0)
    return {"rss_mb": rss / 2**20, "pss_mb": pss / 2**20}


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] if ordered else float("nan")


def machine() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_count": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def report(name: str, rows: list[dict[str, Any]], **facts: Any) -> None:
    """Prints the rows as a table, the facts below it, and keeps both as JSON."""
    rows = [{key: _rounded(value) for key, value in row.items()} for row in rows]
    facts = {key: _rounded(value) for key, value in facts.items()}
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = [columns, *([str(row.get(key, "")) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    for key, value in facts.items():
        print(f"{key}: {value}")
    RESULTS.mkdir(exist_ok=True)
    result = {"benchmark": name, "machine": machine(), "rows": rows, **facts}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def _rounded(value: Any) -> Any:
    return round(value, 3 if abs(value) < 10 else 1) if isinstance(value, float) else value


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Open to others, because Postgres runs as an unprivileged user under root."""
    with tempfile.TemporaryDirectory(prefix="ragadmin-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def clean_environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    kept = {key: value for key, value in kept.items() if not key.startswith("RAGADMIN_")}
    return {**kept, "RAGADMIN_DATA_DIR": str(folder), **extra}


def use_settings(folder: Path) -> None:
    """For the product's code called in this process: before anything of Django is imported."""
    os.environ["RAGADMIN_DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "ragadmin.settings.dev"


class Program:
    """A child process of the benchmark, its output in a file, ended by SIGTERM."""

    def __init__(self, argv: Sequence[str], *, env: dict[str, str], log: Path, cwd: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv, env=env, cwd=cwd, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid

    def wait_for(self, url: str, seconds: float = 180) -> None:
        """Until `url` answers 200."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{url} did not answer in time:\n{tail}")

    def stop(self) -> float:
        """Seconds it took to end."""
        start = time.monotonic()
        left = process_tree(self.pid)
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait(5)
        return time.monotonic() - start


class Installation:
    """ragadmin as `manage.py up` runs it, on a data folder and a port of its own."""

    def __init__(
        self, folder: Path, *, demo: bool = False, env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.env = clean_environment(folder, **(env or {}))
        arguments = ["up", "--port", str(self.port), *([] if demo else ["--no-demo"])]
        start = time.monotonic()
        self.program = Program(
            [sys.executable, "manage.py", *arguments],
            env=self.env,
            log=folder.parent / f"{folder.name}.log",
            cwd=PROJECT_DIR,
        )
        self.program.wait_for(f"{self.address}/readyz")
        self.start_seconds = time.monotonic() - start

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *error: object) -> None:
        self.program.stop()

    def manage(self, *arguments: str) -> Any:
        """A management command's JSON."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=PROJECT_DIR, env=self.env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]} failed: {done.stderr[-1000:]}")
        return json.loads(done.stdout)

    def make_tenant(self, slug: str) -> str:
        """Returns a key that may ask and upload."""
        self.manage("create_tenant", slug)
        made = self.manage("create_api_key", slug, "--scopes", "query,ingest")
        return made["key"]

    def pid_of(self, words: str) -> int:
        """The topmost process of this installation with `words` in its command line."""
        for process in process_tree(self.program.pid):
            with suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    return process.pid
        raise RuntimeError(f"No process of the installation has {words!r} in its command line.")

    def call(self, method: str, path: str, key: str, body: bytes = b"", kind: str = "") -> Any:
        headers = {"Authorization": f"Bearer {key}", **({"Content-Type": kind} if kind else {})}
        url = path if path.startswith("http") else self.address + path
        request = urllib.request.Request(url, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def ask(self, path: str, key: str, body: dict[str, Any]) -> Any:
        return self.call("POST", path, key, json.dumps(body).encode(), "application/json")

    def upload(self, key: str, files: dict[str, bytes]) -> list[str]:
        """The documents' ids."""
        ids = []
        for name, data in files.items():
            body, kind = as_multipart({"access_level": "public"}, name, data)
            made = self.call("POST", "/api/v1/documents/", key, body, kind)
            ids += [document["id"] for document in made["documents"]]
        return ids

    def wait_until_ready(self, key: str, count: int, seconds: float = 300) -> None:
        """Until `count` documents can be found."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            failed = self.call("GET", "/api/v1/documents/?status=failed", key)
            if failed["results"]:
                raise RuntimeError(f"A document failed: {failed['results'][0]}")
            ready = self.call("GET", "/api/v1/documents/?status=ready", key)
            if ready["count"] >= count:
                return
            time.sleep(0.05)
        raise RuntimeError(f"Not all of {count} documents were ready after {seconds} seconds.")


def as_multipart(fields: dict[str, str], filename: str, data: bytes) -> tuple[bytes, str]:
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    disposition = f'form-data; name="file"; filename="{filename}"'
    parts.append(f"--{mark}\r\nContent-Disposition: {disposition}\r\n".encode())
    parts.append(b"Content-Type: application/octet-stream\r\n\r\n" + data)
    parts.append(f"\r\n--{mark}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={mark}"


@contextmanager
def stub_model(folder: Path) -> Iterator[str]:
    """The base URL of a stub model."""
    port = free_port()
    program = Program(
        [sys.executable, "-m", "retrieval.mock_model", "--port", str(port)],
        env=clean_environment(folder), log=folder / "mock_model.log", cwd=PROJECT_DIR,
    )  # fmt: skip
    try:
        program.wait_for(f"http://127.0.0.1:{port}/v1/models", 20)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        program.stop()


def manuals() -> dict[str, bytes]:
    """This project's own documents, by name."""
    return {path.name: path.read_bytes() for path in sorted((PROJECT_DIR / "docs").glob("*.md"))}


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000
