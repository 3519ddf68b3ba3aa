"""The parent's end of one process that reads files: starts it, asks it, ends it with all it started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.indexing import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 30.0
SECONDS_TO_DIE = 1.0
MAX_REPLY_BYTES = 128 * 2**20
# Nothing of the parent's environment: it holds secrets, and the child meets hostile files.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}

Reply = tuple[dict[str, Any], bytes]


class ProcessDied(Exception):
    """`signal` ended it, or None; `said` is the end of its standard error."""

    def __init__(self, number: int | None, said: str) -> None:
        super().__init__(f"ended by signal {number}: {said}")
        self.signal = number
        self.said = said

    @property
    def out_of_memory(self) -> bool:
        """Rust and Python name it; the PDF library aborts in silence, and only for this reason."""
        silent = self.signal == signal.SIGABRT and not self.said
        return silent or "memory allocation of" in self.said or "MemoryError" in self.said


class ReaderProcess:
    """Not thread-safe: the pool gives it to one job at a time."""

    def __init__(
        self, memory_bytes: int, cpu_seconds: int, folder: Path, environment: dict[str, str]
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        arguments = [str(number) for number in (os.getpid(), memory_bytes, cpu_seconds)]
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "retrieval.indexing.extract_child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            cwd=ROOT,
            env={**ENVIRONMENT, **environment, "TMPDIR": str(folder)},
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._requests, self._replies = self._process.stdin, self._process.stdout
        os.set_blocking(self._requests.fileno(), False)
        self._received = bytearray()
        self._heard = 0  # how much of standard error is from earlier files
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        try:
            self._receive(time.monotonic() + SECONDS_TO_START)
        except (ProcessDied, TimeoutError) as error:
            self.end()
            raise RuntimeError(f"The document reader does not start: {error}") from error

    def ask(self, message: bytes, count: int, seconds: float) -> Iterator[Reply]:
        """The `count` replies to a message, each within `seconds` of the one before.

        Raises ProcessDied, TimeoutError.
        """
        self._send(message, time.monotonic() + seconds)
        for _ in range(count):
            self._heard = os.fstat(self._errors.fileno()).st_size
            yield self._receive(time.monotonic() + seconds)

    def _send(self, message: bytes, deadline: float) -> None:
        """A process that hangs reads nothing: so writing has to be given up as well."""
        ready, rest = select.poll(), memoryview(message)
        ready.register(self._requests.fileno(), select.POLLOUT)
        while rest:
            self._wait(ready, deadline)
            try:
                rest = rest[os.write(self._requests.fileno(), rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._death() from error

    def _receive(self, deadline: float) -> Reply:
        sizes = self._read(frames.SIZES.size, deadline)
        head_size, body_size = frames.SIZES.unpack(sizes)
        if head_size + body_size > MAX_REPLY_BYTES:
            raise self._death()
        head = frames.unpack_head(self._read(head_size, deadline))
        return head, self._read(body_size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        if len(self._received) < size:
            self._fill(size, deadline)
        found = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return found

    def _fill(self, size: int, deadline: float) -> None:
        number = self._replies.fileno()
        ready = select.poll()
        ready.register(number, select.POLLIN)
        while len(self._received) < size:
            self._wait(ready, deadline)
            piece = os.read(number, 1 << 20)
            if not piece:
                raise self._death()
            self._received += piece

    def _wait(self, ready: select.poll, deadline: float) -> None:
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError

    def _death(self) -> ProcessDied:
        length = os.fstat(self._errors.fileno()).st_size
        said = os.pread(self._errors.fileno(), 4096, max(self._heard, length - 4096))
        return ProcessDied(self._find_signal(), said.decode(errors="replace").strip())

    def _find_signal(self) -> int | None:
        """The process is left unburied, so that its number still means it and what it started."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._bury()
        deadline = time.monotonic() + SECONDS_TO_DIE
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < deadline:
            found = os.waitid(os.P_PID, self.pid, options)
            if found is not None:
                return None if found.si_code == os.CLD_EXITED else found.si_status
            time.sleep(0.005)
        return None

    def _bury(self) -> int | None:
        try:
            code = self._process.wait(SECONDS_TO_DIE)
        except subprocess.TimeoutExpired:
            return None
        return -code if code < 0 else None

    def kill(self) -> None:
        """The whole session: also the programs that it runs."""
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()

    def end(self) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._requests, self._replies, self._errors):
            stream.close()
