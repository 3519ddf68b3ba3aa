"""Redis, the model and the database are stopped under a running installation, and come back.

What can go on goes on and says what it did without; the rest says what is wrong; nothing is restarted
but what was stopped.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from django.conf import settings

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.postgres import EmbeddedPostgres
from ragadmin.embedded.process import Service
from ragadmin.embedded.redis import EmbeddedRedis
from tests.ragadmin.running import Up, run_command, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

DOCUMENT = """# Handbook

## Passwords

A forgotten password is reset from the sign-in page. The link in the message is valid for one hour.

## Holidays

Every member of the staff has thirty days of holiday a year, and may carry five of them over.
"""
QUESTION = "How is a forgotten password reset?"
BACK_SECONDS = 40


@dataclass
class Part:
    """A server of the installation that a test may stop and start again."""

    service: Service
    process: subprocess.Popen[bytes]

    @classmethod
    def started(cls, service: Service) -> Part:
        process = service.start()
        service.wait_until_ready(process)
        return cls(service, process)

    def stop(self) -> None:
        self.service.stop(self.process)

    def start(self) -> None:
        self.process = self.service.start()
        self.service.wait_until_ready(self.process)


class Installation:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        postgres = EmbeddedPostgres(folder / "own" / "postgres", "test")
        redis = EmbeddedRedis(folder / "own" / "redis", "test")
        for server in (postgres, redis):
            server.initialise()
        self.postgres = Part.started(postgres.service())
        postgres.create_database()
        self.redis = Part.started(redis.service())
        model_port = free_port()
        self.model_url = f"http://127.0.0.1:{model_port}"
        self.model = Part.started(self._stub(model_port))
        self.env = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "OPENAI_BASE_URL": f"{self.model_url}/v1",
            "OPENAI_API_KEY": "any",
            "RAGADMIN_SMALL_MODEL": "mock-0-20-0",
            "RAGADMIN_LARGE_MODEL": "mock-0-20-0",
        }
        self.up = Up(folder / "data", **self.env)
        self.up.wait_until_ready()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.up.port}", timeout=60)
        self.client.headers["Authorization"] = f"Bearer {self._make_tenant()}"
        self._upload()

    def end(self) -> None:
        self.client.close()
        if self.up.process.poll() is None:
            self.up.end(signal.SIGTERM)
        for part in (self.model, self.redis, self.postgres):
            if part.process.poll() is None:
                part.stop()

    def ask(self, question: str = QUESTION, **options: Any) -> httpx.Response:
        return self.client.post("/api/v1/answers/", json={"question": question, **options})

    def answer(self, question: str = QUESTION, **options: Any) -> dict[str, Any]:
        response = self.ask(question, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def _stub(self, port: int) -> Service:
        return Service(
            name="mock-model",
            argv=[sys.executable, "-m", "retrieval.mock_model", "--port", str(port)],
            is_ready=lambda: answers(f"{self.model_url}/v1/models"),
            cwd=settings.PROJECT_DIR,
            log_path=self.folder / "model.log",
        )

    def _make_tenant(self) -> str:
        run_command(self.up.data, "create_tenant", "handbook", "--json", **self.env)
        made = run_command(
            self.up.data, "create_api_key", "handbook", "--scopes", "query,ingest,admin", "--json",
            **self.env,
        )  # fmt: skip
        return json.loads(made.stdout)["key"]

    def _upload(self) -> None:
        files = {"file": ("handbook.md", DOCUMENT.encode())}
        sent = self.client.post("/api/v1/documents/", files=files, data={"access_level": "public"})
        assert sent.status_code == 202, sent.text
        ready = "/api/v1/documents/?status=ready"
        wait_for(lambda: self.client.get(ready).json()["count"] == 1, 60)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="ragadmin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Installation(folder)
        try:
            yield made
        finally:
            made.end()


def test_with_everything_there_nothing_is_done_without(installation):
    answer = installation.answer("How many days of holiday are there?")
    assert answer["degraded"] == []
    assert answer["model"] == "mock-0-20-0"


def test_without_redis_answers_go_on_and_say_so_and_the_cache_comes_back(installation):
    first = installation.answer()
    installation.redis.stop()
    try:
        assert installation.client.get("/readyz").status_code == 503
        without = installation.answer()
        assert "redis" in without["degraded"]
        # The cache in the database still knows the question.
        assert without["cache"] == "exact"
        assert without["answer"] == first["answer"]
        fresh = installation.answer("Is holiday carried over to the next year?")
        assert fresh["model"] == "mock-0-20-0"
    finally:
        installation.redis.start()
    wait_for(lambda: installation.answer()["degraded"] == [], BACK_SECONDS)
    wait_for(lambda: installation.client.get("/readyz").status_code == 200, BACK_SECONDS)


def test_a_redis_that_hangs_holds_no_answer_up(installation):
    installation.redis.process.send_signal(signal.SIGSTOP)
    try:
        assert "redis" in installation.answer("May holiday be carried over?")["degraded"]
    finally:
        installation.redis.process.send_signal(signal.SIGCONT)
    wait_for(lambda: installation.answer()["degraded"] == [], BACK_SECONDS)


def test_without_the_model_passages_are_quoted_and_the_model_comes_back(installation):
    installation.model.stop()
    try:
        quoted = installation.answer("For how long is the link valid?")
        assert quoted["model"] == "extractive", quoted
        assert "one hour" in quoted["answer"]
        assert quoted["degraded"] == ["model"]
        assert "mock-0-20-0" in quoted["route_reason"]
    finally:
        installation.model.start()

    def is_back() -> bool:
        answer = installation.answer("For how long is the link valid?", use_cache=False)
        return answer["model"] == "mock-0-20-0" and answer["degraded"] == []

    wait_for(is_back, BACK_SECONDS)


def test_without_the_database_each_surface_says_what_is_wrong_until_it_is_back(installation):
    installation.postgres.stop()
    try:
        refused = installation.ask("How long is the link valid now?")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "database_unavailable"
        body = {"messages": [{"role": "user", "content": QUESTION}]}
        chat = installation.client.post("/v1/chat/completions", json=body)
        assert (chat.status_code, chat.json()["error"]["code"]) == (503, "database_unavailable")
        assert installation.client.get("/healthz").status_code == 200
        assert installation.client.get("/readyz").status_code == 503
    finally:
        installation.postgres.start()
    wait_for(lambda: installation.ask().status_code == 200, BACK_SECONDS)
    assert installation.answer("How many days of holiday are there?")["degraded"] == []


def test_a_stream_that_runs_while_redis_ends_is_completed(installation):
    body = {"question": "What is said about holidays?", "stream": True}
    with installation.client.stream("POST", "/api/v1/answers/", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        installation.redis.stop()
        try:
            names = [line.removeprefix("event: ") for line in lines if line.startswith("event:")]
        finally:
            installation.redis.start()
    assert names[-1] == "done"
