"""The whole stack, really started: what a person at a terminal sees and what is left behind."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.ragadmin.running import Up, processes_of, run_command, wait_for


@pytest.fixture(scope="module")
def data():
    with tempfile.TemporaryDirectory(prefix="ragadmin-up-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder / "data"


@pytest.fixture(scope="module")
def first_start(data):
    """A first start, ended as hard as can be: what it printed."""
    up = Up(data)
    try:
        up.wait_until_ready()
    finally:
        up.end(signal.SIGKILL)
    return up


@pytest.fixture(scope="module")
def running(data, first_start):
    """A second start, on the data of one that was killed."""
    wait_for(lambda: not processes_of(data), 15)
    up = Up(data)
    try:
        up.wait_until_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


def test_kill_of_the_supervisor_leaves_no_process(data, first_start):
    wait_for(lambda: not processes_of(data), 15)


def test_a_start_after_a_kill_finds_its_data_and_names_the_same_sign_in(first_start, running):
    line = next(line for line in first_start.output().splitlines() if "sign in as" in line)
    assert line in running.output()
    assert running.status("/readyz") == 200
    assert running.status("/healthz") == 200


def test_secrets_in_the_data_folder_are_private(data, running):
    for name in ("secret_key", "sign_in", "embedded_password", "services.json"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE((data / "redis" / "redis.conf").stat().st_mode) == 0o600


def test_passwords_are_not_in_any_command_line(data, running):
    password = (data / "embedded_password").read_text()
    lines = [" ".join(process.cmdline()) for process in processes_of(data)]
    assert len(lines) > 5
    assert not any(password in line for line in lines)


def test_other_commands_find_the_running_services(data, running):
    wait_for(lambda: "ready. [celery" in running.output(), 30)  # worker and beat come after web
    # Beat gives its first sign with its first task.
    wait_for(lambda: run_command(data, "check_services").returncode == 0, 30)
    done = run_command(data, "check_services", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert all(check["ok"] for check in checks.values()), checks
    assert {"database", "pgvector", "redis", "worker", "beat", "storage"} <= set(checks)
    assert done.returncode == 0


def test_second_up_on_the_same_data_is_refused_in_one_line(data, running):
    done = _refused(data)
    assert "already running on the data folder" in done
    assert str(running.process.pid) in done


def test_a_killed_web_server_is_started_again(running):
    killed = running.child("ragadmin.embedded.web")
    killed.kill()
    wait_for(lambda: not killed.is_running(), 5)
    wait_for(lambda: running.status("/readyz") == 200, 30)
    assert "web ended with SIGKILL" in running.output()


def test_a_killed_database_is_started_again(data, running):
    # Its command line also holds the cluster's folder, the backends' do not.
    running.child("bin/postgres", "-D").kill()
    wait_for(lambda: "postgres ended with SIGKILL" in running.output(), 10)
    wait_for(lambda: running.status("/readyz") == 200, 30)


def test_stopping_leaves_nothing(data, running):
    assert running.end(signal.SIGTERM) == 0
    assert not processes_of(data)
    assert not (data / "services.json").exists()


def test_a_port_in_use_is_named_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 cannot be used" in _refused(tmp_path / "data", port=port)
    assert not processes_of(tmp_path)


def test_a_data_folder_that_cannot_be_written_is_named_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in _refused(tmp_path / "file" / "data")


def test_a_wrong_database_url_is_named_in_one_line(tmp_path):
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    assert "DATABASE_URL cannot be used" in _refused(tmp_path / "data", DATABASE_URL=url)
    assert "DATABASE_URL must look like" in _refused(tmp_path / "data", DATABASE_URL="mysql://x/y")


def test_a_wrong_redis_url_is_named_in_one_line(tmp_path, services):
    refused = _refused(
        tmp_path / "data", DATABASE_URL=services["database"], REDIS_URL="redis://127.0.0.1:1/0"
    )
    assert "REDIS_URL cannot be used" in refused


def _refused(data: Path, *, port: int = 0, **env: str) -> str:
    up = Up(data, port=port, **env)
    try:
        assert up.process.wait(30) == 1
    except subprocess.TimeoutExpired:
        up.end(signal.SIGTERM)
        raise
    lines = [line for line in up.output().splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]
