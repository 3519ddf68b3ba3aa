from __future__ import annotations

import sys
import time

import psutil
import pytest

from ragadmin.embedded.output import Output
from ragadmin.embedded.process import Service
from ragadmin.embedded.supervisor import GaveUp, Supervisor
from ragadmin.errors import ConfigurationError
from tests.ragadmin.running import wait_for


@pytest.fixture
def supervisor():
    with Supervisor(Output(), lambda numbers: None, first_pause_seconds=0.01) as supervisor:
        yield supervisor


def python(code: str, **values) -> Service:
    return Service(name="sample", argv=[sys.executable, "-c", code], **values)


def test_a_service_that_ends_again_and_again_is_given_up_with_its_last_words(supervisor):
    supervisor.start(python("print('no such thing'); raise SystemExit(3)"))
    with pytest.raises(GaveUp, match=r"sample ended 6 times.*exit code 3: no such thing"):
        supervisor.run()


def test_a_service_that_ends_before_it_is_ready_is_told_with_its_last_words(supervisor):
    service = python("print('bad option')", is_ready=lambda: False)
    supervisor.start(service)
    with pytest.raises(ConfigurationError, match="sample did not start: bad option"):
        supervisor.wait_until_ready(service)


def test_lines_carry_the_name_of_their_service(supervisor, capsys):
    service = python("print('one'); print('two', end='')", is_ready=lambda: False)
    supervisor.start(service)
    with pytest.raises(ConfigurationError):
        supervisor.wait_until_ready(service)
    assert "sample   | one\nsample   | two\n" in capsys.readouterr().out


def test_a_service_that_ignores_the_request_to_stop_is_killed():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with Supervisor(Output(), lambda numbers: None) as supervisor:
        supervisor.start(python(code, stop_seconds=0.3))
        time.sleep(0.3)
        start = time.monotonic()
    assert time.monotonic() - start < 5


def test_what_a_service_leaves_in_its_session_is_ended_too(supervisor, tmp_path):
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); raise SystemExit(1)"
    )
    supervisor.start(python(code))
    with pytest.raises(GaveUp):
        supervisor.run()
    left = int(note.read_text())
    wait_for(lambda: is_gone(left), 10)


def is_gone(number: int) -> bool:
    """Ended, and waiting for a parent that takes notice: in a container there may be none."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
