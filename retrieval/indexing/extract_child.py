"""The process that reads files nobody vouches for: `python -m retrieval.indexing.extract_child`.

One job is one length-prefixed JSON message on standard input, its result one on standard output.
The operating system enforces the limits; a process that breaks one ends, and the parent explains.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ragadmin.errors import ExtractionError
from retrieval.indexing.read_file import read_file, too_large

LENGTH = struct.Struct(">I")
MAX_JOBS = 500
MAX_GROWTH_BYTES = 128 * 2**20
MAX_WRITTEN_BYTES = 64 * 2**20
MAX_OPEN_FILES = 64


def main(parent: int, memory_bytes: int, cpu_seconds: int) -> None:
    requests, replies = take_pipes()
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    limit_process(memory_bytes)
    resident = read_memory("VmRSS")
    write_message(replies, {"ready": True})
    for jobs in range(1, MAX_JOBS + 1):
        request = read_message(requests)
        if request is None:
            return
        limit_cpu(cpu_seconds)
        reply = do_job(Path(request["path"]), request["filename"])
        grown = read_memory("VmRSS") - resident > MAX_GROWTH_BYTES
        write_message(replies, {**reply, "worn": grown or jobs == MAX_JOBS})


def do_job(path: Path, filename: str) -> dict[str, Any]:
    try:
        return {"result": asdict(read_file(path, filename))}
    except ExtractionError as error:
        return {"error": {"code": error.code, "message": error.message}}
    except MemoryError:
        error = too_large("Reading the file takes more memory than allowed.")
        return {"error": {"code": error.code, "message": error.message}}
    except OSError as error:
        return {"unreadable": str(error)}


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keeps the pipes for messages alone: what a library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, replies


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return json.loads(stream.read(LENGTH.unpack(head)[0]))


def write_message(stream: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode()
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def end_with_parent(parent: int) -> None:
    """End of input is seen only between jobs; this also ends a child that is busy."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def limit_process(memory_bytes: int) -> None:
    """RLIMIT_DATA counts private writable memory. Address space that is only reserved, as for
    threads and their arenas, is free, so the limit can be close to what is really used."""
    limit(resource.RLIMIT_DATA, read_memory("VmData") + memory_bytes)
    limit(resource.RLIMIT_FSIZE, MAX_WRITTEN_BYTES)
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
