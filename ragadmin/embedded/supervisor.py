"""Keeps a few services running: prefixed output, restarts with growing pauses, an orderly stop.

One thread and one selector: children must be made by the main thread (see `process`), and a
signal wakes the loop through a socket.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragadmin.embedded.process import Service, end_group
from ragadmin.errors import ConfigurationError, RagadminError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from ragadmin.embedded.output import Output

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_SECONDS = 0.5
# A service that ran for this long was well: its next crash is its first again.
STEADY_SECONDS = 30
MOST_QUICK_CRASHES = 5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10


class Stopped(Exception):
    """Somebody asked for the end while services were still being started."""


class GaveUp(RagadminError):
    """A service ends again and again."""


@dataclass
class Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_crashes: int = 0
    restart_at: float = 0.0
    pending: bytes = b""
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=20))


class Supervisor:
    """Use as a context manager: leaving it stops what was started."""

    def __init__(
        self,
        output: Output,
        on_change: Callable[[Sequence[int]], None],
        *,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """`on_change` is told the process numbers whenever they change."""
        self.first_pause_seconds = first_pause_seconds
        self.output = output
        self.on_change = on_change
        self.children: list[Child] = []
        self.stopping = False
        self.in_a_hurry = False
        self._selector = selectors.DefaultSelector()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Supervisor:
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake_in.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            self._previous[number] = signal.signal(number, self._note_signal)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop_all()
        signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def start(self, *services: Service) -> None:
        for service in services:
            child = Child(service)
            self.children.append(child)
            self._spawn(child)

    def wait_until_ready(self, *services: Service, seconds: float = 60) -> None:
        """Raises ConfigurationError if one ends or stays silent, Stopped if asked to stop."""
        deadline = time.monotonic() + seconds
        waiting = [child for child in self.children if child.service in services]
        while waiting:
            self.check_stop()
            self._read_output(0.05)
            for child in list(waiting):
                if child.process is None or child.process.poll() is not None:
                    raise ConfigurationError(self._why_not_started(child))
                if child.service.is_ready():
                    waiting.remove(child)
            if waiting and time.monotonic() > deadline:
                raise ConfigurationError(self._why_not_started(waiting[0]))

    def run(self) -> None:
        """Until a stop signal; raises GaveUp when a service cannot be kept running."""
        while not self.stopping:
            self._read_output(TICK_SECONDS)
            for child in self.children:
                self._look_after(child)

    def check_stop(self) -> None:
        if self.stopping:
            raise Stopped

    def stop_all(self) -> None:
        """Programs first, then the databases they use; a second stop signal ends all at once."""
        self.in_a_hurry = False
        for is_database in (False, True):
            group = [child for child in self.children if child.service.is_database == is_database]
            for child in group:
                self._ask_to_stop(child)
            for child in group:
                self._see_off(child)
        self.on_change([])

    def _note_signal(self, number: int, _frame: object) -> None:
        if number in STOP_SIGNALS:
            self.in_a_hurry = self.stopping
            self.stopping = True

    def _spawn(self, child: Child) -> None:
        child.process = child.service.start()
        child.started_at = time.monotonic()
        if child.process.stdout:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child)
        self.on_change([part.process.pid for part in self.children if part.process])

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.restart_at:
                self._spawn(child)
            return
        code = child.process.poll()
        if code is None or self.stopping:
            return
        ran = time.monotonic() - child.started_at
        child.quick_crashes = 1 if ran > STEADY_SECONDS else child.quick_crashes + 1
        self._clear_away(child)
        name = child.service.name
        if child.quick_crashes > MOST_QUICK_CRASHES:
            raise GaveUp(
                f"{name} ended {child.quick_crashes} times in a row, last with {_describe(code)}: "
                f"{self._last_words(child)}"
            )
        pause = min(
            self.first_pause_seconds * 2 ** (child.quick_crashes - 1), LONGEST_PAUSE_SECONDS
        )
        child.restart_at = time.monotonic() + pause
        self.output.write(
            "ragadmin", f"{name} ended with {_describe(code)}; starting it again in {pause:g} s"
        )

    def _clear_away(self, child: Child) -> None:
        """Takes leave of an ended process, with its last output and whatever it left running."""
        assert child.process
        end_group(child.process.pid)
        if child.process.stdout:
            self._drain(child)
            if child.process.stdout in self._selector.get_map():
                self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
        child.process = None

    def _ask_to_stop(self, child: Child) -> None:
        if child.process and child.process.poll() is None:
            child.process.send_signal(child.service.stop_signal)

    def _see_off(self, child: Child) -> None:
        if child.process is None:
            return
        deadline = time.monotonic() + child.service.stop_seconds
        while child.process.poll() is None:
            if self.in_a_hurry or time.monotonic() > deadline:
                child.process.kill()
                child.process.wait(10)
            self._read_output(0.05)
        self._clear_away(child)

    def _read_output(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._empty_wakeups()
            else:
                self._drain(key.data)

    def _empty_wakeups(self) -> None:
        try:
            while self._wake_out.recv(512):
                pass
        except BlockingIOError:
            return

    def _drain(self, child: Child) -> None:
        assert child.process
        assert child.process.stdout
        stream = child.process.stdout
        if stream.closed:
            return
        try:
            while chunk := os.read(stream.fileno(), 65536):
                *lines, child.pending = (child.pending + chunk).split(b"\n")
                for line in lines:
                    self._show(child, line)
        except BlockingIOError:
            return
        if stream in self._selector.get_map():
            self._selector.unregister(stream)
        if child.pending:
            self._show(child, child.pending)
            child.pending = b""

    def _show(self, child: Child, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            child.last_lines.append(text)
            self.output.write(child.service.name, text)

    def _why_not_started(self, child: Child) -> str:
        if child.process and child.process.poll() is not None and child.process.stdout:
            self._drain(child)
        return f"{child.service.name} did not start: {self._last_words(child)}"

    def _last_words(self, child: Child) -> str:
        return child.service.last_line() or (child.last_lines or ["no output"])[-1]


def _describe(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
