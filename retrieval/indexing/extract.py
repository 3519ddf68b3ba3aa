"""Reads a file in a child process with limits, so that no file can harm the worker that asks."""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from ragadmin.errors import ExtractionError
from retrieval.types import ExtractedText

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
SECONDS_PER_FILE = 60.0
SECONDS_TO_START = 30.0
MEMORY_BYTES = 2**30
CHILDREN = 2
MAX_REPLY_BYTES = 128 * 2**20
LENGTH = struct.Struct(">I")
# Nothing of the parent's environment: it holds secrets, and the child meets hostile files.
CHILD_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}


class ChildDied(Exception):
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


class Child:
    """One reader process. Not thread-safe: the pool gives it to one job at a time."""

    def __init__(self, memory_bytes: int, cpu_seconds: int, folder: Path) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        arguments = [str(number) for number in (os.getpid(), memory_bytes, cpu_seconds)]
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "retrieval.indexing.extract_child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env={**CHILD_ENVIRONMENT, "PATH": os.defpath, "TMPDIR": str(folder)},
            start_new_session=True,
        )
        self._heard = 0  # how much of standard error is from earlier files
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        try:
            self._receive(time.monotonic() + SECONDS_TO_START)
        except (ChildDied, TimeoutError) as error:
            self.end()
            raise RuntimeError(f"The document reader does not start: {error}") from error

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        body = json.dumps(request).encode()
        assert self._process.stdin
        self._heard = os.fstat(self._errors.fileno()).st_size
        try:
            self._process.stdin.write(LENGTH.pack(len(body)) + body)
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error
        return self._receive(time.monotonic() + seconds)

    def _receive(self, deadline: float) -> dict[str, Any]:
        size = LENGTH.unpack(self._read(LENGTH.size, deadline))[0]
        if size > MAX_REPLY_BYTES:
            raise self._death()
        return json.loads(self._read(size, deadline))

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._process.stdout
        number = self._process.stdout.fileno()
        ready, received = select.poll(), bytearray()
        ready.register(number, select.POLLIN)
        while len(received) < size:
            if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            piece = os.read(number, min(size - len(received), 1 << 20))
            if not piece:
                raise self._death()
            received += piece
        return bytes(received)

    def _death(self) -> ChildDied:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            code = 0
        length = os.fstat(self._errors.fileno()).st_size
        said = os.pread(self._errors.fileno(), 4096, max(self._heard, length - 4096))
        return ChildDied(-code if code < 0 else None, said.decode(errors="replace").strip())

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream:
                stream.close()


class ExtractionPool:
    """As many children as jobs run at once, up to `size`, kept for the next file.

    `folder` must belong to this user alone: the PDF library is unpacked there and loaded from there.
    """

    def __init__(
        self,
        folder: Path,
        size: int = CHILDREN,
        seconds: float = SECONDS_PER_FILE,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._places = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._alive: dict[int, Child] = {}
        self._closed = False

    def extract(self, path: Path, filename: str) -> ExtractedText:
        path.stat()  # a missing file is the caller's trouble, not the document's
        request = {"path": str(path.resolve()), "filename": filename}
        with self._places:
            try:
                reply = self._run(request)
            except ChildDied as first:
                reply = self._run_again(request, first)
        return read_reply(reply)

    def child_pids(self) -> list[int]:
        with self._lock:
            return list(self._alive)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in self._alive.values():
                child.kill()
        for child in idle:
            self._discard(child)

    def _run_again(self, request: dict[str, Any], first: ChildDied) -> dict[str, Any]:
        """Once more in a fresh child: the first may have been ended from outside, or worn."""
        if first.out_of_memory:
            raise memory_exceeded() from first
        logger.warning("A document reader ended while reading; trying again: %s", first)
        try:
            return self._run(request)
        except ChildDied as second:
            raise memory_exceeded() if second.out_of_memory else unreadable() from second

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        child = self._take()
        keep = False
        try:
            reply = child.ask(request, self._seconds)
            keep = not reply.pop("worn", False)
        except TimeoutError as error:
            raise timed_out(self._seconds) from error
        except ChildDied as death:
            if death.signal == signal.SIGXCPU:
                raise timed_out(self._seconds) from death
            raise
        finally:
            self._give_back(child, keep)
        return reply

    def _take(self) -> Child:
        with self._lock:
            if self._closed:
                raise RuntimeError("The document reader is closed.")
            if self._idle:
                return self._idle.pop()
            child = Child(self._memory_bytes, int(self._seconds) + 1, self._folder)
            self._alive[child.pid] = child
        try:
            child.wait_until_ready()
        except RuntimeError:
            with self._lock:
                del self._alive[child.pid]
            raise
        return child

    def _give_back(self, child: Child, keep: bool) -> None:
        with self._lock:
            if keep and not self._closed:
                self._idle.append(child)
                return
        self._discard(child)

    def _discard(self, child: Child) -> None:
        child.end()
        with self._lock:
            self._alive.pop(child.pid, None)


def read_reply(reply: dict[str, Any]) -> ExtractedText:
    if "unreadable" in reply:
        raise OSError(reply["unreadable"])
    if "error" in reply:
        raise ExtractionError(reply["error"]["message"], code=reply["error"]["code"])
    return ExtractedText(**reply["result"])


def timed_out(seconds: float) -> ExtractionError:
    return ExtractionError(
        f"Reading the file took longer than {seconds:.0f} seconds."
        " Split it into smaller documents or save it in a simpler format.",
        code="timeout",
    )


def memory_exceeded() -> ExtractionError:
    return ExtractionError(
        "Reading the file takes more memory than allowed. Split it into smaller documents.",
        code="too_large",
    )


def unreadable() -> ExtractionError:
    return ExtractionError(
        "The file made its reader crash, so it is probably damaged."
        " Save or export it again and upload the new copy.",
        code="corrupt",
    )


_pool: ExtractionPool | None = None
_pool_lock = threading.Lock()


def extract(path: Path, filename: str) -> ExtractedText:
    """Raises ExtractionError with one of the document error codes."""
    return shared_pool().extract(path, filename)


def shared_pool() -> ExtractionPool:
    global _pool
    with _pool_lock:
        if _pool is None:
            folder = Path(settings.DATA_DIR) / "extract"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _pool = ExtractionPool(folder)
            atexit.register(_pool.close)
        return _pool
