"""Every process of an installation is killed in the middle of one run: the end is as if none had been."""

from __future__ import annotations

import json
import signal
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import psycopg
import pytest
from django.conf import settings

from tests.ragadmin.running import Up, processes_of, run_command, wait_for

FILES = 160
OVER = ("succeeded", "partial", "failed", "cancelled")
COUNTS = ("added", "updated", "deleted", "unchanged", "failed")
# Done documents at which each is killed, and what its command line holds.
KILLS = (
    (10, ("celery", "worker")),
    (25, ("celery", "beat")),
    (40, ("redis-server",)),
    (60, ("bin/postgres", "-D")),
    (80, ("ragadmin.embedded.web",)),
)


class Installation:
    def __init__(self, folder: Path, files: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        models = settings.DATA_DIR / "models"
        models.mkdir(parents=True, exist_ok=True)
        (self.data / "models").symlink_to(models)  # built once for all tests
        self.up = Up(self.data, RAGADMIN_SYNC_ROOTS=str(files))
        self.up.wait_until_ready()
        self.database = json.loads((self.data / "services.json").read_text())["database"]
        self.key = ""

    def command(self, *arguments: str) -> dict:
        done = run_command(self.data, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def make_source(self, slug: str, files: Path) -> str:
        self.command("create_tenant", slug)
        self.key = self.command("create_api_key", slug, "--scopes", "query,ingest,admin")["key"]
        body = {
            "name": "Docs",
            "kind": "folder",
            "config": {"url": str(files)},
            "access_level": "public",
            "schedule": {"crontab": "0 0 1 1 *"},
        }
        return self.call("POST", "sources/", body)["id"]

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.up.port}/api/v1/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def start(self, source: str) -> str:
        return self.call("POST", f"sources/{source}/sync/", {"dry_run": False})["sync_run"]

    def run(self, number: str) -> dict:
        """Empty while nobody answers."""
        try:
            return self.call("GET", f"sync-runs/{number}/")
        except (OSError, urllib.error.HTTPError):
            return {}

    def done(self, number: str) -> int:
        run = self.run(number)
        if run.get("status") in OVER:
            return FILES
        return (run.get("progress") or {}).get("done", 0)

    def wait_until_over(self, number: str, seconds: float = 240) -> dict:
        wait_for(lambda: self.run(number).get("status") in OVER, seconds)
        return self.run(number)

    def stored(self, slug: str) -> dict[str, object]:
        """Everything that a search of the tenant reads, whatever its rows are called."""
        with psycopg.connect(self.database) as connection:
            schema = f"t_{slug}"
            chunks = connection.execute(
                f"SELECT d.path, c.ordinal, c.text, c.heading_path, c.content_hash, c.access_level,"
                f" c.terms, c.term_weights::text FROM {schema}.retrieval_chunk c"
                f" JOIN {schema}.retrieval_document d ON d.id = c.document_id"
            ).fetchall()
            vectors = connection.execute(
                f"SELECT d.path, c.ordinal, c.embedding::text FROM {schema}.retrieval_chunk c"
                f" JOIN {schema}.retrieval_document d ON d.id = c.document_id"
            ).fetchall()
            documents = connection.execute(
                f"SELECT path, status, content_hash, indexed_hash, markdown, chunk_count, removed_at"
                f" FROM {schema}.retrieval_document"
            ).fetchall()
            terms = connection.execute(
                f"SELECT term, chunks FROM {schema}.retrieval_termfrequency"
            ).fetchall()
            jobs = connection.execute(
                "SELECT count(*) FROM tenants_documentjob UNION ALL"
                " SELECT count(*) FROM tenants_syncjob"
            ).fetchall()
        return {
            "chunks": Counter(map(repr, chunks)),
            "vectors": {(path, n): json.loads(text) for path, n, text in vectors},
            "documents": Counter(documents),
            "terms": Counter(terms),
            "jobs": jobs,
        }


@pytest.fixture
def files(tmp_path):
    """Many short texts, of which none is like another."""
    texts = [text for text in topics.values() if len(text) > 600]
    for n in range(FILES):
        text = texts[n % len(texts)]
        start = 97 * (n // len(texts))
        (tmp_path / f"{n}.md").write_text(f"# Text {n}\n\n{text[start : start + 250]}\n")
    return tmp_path


@pytest.fixture
def installation(files):
    with tempfile.TemporaryDirectory(prefix="ragadmin-up-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Installation(folder, files)
        try:
            yield made
        finally:
            if made.up.process.poll() is None:
                made.up.end(signal.SIGTERM)
            wait_for(lambda: not processes_of(made.data), 15)


@pytest.mark.timeout(600)
def test_a_run_ends_as_undisturbed_though_each_process_was_killed(installation, files):
    source = installation.make_source("killed", files)
    number = installation.start(source)
    for done, words in KILLS:
        wait_for(lambda done=done: installation.done(number) >= done, 150)
        assert installation.done(number) < FILES, "the run was over before all were killed"
        process = installation.up.child(*words)
        process.kill()
        wait_for(lambda process=process: not process.is_running(), 10)
    run = installation.wait_until_over(number)
    assert (run["status"], run["error"], run["errors"]) == ("succeeded", None, [])
    assert {name: run[name] for name in COUNTS} == dict.fromkeys(COUNTS, 0) | {"added": FILES}
    killed = installation.stored("killed")

    calm = installation.wait_until_over(installation.start(installation.make_source("calm", files)))
    assert calm["added"] == FILES
    expected = installation.stored("calm")
    assert killed["documents"] == expected["documents"]
    assert killed["chunks"] == expected["chunks"]
    assert killed["terms"] == expected["terms"]
    # The last bits of a vector depend on what was embedded beside it.
    for place, vector in expected["vectors"].items():
        assert vector == pytest.approx(killed["vectors"][place], abs=2e-3), place
    assert sum(count for (count,) in killed["jobs"]) == 0
    assert run["embedded_chunks"] + run["reused_chunks"] == sum(killed["chunks"].values())
