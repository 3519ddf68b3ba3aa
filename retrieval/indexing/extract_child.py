"""The process that reads files nobody vouches for: `python -m retrieval.indexing.extract_child`.

A message on standard input names files, with the contents of small ones; each has its reply on
standard output. The operating system enforces the limits; a process that breaks one ends, and the
parent explains.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ragadmin.errors import ExtractionError
from retrieval.indexing import frames
from retrieval.indexing.read_file import MAX_FILE_BYTES, read_file, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_JOBS = 10_000
MAX_GROWTH_BYTES = 128 * 2**20
MAX_OPEN_FILES = 64
PAGE_BYTES = resource.getpagesize()
STATM = Path("/proc/self/statm")


def main(parent: int, memory_bytes: int, cpu_seconds: int) -> None:
    requests, replies = take_pipes()
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    limit_process(memory_bytes)
    highest = read_resident_bytes() + MAX_GROWTH_BYTES
    write_message(replies, {"ready": True})
    for job, (content, filename) in enumerate(read_jobs(requests), start=1):
        limit_cpu(cpu_seconds)
        head, body = do_job(content, filename)
        worn = read_resident_bytes() > highest or job >= MAX_JOBS
        write_message(replies, {**head, "worn": worn}, body)


def read_jobs(requests: BinaryIO) -> Iterator[tuple[Path | bytes, str]]:
    while sizes := requests.read(frames.SIZES.size):
        head_size, body_size = frames.SIZES.unpack(sizes)
        files = frames.unpack_head(requests.read(head_size))["files"]
        contents = memoryview(requests.read(body_size))
        for file in files:
            if "path" in file:
                yield Path(file["path"]), file["filename"]
            else:
                yield bytes(contents[: file["size"]]), file["filename"]
                contents = contents[file["size"] :]


def do_job(content: Path | bytes, filename: str) -> tuple[dict[str, Any], bytes]:
    try:
        text = read_file(content, filename)
    except ExtractionError as error:
        return {"error": {"code": error.code, "message": error.message}}, b""
    except MemoryError:
        error = too_large("Reading the file takes more memory than allowed.")
        return {"error": {"code": error.code, "message": error.message}}, b""
    except OSError as error:
        return {"unreadable": str(error)}, b""
    about = {"title": text.title, "media_type": text.media_type, "page_count": text.page_count}
    return {"result": about}, text.markdown.encode()


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keeps the pipes for messages alone: what a library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, replies


def write_message(stream: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    stream.write(frames.pack(head, [body]))
    stream.flush()


def end_with_parent(parent: int) -> None:
    """End of input is seen only between jobs; this also ends a child that is busy."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)  # with whatever it has started


def limit_process(memory_bytes: int) -> None:
    """RLIMIT_DATA counts private writable memory. Address space that is only reserved, as for
    threads and their arenas, is free, so the limit can be close to what is really used."""
    limit(resource.RLIMIT_DATA, read_memory("VmData") + memory_bytes)
    limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    limit(resource.RLIMIT_CORE, 0)


def limit(kind: int, wanted: int) -> None:
    hard = resource.getrlimit(kind)[1]
    allowed = lower_of(wanted, hard)
    resource.setrlimit(kind, (allowed, allowed))


def lower_of(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def limit_cpu(seconds: int) -> None:
    """The limit is for the life of a process, so each job moves it on from what is used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = int(used.ru_utime + used.ru_stime) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (lower_of(wanted, hard), hard))


def read_resident_bytes() -> int:
    """As often as a file is read, so without a look at all of the status."""
    try:
        with STATM.open("rb") as file:
            return int(file.read().split()[1]) * PAGE_BYTES
    except FileNotFoundError:
        return 0


def read_memory(field: str) -> int:
    """Bytes, from the kernel; 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    found = next((line for line in lines if line.startswith(f"{field}:")), "")
    return int(found.split()[1]) * 1024 if found else 0


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
