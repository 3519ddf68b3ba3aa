"""Reads files in a child process with limits, so that no file can harm the worker that asks."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ragadmin.errors import ExtractionError
from retrieval.indexing import frames
from retrieval.indexing.reader_process import ProcessDied, ReaderProcess
from retrieval.types import ExtractedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

logger = logging.getLogger(__name__)

SECONDS_PER_FILE = 60.0
MEMORY_BYTES = 2**30
CHILDREN = 2
# What is larger goes through a temporary file.
MAX_SENT_BYTES = 4 * 2**20
# Files of one message: enough that the switch between the processes costs nothing.
MAX_BATCH_FILES = 50
MAX_BATCH_BYTES = 4 * 2**20

File = tuple[Path | bytes, str]
Outcome = ExtractedText | ExtractionError
Failure = ProcessDied | TimeoutError


class ExtractionPool:
    """As many children as jobs run at once, up to `size`, kept for the next file.

    `folder` must belong to this user alone: the PDF library is unpacked there and loaded from there.
    `search_path` is where tesseract is looked for, as in PATH.
    """

    def __init__(
        self,
        folder: Path,
        size: int = CHILDREN,
        seconds: float = SECONDS_PER_FILE,
        memory_bytes: int = MEMORY_BYTES,
        search_path: str | None = None,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._environment = ocr_environment(search_path)
        self._places = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[ReaderProcess] = []
        self._alive: dict[int, ReaderProcess] = {}
        self._closed = False

    def extract(self, content: Path | bytes, filename: str) -> ExtractedText:
        [outcome] = self.extract_many([(content, filename)])
        if isinstance(outcome, ExtractionError):
            raise outcome
        return outcome

    def extract_many(
        self, files: Sequence[File], after_each: Callable[[], None] | None = None
    ) -> list[Outcome]:
        """In order. One file's failure is its own; a path that cannot be read raises OSError.

        `after_each` is called as each is done, for whoever has to show a sign of life.
        """
        for content, _ in files:
            if isinstance(content, Path):
                content.stat()  # a missing file is the caller's trouble, not the document's
        with self._places:
            return self._read_all(files, after_each or nothing)

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

    def _read_all(self, files: Sequence[File], after_each: Callable[[], None]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        suspect = -1  # the file at which a child ended
        while len(outcomes) < len(files):
            found, failure = self._run(choose_batch(files, len(outcomes)), after_each)
            outcomes += found
            if failure is None:
                continue
            if suspect == len(outcomes) or is_certain(failure):
                outcomes.append(explain(failure, self._seconds))
                after_each()
                continue
            # Once more in a fresh child: the first may have been ended from outside, or worn.
            logger.warning("A document reader ended while reading; trying again: %s", failure)
            suspect = len(outcomes)
        return outcomes

    def _run(
        self, batch: Sequence[File], after_each: Callable[[], None]
    ) -> tuple[list[Outcome], Failure | None]:
        """What was read before something went wrong, or a child was worn, and what went wrong."""
        outcomes: list[Outcome] = []
        child = self._take()
        keep = True
        try:
            with write_request(batch, self._folder) as message:
                for head, body in child.ask(message, len(batch), self._seconds):
                    keep = not head.pop("worn", False)
                    outcomes.append(read_reply(head, body))
                    after_each()
                    if not keep:
                        break
        except (ProcessDied, TimeoutError) as failure:
            keep = False
            return outcomes, failure
        except BaseException:
            keep = False
            raise
        finally:
            self._give_back(child, keep)
        return outcomes, None

    def _take(self) -> ReaderProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("The document reader is closed.")
            if self._idle:
                return self._idle.pop()
            child = ReaderProcess(
                self._memory_bytes, int(self._seconds) + 1, self._folder, self._environment
            )
            self._alive[child.pid] = child
        try:
            child.wait_until_ready()
        except RuntimeError:
            with self._lock:
                del self._alive[child.pid]
            raise
        return child

    def _give_back(self, child: ReaderProcess, keep: bool) -> None:
        with self._lock:
            if keep and not self._closed:
                self._idle.append(child)
                return
        self._discard(child)

    def _discard(self, child: ReaderProcess) -> None:
        child.end()
        with self._lock:
            self._alive.pop(child.pid, None)


def nothing() -> None:
    """After each file, where nobody waits."""


def ocr_environment(search_path: str | None = None) -> dict[str, str]:
    """What a child has to know for text recognition."""
    found = {
        "PATH": os.environ.get("PATH", os.defpath) if search_path is None else search_path,
        "OCR_LANGUAGES": "+".join(settings.OCR_LANGUAGES),
    }
    if data := os.environ.get("TESSDATA_PREFIX"):
        found["TESSDATA_PREFIX"] = data
    return found


def choose_batch(files: Sequence[File], start: int) -> Sequence[File]:
    """As many from `start` on as go into one message."""
    size = 0
    for end in range(start, min(len(files), start + MAX_BATCH_FILES)):
        size += len(sent_bytes(files[end][0]))
        if size > MAX_BATCH_BYTES:
            return files[start : max(end, start + 1)]
    return files[start : start + MAX_BATCH_FILES]


def sent_bytes(content: Path | bytes) -> bytes:
    """The part of a content that goes into the message itself."""
    return b"" if isinstance(content, Path) or len(content) > MAX_SENT_BYTES else content


@contextmanager
def write_request(batch: Sequence[File], folder: Path) -> Iterator[bytes]:
    with ExitStack() as written:
        entries = [
            {"filename": filename, **place_of(content, folder, written)}
            for content, filename in batch
        ]
        yield frames.pack({"files": entries}, [sent_bytes(content) for content, _ in batch])


def place_of(content: Path | bytes, folder: Path, written: ExitStack) -> dict[str, Any]:
    if isinstance(content, Path):
        return {"path": str(content.resolve())}
    if len(content) <= MAX_SENT_BYTES:
        return {"size": len(content)}
    file = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115 - closed with the others
    written.enter_context(file)
    file.write(content)
    file.flush()
    return {"path": file.name}


def read_reply(head: dict[str, Any], body: bytes) -> Outcome:
    if "unreadable" in head:
        raise OSError(head["unreadable"])
    if "error" in head:
        return ExtractionError(head["error"]["message"], code=head["error"]["code"])
    return ExtractedText(body.decode(), **head["result"])


def is_certain(failure: Failure) -> bool:
    """Whether the file did it, whatever the state of the child was."""
    if isinstance(failure, ProcessDied):
        return failure.out_of_memory or failure.signal == signal.SIGXCPU
    return True


def explain(failure: Failure, seconds: float) -> ExtractionError:
    if isinstance(failure, TimeoutError) or failure.signal == signal.SIGXCPU:
        return timed_out(seconds)
    return memory_exceeded() if failure.out_of_memory else unreadable()


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


def extract(content: Path | bytes, filename: str) -> ExtractedText:
    """Raises ExtractionError with one of the document error codes."""
    return shared_pool().extract(content, filename)


def extract_many(
    files: Sequence[File], after_each: Callable[[], None] | None = None
) -> list[Outcome]:
    """As `extract`, for several small files in about the time of one: in order, errors in place."""
    return shared_pool().extract_many(files, after_each)


def shared_pool() -> ExtractionPool:
    global _pool
    with _pool_lock:
        if _pool is None:
            folder = Path(settings.DATA_DIR) / "extract"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _pool = ExtractionPool(folder)
            atexit.register(_pool.close)
        return _pool
